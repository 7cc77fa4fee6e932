"""Metrics over the labels that exist, in numpy and float64.

Values that a metric cannot have (the correlation of a constant, the AUROC of one class) are None,
never 0 and never part of a mean. A task's value is the mean over its labels for which it is
defined. Formulas and ranges: ``docs/reference/metrics.md``.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.data import Part
from graphium.config.metrics import RANK_CORRELATIONS, RANKED, Metric
from graphium.config.tasks import DEFAULT_THRESHOLD, TaskSpec
from graphium.training.confusion import of_classes, of_two_classes
from graphium.training.moments import Values, ratio
from graphium.training.ranking import Ranking
from graphium.training.task_meter import TaskMeter


@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """What one task reached on one part of the data."""

    task: dict[Metric, float | None]
    """Mean over the labels for which the metric is defined."""
    labels: dict[str, dict[Metric, float | None]]
    """Each metric of each label."""
    counts: dict[str, int]
    """Known labels of each column."""
    defined: dict[Metric, int]
    """Labels whose mean a metric of the task is."""
    binned: tuple[Metric, ...] = ()
    """Metrics that were computed from histograms, because there were too many labels to sort."""
    thresholds: dict[str, float] | None = None
    """Above which each 0/1 label was called 1; None for other tasks."""
    confusion: NDArray[np.int64] | None = None
    """[L, C, C] how often each class was known (first) and predicted; None for numbers."""

    def title(self, metric: Metric) -> str:
        """Return the name of a metric for tables: it says so if the value is of histograms."""
        return f"{metric}_binned" if metric in self.binned else metric


def compute_metrics(
    spec: TaskSpec,
    labels: NDArray[np.floating],
    predictions: NDArray[np.floating],
    thresholds: NDArray[np.float64] | None = None,
) -> TaskMetrics:
    """Compare predictions with the labels that exist.

    Args:
        spec: The task; its ``metrics`` are computed.
        labels: [R, L] in the task's unit, 0/1 or class positions; NaN where missing.
        predictions: [R, L] in the task's unit or as probabilities; [R, L, C] class probabilities.
            One that is not a finite number makes its label, and so the task, undefined.
        thresholds: [L] above which a 0/1 label is called 1; None takes those of the task, which
            may be chosen on these labels.
    """
    meter = TaskMeter(spec, thresholds=thresholds)
    meter.add(labels, predictions)
    return metrics_of(meter)


def chosen_thresholds(
    specs: Sequence[TaskSpec], metrics: Mapping[Part, Mapping[str, TaskMetrics]]
) -> dict[str, NDArray[np.float64]]:
    """Return the thresholds [L] that test takes from val, by task.

    Args:
        specs: All tasks; those whose threshold is to be chosen count.
        metrics: Those of val, if there are any; else thresholds stay where they are by default.
    """
    chosen = {}
    for spec in specs:
        if spec.threshold_for is not None:
            found = metrics["val"][spec.name].thresholds if "val" in metrics else None
            default = dict.fromkeys(spec.labels, DEFAULT_THRESHOLD)
            chosen[spec.name] = np.array(list((found or default).values()))
    return chosen


def metrics_of(meter: TaskMeter) -> TaskMetrics:
    """Return the metrics of all that a meter has added up."""
    spec = meter.spec
    ranking = meter.rank()
    counts, thresholds = meter.counts, meter.thresholds
    if ranking is not None and meter.chooses:
        counts, thresholds = ranking.counts, ranking.threshold
    if meter.moments is not None:
        values = _numbers(meter)
    else:
        assert counts is not None, "classes are counted"
        values = {m: _of_classes(spec, m, counts, ranking) for m in spec.metrics}
    broken = meter.broken > 0
    values = {metric: np.where(broken, np.nan, value) for metric, value in values.items()}
    return TaskMetrics(
        task={m: None if broken.any() else _defined_mean(value) for m, value in values.items()},
        labels={
            name: {metric: _or_none(value[i]) for metric, value in values.items()}
            for i, name in enumerate(spec.labels)
        },
        counts={name: int(n) for name, n in zip(spec.labels, meter.known, strict=True)},
        defined={metric: int(np.isfinite(value).sum()) for metric, value in values.items()},
        binned=_binned(meter),
        thresholds=None
        if thresholds is None
        else dict(zip(spec.labels, thresholds.tolist(), strict=True)),
        confusion=counts,
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _defined_mean(values: Values) -> float | None:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else None


def _binned(meter: TaskMeter) -> tuple[Metric, ...]:
    if not meter.is_binned:
        return ()
    by_order = (*RANKED, *RANK_CORRELATIONS)
    if meter.chooses:  # thresholds, and all that follows from them, come from the histogram
        return tuple(meter.spec.metrics)
    return tuple(metric for metric in meter.spec.metrics if metric in by_order)


def _numbers(meter: TaskMeter) -> dict[Metric, Values]:
    spec, moments, pairs = meter.spec, meter.moments, meter.pairs
    assert moments is not None, "the task is of numbers"
    std = np.full(len(spec.labels), np.nan) if spec.std is None else np.asarray(spec.std)
    values: dict[Metric, Values] = {}
    for metric in spec.metrics:
        if metric in RANK_CORRELATIONS:
            assert pairs is not None, "cells of metrics that sort are kept"
            values[metric] = pairs.spearman() if metric == "spearman" else pairs.kendall()
        else:
            values[metric] = moments.value(metric, std)
    return values


def _of_classes(
    spec: TaskSpec, metric: Metric, counts: NDArray[np.int64], ranking: Ranking | None
) -> Values:
    """Return a metric of class labels.

    AUROC and average precision of more than two classes are means, over the classes that define
    them, of one class against the rest.
    """
    if metric in RANKED:
        assert ranking is not None, "cells of metrics that sort are kept"
        each = (ranking.auroc if metric == "auroc" else ranking.ap).reshape(len(spec.labels), -1)
        defined = np.isfinite(each)
        return ratio(np.where(defined, each, 0).sum(1), defined.sum(1))
    return of_classes(metric, counts) if spec.is_multiclass else of_two_classes(metric, counts)
