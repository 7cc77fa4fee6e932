"""Finished runs side by side: what each reached, with mean and spread over its seeds."""

import json
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphium.apply.comparison import (
    Cell,
    compare,
    format_spread,
    has_one_unit,
    reported_metrics,
)
from graphium.apply.finished_run import FinishedRun, TaskResult, read_run
from graphium.config.data import Part
from graphium.config.differences import differing
from graphium.config.metrics import IN_UNITS, LOWER_IS_BETTER
from graphium.errors import DataError

COMPARED: tuple[Part, ...] = ("test", "val")
"""Parts whose metrics are shown."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A run, or the seeds of one."""

    letter: str
    """Short name: A, B, ..."""
    path: Path
    runs: tuple[FinishedRun, ...]
    """One for each seed."""

    @property
    def first(self) -> FinishedRun:
        """The run of the first seed, which speaks for what seeds share."""
        return self.runs[0]

    def mean(self, values: Sequence[float | None]) -> float | None:
        """Return the mean over seeds of what is defined."""
        known = [value for value in values if value is not None]
        return statistics.fmean(known) if known else None

    def text(self, values: Sequence[float | None]) -> str:
        """Return the mean over seeds, and the sample standard deviation where there are several."""
        known = [value for value in values if value is not None]
        if not known:
            return "undefined"
        text = format_spread(known)
        return (
            text if len(known) == len(values) else f"{text} ({len(known)} of {len(values)} seeds)"
        )


@dataclass(frozen=True, slots=True)
class MetricRow:
    """One metric of one task."""

    task: str
    """Empty where the line above has said it."""
    metric: str
    unit: str | None
    cells: dict[Part, list[Cell]]
    """One for each contender."""


def read_contenders(paths: Sequence[Path]) -> list[Contender]:
    """Read runs, and folders of seeds.

    Raises:
        DataError: One is neither, or is given twice, or seeds of one are missing.
    """
    known: dict[Path, Path] = {}
    contenders = []
    for i, path in enumerate(paths):
        real = path.resolve()
        if real in known:
            raise DataError(f"{path} is {known[real]}: a run is compared with others, not itself")
        known[real] = path
        contenders.append(Contender(_letter(i), path, tuple(_read(path))))
    return contenders


def _letter(number: int) -> str:
    return chr(ord("A") + number) if number < 26 else f"R{number + 1}"


def _read(path: Path) -> Iterator[FinishedRun]:
    seeds = sorted(path.glob("seed-*"), key=lambda one: one.name)
    if not seeds or (path / "results.json").is_file():
        yield read_run(path)
        return
    unfinished = [one.name for one in seeds if not (one / "results.json").is_file()]
    if unfinished:
        raise DataError(
            f"{path}: {', '.join(unfinished)} of {len(seeds)} seeds not finished; finish with: "
            f"graphium-train --resume {path}"
        )
    yield from (read_run(one) for one in seeds)


def config_differences(contenders: Sequence[Contender]) -> dict[str, list[str | None]]:
    """Return the options that differ, each with its value in every run; None where it is absent.

    A section that some runs lack is told by the options that it sets.
    """
    records: list[Mapping[str, Any]] = []
    for one in contenders:
        record = one.first.experiment().model_dump(mode="json")
        seeds = [run.results.seed for run in one.runs]
        record["seed"] = seeds[0] if len(seeds) == 1 else seeds
        records.append(record)
    unset = (None, "null")
    return {
        key: values
        for key, values in differing(records).items()
        if any(value not in unset for value in values)
    }


def metric_rows(contenders: Sequence[Contender]) -> list[MetricRow]:
    """Return every metric of every task, the best of each part marked."""
    tasks = dict.fromkeys(name for one in contenders for name in one.first.results.tasks)
    rows = []
    for name in tasks:
        results = [one.first.results.tasks.get(name) for one in contenders]
        metrics = dict.fromkeys(m for task in results if task is not None for m in _metrics(task))
        rows += [
            _row(contenders, name, metric, is_first=i == 0) for i, metric in enumerate(metrics)
        ]
    return rows


def _metrics(task: TaskResult) -> list[str]:
    metrics = reported_metrics(task)
    if not has_one_unit(task) and any(metric not in IN_UNITS for metric in metrics):
        return [metric for metric in metrics if metric not in IN_UNITS]
    return metrics


def _row(contenders: Sequence[Contender], name: str, metric: str, *, is_first: bool) -> MetricRow:
    unit = None
    cells: dict[Part, list[Cell]] = {}
    for part in COMPARED:
        values: list[list[float | None] | None] = []
        notes = []
        for one in contenders:
            has_task = all(name in run.results.tasks for run in one.runs)
            lines = [compare(run, name, part, metric) for run in one.runs] if has_task else []
            values.append([line.model for line in lines] if has_task else None)
            notes.append(lines[0].note if lines else "")
            unit = unit or (lines[0].unit if lines else None)
        cells[part] = _cells(contenders, values, notes, metric)
    return MetricRow(name if is_first else "", metric, unit, cells)


def _cells(
    contenders: Sequence[Contender],
    values: Sequence[Sequence[float | None] | None],
    notes: Sequence[str],
    metric: str,
) -> list[Cell]:
    means = [
        None if seeds is None else one.mean(seeds)
        for one, seeds in zip(contenders, values, strict=True)
    ]
    known = [mean for mean in means if mean is not None]
    pick = min if metric in LOWER_IS_BETTER else max
    best = pick(known) if len(known) > 1 else None
    cells = []
    for one, seeds, mean, note in zip(contenders, values, means, notes, strict=True):
        if seeds is None:
            cells.append(Cell("", "absent"))
        elif mean is None:
            cells.append(Cell("undefined", "undefined"))
        else:
            cells.append(Cell(one.text(seeds), "best" if mean == best else "", note))
    return cells


def shorten(value: str | None, length: int = 60) -> str:
    """Return a value of a config for a table."""
    if value is None:
        return "absent"
    parsed = json.loads(value)
    text = parsed if isinstance(parsed, str) else value
    if isinstance(parsed, float):
        text = f"{parsed:.6g}"
    return text if len(text) <= length else f"{text[: length - 3]}..."
