"""Rank correlations of labels with predictions: exact from cells, or from their histogram.

Equal to SciPy's ``spearmanr`` and ``kendalltau`` (tau-b); equal values share a rank. Undefined
values are NaN.
"""

import numpy as np
from numpy.typing import NDArray
from scipy.stats import kendalltau, rankdata

from graphium.training.moments import Values


def spearman(labels: NDArray[np.floating], predictions: NDArray[np.floating]) -> float:
    """Return the correlation of the ranks of labels [S] and predictions [S]."""
    if len(labels) < 2:
        return np.nan
    a, b = rankdata(labels), rankdata(predictions)
    return _pearson(a, b, np.ones(len(a)))


def kendall(labels: NDArray[np.floating], predictions: NDArray[np.floating]) -> float:
    """Return tau-b of labels [S] and predictions [S]."""
    if len(labels) < 2:
        return np.nan
    return float(kendalltau(labels, predictions).statistic)


def binned_spearman(counts: NDArray[np.uint32]) -> float:
    """Return the correlation of the ranks of binned labels and predictions [B, B]."""
    rows, columns = counts.nonzero()
    number = counts[rows, columns].astype(np.float64)
    ranks = []
    for axis, place in ((1, rows), (0, columns)):
        sizes = counts.sum(axis, dtype=np.float64)
        middle = np.cumsum(sizes) - (sizes - 1) / 2  # of the ranks that share a bin
        ranks.append(middle[place])
    return _pearson(ranks[0], ranks[1], number)


def binned_kendall(counts: NDArray[np.uint32]) -> float:
    """Return tau-b of binned labels and predictions [B, B]."""
    table = counts.astype(np.float64)
    below = np.zeros_like(table)  # cells whose label and prediction are both in smaller bins
    below[1:, 1:] = table.cumsum(0).cumsum(1)[:-1, :-1]
    across = np.zeros_like(table)  # smaller label, larger prediction
    across[1:, :-1] = table[:, ::-1].cumsum(0).cumsum(1)[:-1, :-1][:, ::-1]
    concordant, discordant = (table * below).sum(), (table * across).sum()
    untied = [_pairs(table.sum()) - _pairs(table.sum(axis)).sum() for axis in (0, 1)]
    if min(untied) <= 0:
        return np.nan
    tau = (concordant - discordant) / np.sqrt(untied[0]) / np.sqrt(untied[1])
    return float(np.clip(tau, -1, 1))


def _pairs(number: Values) -> Values:
    return number * (number - 1) / 2


def _pearson(a: Values, b: Values, weight: Values) -> float:
    total = weight.sum()
    if total < 2:
        return np.nan
    a, b = a - (weight * a).sum() / total, b - (weight * b).sum() / total
    scale = np.sqrt((weight * a**2).sum() * (weight * b**2).sum())
    return float(np.clip((weight * a * b).sum() / scale, -1, 1)) if scale > 0 else np.nan
