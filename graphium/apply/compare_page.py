"""``graphium report --compare``: one page with several runs side by side; no network, no script."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from graphium.apply.contenders import (
    COMPARED,
    Contender,
    config_differences,
    metric_rows,
    read_contenders,
    shorten,
)
from graphium.apply.fairness import data_differences
from graphium.apply.figures.compared import compared_losses
from graphium.apply.page import page_templates
from graphium.apply.report import format_duration
from graphium.errors import UsageError


@dataclass(frozen=True, slots=True)
class RunLine:
    """One run of the first table, in words."""

    letter: str
    name: str
    seeds: str
    parameters: str
    epochs: str
    seconds: str
    speed: str
    waiting: str
    memory: str
    path: str


def write_comparison(paths: Sequence[Path], target: Path) -> Path:
    """Write a page about several finished runs.

    Args:
        paths: Directories of runs, or of the seeds of one.
        target: The page.

    Returns:
        The page.

    Raises:
        UsageError: There is nothing to compare, or the page is a folder.
        DataError: One is no finished run.
    """
    if len(paths) < 2:
        raise UsageError("a comparison needs two runs or more")
    if target.is_dir():
        raise UsageError(f"{target} is a folder; name the page: --out {target / 'compare.html'}")
    page = render_comparison(read_contenders(paths))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.name}.{os.getpid()}")
    temporary.write_text(page, encoding="utf-8")
    temporary.replace(target)
    return target


def render_comparison(contenders: Sequence[Contender]) -> str:
    """Return the page as HTML."""
    tasks = dict.fromkeys(name for one in contenders for name in one.first.results.tasks)
    histories = {
        f"{one.letter} {one.first.results.name}": [run.history() for run in one.runs]
        for one in contenders
    }
    differences = config_differences(contenders)
    rows = metric_rows(contenders)
    measured = [
        part
        for part in COMPARED
        if any(cell.kind in ("", "best") and cell.text for row in rows for cell in row.cells[part])
    ]
    return (
        page_templates()
        .get_template("compare.html.j2")
        .render(
            contenders=contenders,
            lines=[_line(one) for one in contenders],
            warnings=data_differences(contenders),
            has_seeds=any(len(one.runs) > 1 for one in contenders),
            parts=measured,
            rows=rows,
            differences={key: list(map(shorten, row)) for key, row in differences.items()},
            losses=compared_losses(histories, list(tasks)),
        )
    )


def _line(one: Contender) -> RunLine:
    results = [run.results for run in one.runs]
    first = results[0]
    best = {result.best_epoch for result in results if result.best_epoch}
    epochs = " ".join(map(str, sorted({result.epochs for result in results})))
    waiting = one.mean([result.waiting_share for result in results])
    memory = one.mean([result.peak_memory_mb for result in results])
    return RunLine(
        letter=one.letter,
        name=first.name,
        seeds=" ".join(str(result.seed) for result in results),
        parameters=f"{first.parameters:,}",
        epochs=f"{epochs} (best {' '.join(map(str, sorted(best)))})" if best else epochs,
        seconds=format_duration(
            one.mean([r.train_seconds or r.wall_seconds for r in results]) or 0
        ),
        speed=f"{one.mean([result.molecules_per_second for result in results]) or 0:,.0f}",
        waiting="" if waiting is None else f"{100 * waiting:.0f} %",
        memory="" if memory is None else f"{memory:,.0f}",
        path=str(one.path),
    )
