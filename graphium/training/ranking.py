"""AUROC and average precision of all labels in one sort, exact.

A cell (label, score, whether it is positive) becomes one integer whose order is the order wanted:
label by label, best score first. Equal to scikit-learn's ``roc_auc_score`` and
``average_precision_score`` (equal scores share a threshold); undefined values are NaN.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.metrics import ThresholdMetric
from graphium.config.tasks import DEFAULT_THRESHOLD
from graphium.training.moments import Values, ratio

BLOCK = 2**18
"""Sorted cells that are looked at together: they fit into the cache of a core."""
_SIGN = np.uint32(2**31)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """The distinct scores of some labels, label by label and best first, with what is above."""

    label: NDArray[np.int64]
    """[T] label of each threshold."""
    score: NDArray[np.float64]
    """[T] the score: cells with it or a higher one are called positive."""
    true: NDArray[np.int64]
    """[T] positives called positive."""
    false: NDArray[np.int64]
    """[T] negatives called positive."""
    is_first: NDArray[np.bool_]
    """[T] whether it is the highest of its label."""


@dataclass(frozen=True, slots=True)
class Ranking:
    """What the order of the scores says of each label."""

    auroc: Values
    """NaN without both classes."""
    ap: Values
    """NaN without a positive."""
    threshold: Values
    """Above which a label is best called positive; 0.5 without both classes, or where none was
    asked for."""
    counts: NDArray[np.int64]
    """[L, 2, 2] cells by class and by what the threshold calls them; 0 if none was asked for."""


def pack(
    label: NDArray[np.integer], order: NDArray[np.uint32], positive: NDArray[np.bool_]
) -> NDArray[np.uint64]:
    """Return one integer for each cell: 31 bits label, 32 bits score turned round, 1 bit class."""
    keys = label.astype(np.uint64) << np.uint64(32)
    keys |= ~order
    keys <<= np.uint64(1)
    keys |= positive
    return keys


def order_of(scores: NDArray[np.float32]) -> NDArray[np.uint32]:
    """Return integers in the order of the scores: their bits, negative ones turned round."""
    bits = (scores + np.float32(0)).view(np.uint32)  # there is one zero
    return np.where(bits & _SIGN, ~bits, bits | _SIGN)


def score_of(order: NDArray[np.uint32]) -> NDArray[np.float64]:
    """Return the scores that ``order_of`` made integers of."""
    bits = np.where(order & _SIGN, order ^ _SIGN, ~order)
    return bits.astype(np.uint32).view(np.float32).astype(np.float64)


def sorted_thresholds(
    keys: NDArray[np.uint64], num_labels: int, table: NDArray[np.float64] | None = None
) -> Iterator[Thresholds]:
    """Sort cells in place and return their thresholds, some labels at a time.

    Args:
        keys: From ``pack``.
        num_labels: L.
        table: Scores in their order, where the packed integers are places in it.
    """
    keys.sort()
    starts = np.searchsorted(keys, np.arange(num_labels + 1, dtype=np.uint64) << np.uint64(33))
    label = 0
    while label < num_labels:
        stop = int(np.searchsorted(starts, starts[label] + BLOCK, side="right")) - 1
        stop = min(max(stop, label + 1), num_labels)
        block = keys[starts[label] : starts[stop]]
        if len(block):
            yield _thresholds(block, table)
        label = stop


def _thresholds(keys: NDArray[np.uint64], table: NDArray[np.float64] | None) -> Thresholds:
    groups = keys >> np.uint64(1)
    ends = np.flatnonzero(np.append(groups[1:] != groups[:-1], True))
    groups = groups[ends]
    label = (groups >> np.uint64(32)).astype(np.int64)
    is_first = np.append(True, label[1:] != label[:-1])
    true = np.cumsum((keys & np.uint64(1)).astype(np.uint8), dtype=np.int64)[ends]
    seen = ends + 1
    firsts = np.flatnonzero(is_first)
    size = np.diff(np.append(firsts, len(ends)))
    before = np.maximum(firsts - 1, 0)  # the last threshold of the label before
    true -= np.repeat(np.where(firsts > 0, true[before], 0), size)
    seen -= np.repeat(np.where(firsts > 0, seen[before], 0), size)
    order = ~groups.astype(np.uint32)
    score = score_of(order) if table is None else table[order]
    return Thresholds(label, score, true, seen - true, is_first)


def rank(
    blocks: Iterator[Thresholds], num_labels: int, choose: ThresholdMetric | None = None
) -> Ranking:
    """Read off AUROC, average precision and, if asked for, the best threshold of each label."""
    undefined = np.full(num_labels, np.nan)
    counts = np.zeros((num_labels, 2, 2), np.int64)
    half = np.full(num_labels, DEFAULT_THRESHOLD)
    ranking = Ranking(undefined, undefined.copy(), half, counts)
    for block in blocks:
        _fill(ranking, block, choose)
    return ranking


def _fill(ranking: Ranking, block: Thresholds, choose: ThresholdMetric | None) -> None:
    firsts = np.flatnonzero(block.is_first)
    lasts = np.append(firsts[1:], len(block.label)) - 1
    labels = block.label[firsts]
    positives, negatives = block.true[lasts], block.false[lasts]
    new_true, new_false = np.diff(block.true, prepend=0), np.diff(block.false, prepend=0)
    new_true[firsts], new_false[firsts] = block.true[firsts], block.false[firsts]
    # Area under straight lines between thresholds, twice; whole numbers, so nothing is rounded.
    area = np.add.reduceat(new_false * (2 * block.true - new_true), firsts)
    ranking.auroc[labels] = ratio(area / 2, positives * negatives)
    precision = block.true / (block.true + block.false)
    ranking.ap[labels] = ratio(np.add.reduceat(new_true * precision, firsts), positives)
    if choose is not None:
        _choose(ranking, block, choose, firsts, lasts)


def _choose(
    ranking: Ranking,
    block: Thresholds,
    metric: ThresholdMetric,
    firsts: NDArray[np.int64],
    lasts: NDArray[np.int64],
) -> None:
    positives, negatives = block.true[lasts], block.false[lasts]
    size = lasts - firsts + 1
    value = quality(
        metric,
        block.true,
        block.false,
        np.repeat(positives, size),
        np.repeat(negatives, size),
    )
    below = np.append(block.score[1:], 0)  # the next score of the label
    below[lasts] = np.nextafter(block.score[lasts], -np.inf) * 2 - block.score[lasts]
    for i, label in enumerate(block.label[firsts]):
        one = slice(firsts[i], lasts[i] + 1)
        if positives[i] and negatives[i]:
            best = firsts[i] + int(np.argmax(value[one]))
            ranking.threshold[label] = (block.score[best] + below[best]) / 2
        else:
            best = firsts[i] + int((block.score[one] > DEFAULT_THRESHOLD).sum()) - 1
        true, false = (block.true[best], block.false[best]) if best >= firsts[i] else (0, 0)
        ranking.counts[label] = (negatives[i] - false, false), (positives[i] - true, true)


def quality(
    metric: ThresholdMetric,
    true: NDArray[np.int64],
    false: NDArray[np.int64],
    positives: NDArray[np.int64],
    negatives: NDArray[np.int64],
) -> Values:
    """Return how good each threshold is; what has no value there counts as 0."""
    if metric == "f1":
        return ratio(2.0 * true, true + false + positives)
    if metric == "balanced_accuracy":
        return (ratio(true, positives) + ratio(negatives - false, negatives)) / 2
    called = (true + false).astype(np.float64)
    product = called * (positives + negatives - called) * positives * negatives
    covariance = true * negatives.astype(np.float64) - false * positives.astype(np.float64)
    return np.nan_to_num(ratio(covariance, np.sqrt(product)))
