"""The model beside its baselines: one metric, one part, one line."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from graphium.apply.finished_run import FinishedRun, Metrics, Rival, RivalResult, TaskResult
from graphium.config.data import Part
from graphium.config.metrics import IN_UNITS, LOWER_IS_BETTER, SCALED
from graphium.config.tasks import Loss

RIVALS: tuple[Rival, ...] = ("mean", "forest")
"""In the order of columns."""

_NEAREST: dict[Loss, tuple[str, ...]] = {
    "mae": ("mae", "rmse"),
    "mse": ("rmse", "mae"),
    "huber": ("mae", "rmse"),
    "bce": ("auroc", "ap"),
    "ce": ("accuracy", "auroc"),
    "hybrid_ce": ("accuracy", "auroc"),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One value as a table shows it."""

    text: str
    kind: Literal["", "best", "undefined", "absent"]
    note: str = ""
    """What must be known to read it."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """One metric of one task, or of one of its labels, on one part."""

    metric: str
    unit: str | None
    """Unit of the values; None where they have none."""
    num_labels: int
    """Known labels in this part."""
    model: float | None
    rivals: dict[Rival, float | None]
    """Only the baselines that were computed."""
    note: str = ""
    """What must be known to read the model's value."""

    def cells(self) -> list[Cell]:
        """Return the model's value and those of all rivals, the best one marked."""
        known = [v for v in (self.model, *self.rivals.values()) if v is not None]
        lower = self.metric in LOWER_IS_BETTER
        best = (min(known) if lower else max(known)) if len(known) > 1 else None

        def cell(value: float | None) -> Cell:
            if value is None:
                return Cell("undefined", "undefined")
            return Cell(format_number(value), "best" if value == best else "")

        rivals = [cell(self.rivals[r]) if r in self.rivals else Cell("", "absent") for r in RIVALS]
        return [replace(cell(self.model), note=self.note), *rivals]


def reported_metrics(task: TaskResult) -> list[str]:
    """Return the names of the metrics of a task."""
    return list(dict.fromkeys([*task.test, *task.val]))


def has_one_unit(task: TaskResult) -> bool:
    """Return whether errors of all labels can be averaged as they are."""
    return len(task.labels) == 1 or task.unit is not None


def main_metric(task: TaskResult) -> str:
    """Return the metric that speaks for a task: the one nearest to its loss that is reported.

    Errors of several labels without a common unit are averaged in standard deviations.
    """
    reported = reported_metrics(task)
    nearest = _NEAREST[task.loss]
    if not has_one_unit(task):
        nearest = (*(f"{metric}_scaled" for metric in nearest), *nearest)
    for metric in nearest:
        if metric in reported:
            return metric
    return reported[0] if reported else _NEAREST[task.loss][0]


def compare(
    run: FinishedRun, name: str, part: Part, metric: str, label: str | None = None
) -> Comparison:
    """Compare the model with its baselines.

    Args:
        run: The run.
        name: The task.
        part: val or test.
        metric: The metric.
        label: One label of the task; None speaks of the whole task.
    """
    task = run.results.tasks[name]
    baselines: Mapping[Rival, RivalResult] = (
        run.baselines.tasks.get(name, {}) if run.baselines else {}
    )

    def pick(result: TaskResult | RivalResult) -> Metrics:
        if label is None:
            return result.metrics(part)
        return result.per_label.get(label, {}).get(part, {})

    return Comparison(
        metric=metric,
        unit=_unit_of(task, metric),
        num_labels=task.count(part) if label is None else task.coverage.get(part, {}).get(label, 0),
        model=pick(task).get(metric),
        rivals={
            rival: pick(baselines[rival]).get(metric)
            for rival in RIVALS
            if rival in baselines and (baselines[rival].val or baselines[rival].test)
        },
        note=_note(task, part, metric, is_mean=label is None),
    )


def _note(task: TaskResult, part: Part, metric: str, *, is_mean: bool) -> str:
    """Say over how many labels a mean is, where not over all, and if it is of histograms."""
    defined = task.defined.get(part, {}).get(metric, 0)
    notes = []
    if is_mean and 0 < defined < len(task.labels):
        notes.append(f"{defined} of {len(task.labels)} labels")
    if metric in task.binned.get(part, []):
        notes.append("binned")
    return ", ".join(notes)


def format_number(value: float | None) -> str:
    """Return three significant digits or a little more, or ``undefined``."""
    if value is None or math.isnan(value):
        return "undefined"
    if value == 0 or 0.1 <= abs(value) < 10:
        return f"{value:.3f}"
    return f"{value:#.3g}" if 1e-4 <= abs(value) < 0.1 else f"{value:.4g}"


def format_spread(values: Sequence[float]) -> str:
    """Return mean ± sample standard deviation, this with the decimals of the mean.

    A spread below these decimals has two digits of its own; of one value there is none.
    """
    mean = format_number(statistics.fmean(values))
    if len(values) < 2:
        return mean
    spread = statistics.stdev(values)
    decimals = len(mean.partition(".")[2]) if "e" not in mean else 0
    text = f"{spread:.{decimals}f}"
    return f"{mean} ± {text if float(text) or not spread else f'{spread:.2g}'}"


def _unit_of(task: TaskResult, metric: str) -> str | None:
    """Scaled metrics count standard deviations of the training labels."""
    if metric == "mse":
        return None if task.unit is None else f"({task.unit})²"
    if metric in IN_UNITS:
        return task.unit
    return "std" if metric in SCALED else None
