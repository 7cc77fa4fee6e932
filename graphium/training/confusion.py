"""Metrics of classes from a table of counts: which class was known, which was predicted.

Equal to scikit-learn's, with ``zero_division=nan``: what has no value (the precision of a class
that is never predicted) is undefined and enters no average.
"""

import numpy as np
from numpy.typing import NDArray

from graphium.config.metrics import Metric
from graphium.training.moments import Values, ratio


def count_classes(
    column: NDArray[np.integer],
    known: NDArray[np.integer],
    predicted: NDArray[np.integer],
    shape: tuple[int, int],
) -> NDArray[np.int64]:
    """Return how often each class was known and predicted.

    Args:
        column: [S] label of each cell.
        known: [S] its class.
        predicted: [S] the class that was predicted.
        shape: (L, C).

    Returns:
        [L, C, C], known class first.
    """
    num_labels, classes = shape
    flat = (column.astype(np.int64) * classes + known) * classes + predicted
    counts = np.bincount(flat, minlength=num_labels * classes * classes)
    return counts.reshape(num_labels, classes, classes)


def of_each_class(counts: NDArray[np.int64]) -> dict[str, Values]:
    """Return precision, recall and f1 [L, C] of each class against the rest."""
    right = np.einsum("lcc->lc", counts)
    support, called = counts.sum(2), counts.sum(1)
    return {
        "precision": ratio(right, called),
        "recall": ratio(right, support),
        "f1": ratio(2 * right, support + called),
    }


def of_two_classes(metric: Metric, counts: NDArray[np.int64]) -> Values:
    """Return a metric [L] of 0/1 labels from counts [L, 2, 2]; class 1 is the positive one."""
    match metric:
        case "precision" | "recall" | "f1":
            return of_each_class(counts)[metric][:, 1]
        case "specificity":
            return of_each_class(counts)["recall"][:, 0]
        case _:
            return _of_all_classes(metric, counts)


def of_classes(metric: Metric, counts: NDArray[np.int64]) -> Values:
    """Return a metric [L] of labels with C classes from counts [L, C, C]."""
    name, _, average = metric.partition("_")
    if average == "micro":
        return _of_all_classes("accuracy", counts)  # one class a cell: all three are the same
    if average not in ("macro", "weighted"):
        return _of_all_classes(metric, counts)
    values, support = of_each_class(counts)[name], counts.sum(2)
    weight = support if average == "weighted" else np.ones_like(support)
    weight = np.where(np.isfinite(values), weight, 0)
    return ratio((np.nan_to_num(values) * weight).sum(1), weight.sum(1))


def _of_all_classes(metric: Metric, counts: NDArray[np.int64]) -> Values:
    right = np.einsum("lcc->l", counts).astype(np.float64)
    support, called = counts.sum(2).astype(np.float64), counts.sum(1).astype(np.float64)
    total = support.sum(1)
    if metric == "accuracy":
        return ratio(right, total)
    if metric == "balanced_accuracy":
        recall = of_each_class(counts)["recall"]
        present = np.isfinite(recall)
        mean = ratio(np.where(present, recall, 0).sum(1), present.sum(1))
        return np.where(present.sum(1) > 1, mean, np.nan)
    expected = (support * called).sum(1)
    if metric == "mcc":  # Gorodkin 2004, 10.1016/j.compbiolchem.2004.09.006
        spread = (total**2 - (support**2).sum(1)), (total**2 - (called**2).sum(1))
        return ratio(right * total - expected, np.sqrt(spread[0]) * np.sqrt(spread[1]))
    assert metric == "kappa", f"counts of classes give no {metric}"
    kappa = ratio(right * total - expected, total**2 - expected)
    return np.where((support > 0).sum(1) > 1, kappa, np.nan)
