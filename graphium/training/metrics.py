"""Metrics over the labels that exist, exact, in numpy and float64.

Values that a metric cannot have (the correlation of a constant, the AUROC of one class) are None,
never 0 and never part of a mean. A task's value is the mean over its labels for which it is
defined.
"""

from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import Metric, TaskSpec
from graphium.training.ranking import auroc_and_ap, spearman

RANKED: tuple[Metric, Metric] = ("auroc", "ap")
"""What ``auroc_and_ap`` returns."""
Values = NDArray[np.float64]
"""[L], NaN where undefined."""


@dataclass(frozen=True, slots=True)
class TaskMetrics:
    """What one task reached on one part of the data."""

    task: dict[Metric, float | None]
    """Mean over the labels for which the metric is defined."""
    labels: dict[str, dict[Metric, float | None]]
    """Each metric of each label."""
    counts: dict[str, int]
    """Known labels of each column."""


def compute_metrics(
    spec: TaskSpec, labels: NDArray[np.floating], predictions: NDArray[np.floating]
) -> TaskMetrics:
    """Compare predictions with the labels that exist.

    Args:
        spec: The task; its ``metrics`` are computed.
        labels: [R, L] in the task's unit, 0/1 or class positions; NaN where missing.
        predictions: [R, L] in the task's unit or as probabilities; [R, L, C] class probabilities.
            One that is not a finite number makes its label, and so the task, undefined.
    """
    known = np.isfinite(labels)
    y = np.where(known, labels, 0).astype(np.float64)
    p = np.asarray(predictions, np.float64)
    finite = np.isfinite(p).all(2) if spec.is_multiclass else np.isfinite(p)
    broken = (known & ~finite).any(0)  # [L]
    if spec.is_multiclass:
        values = _multiclass(spec, y, np.nan_to_num(p), known)
    else:
        p = np.where(known & finite, p, 0)
        values = _binary(spec, y, p, known) if spec.loss == "bce" else _numbers(spec, y, p, known)
    values = {metric: np.where(broken, np.nan, value) for metric, value in values.items()}
    return TaskMetrics(
        task={m: None if broken.any() else _defined_mean(value) for m, value in values.items()},
        labels={
            name: {metric: _or_none(value[i]) for metric, value in values.items()}
            for i, name in enumerate(spec.labels)
        },
        counts={name: int(n) for name, n in zip(spec.labels, known.sum(0), strict=True)},
    )


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _defined_mean(values: Values) -> float | None:
    defined = values[np.isfinite(values)]
    return float(defined.mean()) if len(defined) else None


def _ratio(numerator: Values, denominator: Values) -> Values:
    out = np.full(len(numerator), np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out


def _variation(values: NDArray[np.float64], centred: NDArray[np.float64], count: Values) -> Values:
    """Return the sum of squares around the mean; 0 where it is nothing but rounding."""
    total: Values = (centred**2).sum(0)
    noise = count * (1e-12 * np.abs(values).max(0, initial=0)) ** 2
    return np.where(total > noise, total, 0)


def _numbers(
    spec: TaskSpec, y: NDArray[np.float64], p: NDArray[np.float64], known: NDArray[np.bool_]
) -> dict[Metric, Values]:
    count = known.sum(0).astype(np.float64)
    error = np.where(known, p - y, 0)
    absolute, squared = np.abs(error).sum(0), (error**2).sum(0)
    std: Values = np.full(len(count), np.nan) if spec.std is None else np.asarray(spec.std)
    dy = np.where(known, y - _ratio(y.sum(0), count), 0)  # centred first: no cancellation
    dp = np.where(known, p - _ratio(p.sum(0), count), 0)
    var_y, var_p = _variation(y, dy, count), _variation(p, dp, count)

    def value(metric: Metric) -> Values:
        match metric:
            case "mae":
                return _ratio(absolute, count)
            case "rmse":
                return _ratio(squared, count) ** 0.5
            case "mae_scaled":
                return _ratio(absolute, count) / std
            case "rmse_scaled":
                return _ratio(squared, count) ** 0.5 / std
            case "r2":
                return 1 - _ratio(squared, np.where(count > 1, var_y, 0))
            case "pearson":
                return _ratio((dy * dp).sum(0), np.sqrt(var_y) * np.sqrt(var_p))
            case "spearman":
                return spearman(y, p, known)
            case "auroc" | "ap" | "accuracy":
                raise AssertionError(f"{metric} is refused for numbers when the config is read")
            case _:
                assert_never(metric)

    return {metric: value(metric) for metric in spec.metrics}


def _binary(
    spec: TaskSpec, y: NDArray[np.float64], p: NDArray[np.float64], known: NDArray[np.bool_]
) -> dict[Metric, Values]:
    auroc, ap = auroc_and_ap(y > 0.5, p, known)
    right = (((p > 0.5) == (y > 0.5)) & known).sum(0).astype(np.float64)
    accuracy = _ratio(right, known.sum(0).astype(np.float64))
    values: dict[Metric, Values] = {"auroc": auroc, "ap": ap, "accuracy": accuracy}
    return {metric: values[metric] for metric in spec.metrics}


def _multiclass(
    spec: TaskSpec, y: NDArray[np.float64], p: NDArray[np.float64], known: NDArray[np.bool_]
) -> dict[Metric, Values]:
    """Accuracy; the mean, over classes that define it, of one-against-rest AUROC or precision."""
    right = ((p.argmax(2) == y) & known).sum(0).astype(np.float64)
    values: dict[Metric, Values] = {
        "accuracy": _ratio(right, known.sum(0).astype(np.float64)),
    }
    if "auroc" in spec.metrics or "ap" in spec.metrics:
        both = [auroc_and_ap(y == c, p[:, :, c], known) for c in range(p.shape[2])]
        for i, metric in enumerate(RANKED):
            each = np.stack([of_class[i] for of_class in both])
            defined = np.isfinite(each)
            total = np.where(defined, each, 0).sum(0)
            values[metric] = _ratio(total, defined.sum(0).astype(np.float64))
    return {metric: values[metric] for metric in spec.metrics}
