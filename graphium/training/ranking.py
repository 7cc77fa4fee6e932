"""AUROC and average precision of all labels in one sort, exact.

A cell (label, score, whether it is positive) becomes one integer whose order is the order wanted:
label by label, best score first. Equal to scikit-learn's ``roc_auc_score`` and
``average_precision_score`` (equal scores share a threshold); undefined values are NaN.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.metrics import ThresholdMetric
from graphium.config.tasks import DEFAULT_THRESHOLD
from graphium.training.moments import Values, ratio

STRETCH = 2**18
"""Sorted cells that are looked at together, about: they fit into the cache of a core."""
_SIGN = np.uint32(2**31)


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Distinct scores, label by label and best first, with what is above: a stretch of all."""

    label: NDArray[np.int64]
    """[T] label of each threshold."""
    score: NDArray[np.float64]
    """[T] the score: cells with it or a higher one are called positive."""
    counts: NDArray[np.int64]
    """[2, T] negatives and positives with this very score."""
    above: NDArray[np.int64]
    """[2, T] negatives and positives of the label with this score or a higher one."""


Stretches = Callable[[], Iterator[Thresholds]]
"""Gives all thresholds, some at a time, as often as it is called."""


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
    keys: NDArray[np.uint64], table: NDArray[np.float64] | None = None, stretch: int = STRETCH
) -> Iterator[Thresholds]:
    """Return the thresholds of sorted cells, some at a time, so that they take little memory.

    Args:
        keys: From ``pack``, sorted.
        table: Scores in their order, where the packed integers are places in it.
        stretch: Cells at a time, about.
    """
    start, carried, label = 0, np.zeros((2, 1), np.int64), -1
    while start < len(keys):
        last = keys[min(start + stretch, len(keys)) - 1]
        stop = int(np.searchsorted(keys, last | np.uint64(1), side="right"))  # equal scores too
        block = keys[start:stop]
        groups = block >> np.uint64(1)
        ends = np.flatnonzero(np.append(groups[1:] != groups[:-1], True))
        groups = groups[ends]
        order = ~groups.astype(np.uint32)
        positives = np.cumsum((block & np.uint64(1)).astype(np.uint8), dtype=np.int64)[ends]
        counts = np.stack([np.diff(ends + 1 - positives, prepend=0), np.diff(positives, prepend=0)])
        found = accumulate(
            (groups >> np.uint64(32)).astype(np.int64),
            score_of(order) if table is None else table[order],
            counts,
            before=(label, carried),
        )
        yield found
        start, carried, label = stop, found.above[:, -1:], int(found.label[-1])


def accumulate(
    label: NDArray[np.int64],
    score: NDArray[np.float64],
    counts: NDArray[np.int64],
    before: tuple[int, NDArray[np.int64]],
) -> Thresholds:
    """Return thresholds with what is above each.

    Args:
        label: [T] in rising order.
        score: [T] of each label in falling order.
        counts: [2, T] negatives and positives.
        before: Label of the threshold before these, and [2, 1] what is above that one.
    """
    above = np.cumsum(counts, axis=1)
    firsts, sizes = _firsts(label)
    offset = counts[:, firsts] - above[:, firsts]  # what other labels have added
    if len(label) and label[0] == before[0]:
        offset[:, :1] += before[1]
    return Thresholds(label, score, counts, above + np.repeat(offset, sizes, axis=1))


def _firsts(label: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return where each label begins and how many thresholds it has."""
    firsts = np.flatnonzero(np.diff(label, prepend=-1))
    return firsts, np.diff(np.append(firsts, len(label)))


def rank(stretches: Stretches, num_labels: int, choose: ThresholdMetric | None = None) -> Ranking:
    """Read off AUROC, average precision and, if asked for, the best threshold of each label."""
    area = np.zeros(num_labels, np.int64)
    precision = np.zeros(num_labels)
    totals = np.zeros((2, num_labels), np.int64)
    for one in stretches():
        firsts, sizes = _firsts(one.label)
        if not len(firsts):
            continue
        labels = one.label[firsts]
        # Twice the area under straight lines between thresholds: nothing is rounded.
        area[labels] += np.add.reduceat(one.counts[0] * (2 * one.above[1] - one.counts[1]), firsts)
        shares = one.counts[1] * (one.above[1] / one.above.sum(0))
        precision[labels] += np.add.reduceat(shares, firsts)
        totals[:, labels] = one.above[:, firsts + sizes - 1]
    best = _Best(totals)
    if choose is not None:
        for one in stretches():
            best.look_at(one, choose)
    return Ranking(
        auroc=ratio(area / 2, totals[0] * totals[1]),
        ap=ratio(precision, totals[1]),
        threshold=best.threshold,
        counts=best.counts,
    )


class _Best:
    """The best threshold of each label so far."""

    def __init__(self, totals: NDArray[np.int64]) -> None:
        self._totals = totals  # [2, L] negatives and positives
        self._value = np.full(totals.shape[1], -np.inf)
        self.threshold = np.full(totals.shape[1], DEFAULT_THRESHOLD)
        self.counts = np.zeros((totals.shape[1], 2, 2), np.int64)
        self.counts[:, :, 0] = totals.T

    def look_at(self, one: Thresholds, metric: ThresholdMetric) -> None:
        firsts, sizes = _firsts(one.label)
        value = quality(metric, one.above, self._totals[:, one.label])
        for first, size in zip(firsts.tolist(), sizes.tolist(), strict=True):
            label, part = one.label[first], slice(first, first + size)
            if self._totals[:, label].all():
                best = first + int(np.argmax(value[part]))
                if value[best] <= self._value[label]:
                    continue
                self._value[label] = value[best]
                self.threshold[label] = np.nextafter(one.score[best], -np.inf)
            else:  # of one class: what the usual threshold calls 1
                best = first + int((one.score[part] > DEFAULT_THRESHOLD).sum()) - 1
                if best < first:
                    continue
            above, total = one.above[:, best], self._totals[:, label]
            self.counts[label] = np.stack([total - above, above], axis=1)


def quality(metric: ThresholdMetric, above: NDArray[np.int64], totals: NDArray[np.int64]) -> Values:
    """Return how good thresholds are; what has no value there counts as 0.

    Args:
        metric: What is to be high.
        above: [2, T] negatives and positives that are called positive.
        totals: [2, T] negatives and positives of the label.
    """
    false, true = above
    negatives, positives = totals.astype(np.float64)
    if metric == "f1":
        return ratio(2.0 * true, true + false + positives)
    if metric == "balanced_accuracy":
        return (ratio(true, positives) + ratio(negatives - false, negatives)) / 2
    called = (true + false).astype(np.float64)
    product = called * (positives + negatives - called) * positives * negatives
    return np.nan_to_num(ratio(true * negatives - false * positives, np.sqrt(product)))
