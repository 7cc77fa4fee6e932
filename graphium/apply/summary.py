"""What a run, or several seeds of it, reached: a table for the terminal."""

import json
from collections.abc import Sequence
from pathlib import Path

from rich.markup import escape
from rich.table import Table

from graphium.apply.comparison import (
    RIVALS,
    Cell,
    Comparison,
    compare,
    format_number,
    format_spread,
    main_metric,
)
from graphium.apply.finished_run import FinishedRun, read_run
from graphium.config.data import Part


def summarize_run(run_dir: Path) -> Table:
    """Return one line per task: the model beside its baselines, the best in bold.

    The numbers are of the test part, or of val where the run has no test part.
    """
    run = read_run(run_dir)
    part = _last_part(run)
    table = _table(f"{run.results.name}: {part}")
    for name, task in run.results.tasks.items():
        line = compare(run, name, part, main_metric(task))
        table.add_row(*_head(name, line), *map(_marked, line.cells()))
    return table


def summarize_seeds(directory: Path, run_dirs: Sequence[Path]) -> Table:
    """Return mean and spread of each task over runs that differ in their seed alone.

    Also writes every number to ``seeds.json`` in ``directory``. The spread is the sample standard
    deviation over seeds.

    Args:
        directory: Where ``seeds.json`` goes.
        run_dirs: One finished run for each seed.
    """
    runs = [read_run(run_dir) for run_dir in run_dirs]
    first = runs[0]
    part = _last_part(first)
    table = _table(f"{first.results.name}: {part}, {len(runs)} seeds")
    record: dict[str, object] = {}
    for name, task in first.results.tasks.items():
        lines = [compare(run, name, part, main_metric(task)) for run in runs]
        columns = {"model": [line.model for line in lines]}
        columns |= {rival: [line.rivals.get(rival) for line in lines] for rival in RIVALS}
        present = {"model", *lines[0].rivals}
        cells = [_spread(values) if key in present else "" for key, values in columns.items()]
        table.add_row(*_head(name, lines[0]), *cells)
        record[name] = {"metric": lines[0].metric, "unit": lines[0].unit, **columns}
    content = {"part": part, "seeds": [run.results.seed for run in runs], "tasks": record}
    temporary = directory / ".seeds.json.tmp"
    temporary.write_text(json.dumps(content, indent=2) + "\n")
    temporary.replace(directory / "seeds.json")  # whole or absent: it says that all seeds are done
    return table


def _last_part(run: FinishedRun) -> Part:
    return "test" if run.results.molecules.get("test") else "val"


def _table(title: str) -> Table:
    table = Table(title=escape(title), title_justify="left")
    table.add_column("task")
    table.add_column("metric")
    for name in ("labels", "model", *RIVALS):
        table.add_column(name, justify="right")
    return table


def _head(name: str, line: Comparison) -> tuple[str, str, str]:
    metric = line.metric if line.unit is None else f"{line.metric} ({line.unit})"
    return escape(name), escape(metric), f"{line.num_labels:,}"


def _marked(cell: Cell) -> str:
    text = f"[bold]{cell.text}[/bold]" if cell.kind == "best" else cell.text
    return f"{text} ({cell.note})" if cell.note else text


def _spread(values: Sequence[float | None]) -> str:
    known = [value for value in values if value is not None]
    if not known:
        return "undefined"
    return format_spread(known) if min(known) < max(known) else format_number(known[0])
