"""Metrics that depend on order alone: AUROC and average precision of all labels in one sort.

Equal to scikit-learn's ``roc_auc_score`` and ``average_precision_score`` (ties share a threshold)
and to SciPy's ``spearmanr``; undefined values are NaN.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import rankdata


def auroc_and_ap(
    positive: NDArray[np.bool_], scores: NDArray[np.float64], known: NDArray[np.bool_]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AUROC [L] and average precision [L].

    Args:
        positive: [R, L] whether the label is 1.
        scores: [R, L] higher means more likely 1.
        known: [R, L] whether the label exists; the rest is not looked at.

    Returns:
        NaN for labels without both classes (AUROC) or without a positive (average precision).
    """
    num_labels = positive.shape[1]
    rows, column = np.nonzero(known)
    y, s = positive[rows, column], scores[rows, column]
    order = np.lexsort((-s, column))  # label by label, best score first
    y, s, column = y[order], s[order], column[order]
    num_known = np.bincount(column, minlength=num_labels)
    num_positive = np.bincount(column, weights=y, minlength=num_labels)
    num_negative = num_known - num_positive
    auroc, ap = np.full(num_labels, np.nan), np.full(num_labels, np.nan)
    if not len(s):
        return auroc, ap

    # A threshold is a group of equal scores of one label; counts are taken at its end.
    is_end = np.append((s[1:] != s[:-1]) | (column[1:] != column[:-1]), True)
    ends = np.flatnonzero(is_end)
    label = column[ends]
    before = np.cumsum(num_known) - num_known  # entries of earlier labels
    positives_before = np.cumsum(num_positive) - num_positive
    seen = ends + 1 - before[label]
    true = np.cumsum(y)[ends] - positives_before[label]
    false = seen - true
    first = np.append(True, label[1:] != label[:-1])
    previous_true = np.where(first, 0, np.append(0, true[:-1]))
    previous_false = np.where(first, 0, np.append(0, false[:-1]))

    area = np.bincount(
        label, (false - previous_false) * (true + previous_true) / 2, minlength=num_labels
    )
    precision = np.bincount(label, (true - previous_true) * true / seen, minlength=num_labels)
    np.divide(area, num_positive * num_negative, out=auroc, where=num_positive * num_negative > 0)
    np.divide(precision, num_positive, out=ap, where=num_positive > 0)
    return auroc, ap


def spearman(
    labels: NDArray[np.float64], predictions: NDArray[np.float64], known: NDArray[np.bool_]
) -> NDArray[np.float64]:
    """Return the rank correlation [L] of each label with its predictions; ties share a rank."""
    out = np.full(labels.shape[1], np.nan)
    for i in range(labels.shape[1]):
        rows = known[:, i]
        if rows.sum() < 2:
            continue
        a, b = rankdata(labels[rows, i]), rankdata(predictions[rows, i])
        a, b = a - a.mean(), b - b.mean()
        scale = np.sqrt((a**2).sum() * (b**2).sum())
        if scale > 0:
            out[i] = (a * b).sum() / scale
    return out
