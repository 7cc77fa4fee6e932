"""Cells of metrics that need an order, kept exactly up to a limit and binned beyond it.

Scores are binned by their log-odds, labels and predictions by their value in standard deviations of
the training labels, both through ``asinh``: almost linear near the middle, logarithmic far from it.
Bins are those of ``bins.py``, so that a binned value does not depend on batches or ranks.
"""

from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from graphium.config.metrics import ThresholdMetric
from graphium.training.bins import ClassHistogram, PairHistogram
from graphium.training.correlation import binned_kendall, binned_spearman, kendall, spearman
from graphium.training.moments import Values
from graphium.training.ranking import (
    Ranking,
    Thresholds,
    accumulate,
    order_of,
    pack,
    rank,
    score_of,
    sorted_thresholds,
)

BINNED_BYTES = 15_000_000
"""Most bytes of the histograms of a task."""
FEWEST_BINS = 32
MOST_SCORE_BINS = 4_096
MOST_PAIR_BINS = 512
LARGEST_LOG_ODDS = 64.0
"""Probabilities nearer to 0 or 1 share a bin."""
LINEAR_LOG_ODDS = 4.0
"""About as far, bins of scores are of one width; farther off they widen with the distance."""


@final
class ScoreCells:
    """Scores of negatives and positives of L columns.

    Args:
        num_columns: L; for classes one for each class of each label.
        limit: Most bytes of cells; None is any number.
    """

    def __init__(self, num_columns: int, limit: int | None) -> None:
        self._num_columns = num_columns
        self._limit = limit
        self._keys: list[NDArray[np.uint64]] = []
        self._table: NDArray[np.float64] | None = None
        self.num_bytes = 0
        """Of exact cells."""
        self._bins: ClassHistogram | None = None

    @property
    def is_binned(self) -> bool:
        """Whether cells are counted in bins."""
        return self._bins is not None

    def add(
        self,
        column: NDArray[np.integer],
        scores: NDArray[np.floating],
        positive: NDArray[np.bool_],
    ) -> None:
        """Add cells [S]; the scores of one object are all float32 or come in one call."""
        if self._bins is not None:
            self._bins.add(column, _scale(scores), positive)
            return
        short = scores.astype(np.float32)
        if scores.dtype == np.float32 or np.array_equal(short, scores):
            order = order_of(short)
        else:
            assert not self._keys, "scores of more digits come in one call"
            self._table, places = np.unique(scores.astype(np.float64), return_inverse=True)
            order = places.astype(np.uint32)
        self._keys.append(pack(column, order, positive))
        self.num_bytes += self._keys[-1].nbytes
        if self._limit is not None and self.num_bytes > self._limit:
            self.to_bins()

    def to_bins(self) -> None:
        """Count all cells in bins and forget them."""
        if self._bins is not None:
            return
        room = BINNED_BYTES // (2 * 8 * max(self._num_columns, 1)) // 4 * 4
        self._bins = ClassHistogram(self._num_columns, min(max(room, FEWEST_BINS), MOST_SCORE_BINS))
        for keys in self._keys:
            order = ~(keys >> np.uint64(1)).astype(np.uint32)
            scores = score_of(order) if self._table is None else self._table[order]
            column = (keys >> np.uint64(33)).astype(np.int64)
            self._bins.add(column, _scale(scores), (keys & np.uint64(1)).astype(bool))
        self._keys, self.num_bytes, self._table = [], 0, None

    def merge(self, other: Self) -> None:
        """Add the cells of another rank, which are binned if these are."""
        assert self.is_binned == other.is_binned, "ranks agree first"
        if self._bins is not None and other._bins is not None:
            self._bins.merge(other._bins)
        self._keys += other._keys
        self.num_bytes += other.num_bytes

    def rank(self, choose: ThresholdMetric | None = None) -> Ranking:
        """Return what the order says of each column."""
        if self._bins is not None:
            found = _binned_thresholds(self._bins)
            return rank(lambda: iter([found]), self._num_columns, choose)
        keys = np.concatenate(self._keys) if self._keys else np.zeros(0, np.uint64)
        keys.sort()
        self._keys = [keys]  # the order of cells does not matter
        return rank(lambda: sorted_thresholds(keys, self._table), self._num_columns, choose)


def _scale(scores: NDArray[np.floating]) -> NDArray[np.float64]:
    p = scores.astype(np.float64)
    with np.errstate(divide="ignore"):
        odds = np.log(p) - np.log1p(-p)
    odds = np.clip(odds, -LARGEST_LOG_ODDS, LARGEST_LOG_ODDS)
    return np.asarray(np.arcsinh(odds / LINEAR_LOG_ODDS))


def _binned_thresholds(bins: ClassHistogram) -> Thresholds:
    """Return one threshold for each bin that holds anything."""
    column, place = np.nonzero(bins.counts.sum(1)[:, ::-1])
    place = bins.grid.num_bins - 1 - place  # best first
    odds = np.sinh(bins.grid.lower_edge(column, place)) * LINEAR_LOG_ODDS
    counts = bins.counts[column, :, place].T
    return accumulate(column, 1 / (1 + np.exp(-odds)), counts, (-1, np.zeros((2, 1), np.int64)))


@final
class PairCells:
    """Labels and predictions of L columns of numbers.

    Args:
        mean: [L] mean of the training labels (0 where they were not scaled).
        std: [L] their standard deviation (1 where they were not scaled).
        limit: Most bytes of cells; None is any number.
    """

    def __init__(
        self, mean: NDArray[np.float64], std: NDArray[np.float64], limit: int | None
    ) -> None:
        self._mean, self._std = mean, std
        self._limit = limit
        self._pieces: list[tuple[NDArray[np.uint32], NDArray[np.floating], NDArray[np.floating]]]
        self._pieces = []
        self.num_bytes = 0
        """Of exact cells."""
        self._bins: PairHistogram | None = None

    @property
    def is_binned(self) -> bool:
        """Whether cells are counted in bins."""
        return self._bins is not None

    def add(
        self,
        column: NDArray[np.integer],
        labels: NDArray[np.floating],
        predictions: NDArray[np.floating],
    ) -> None:
        """Add cells [S]."""
        if self._bins is not None:
            self._bins.add(column, self._scaled(column, labels), self._scaled(column, predictions))
            return
        piece = (column.astype(np.uint32), labels, predictions)
        self._pieces.append(piece)
        self.num_bytes += sum(array.nbytes for array in piece)
        if self._limit is not None and self.num_bytes > self._limit:
            self.to_bins()

    def _scaled(
        self, column: NDArray[np.integer], values: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        return np.asarray(np.arcsinh((values - self._mean[column]) / self._std[column]))

    def to_bins(self) -> None:
        """Count all cells in bins and forget them."""
        if self._bins is not None:
            return
        num_columns = len(self._mean)
        room = int((BINNED_BYTES / 4 / max(num_columns, 1)) ** 0.5) // 4 * 4
        self._bins = PairHistogram(num_columns, min(max(room, FEWEST_BINS), MOST_PAIR_BINS))
        pieces, self._pieces, self.num_bytes = self._pieces, [], 0
        for piece in pieces:
            self.add(*piece)

    def merge(self, other: Self) -> None:
        """Add the cells of another rank, which are binned if these are."""
        assert self.is_binned == other.is_binned, "ranks agree first"
        if self._bins is not None and other._bins is not None:
            self._bins.merge(other._bins)
        self._pieces += other._pieces
        self.num_bytes += other.num_bytes

    def spearman(self) -> Values:
        """Return the rank correlation of each column."""
        if self._bins is not None:
            return np.array([binned_spearman(table) for table in self._bins.counts])
        return np.array([spearman(*pair) for pair in self._by_column()])

    def kendall(self) -> Values:
        """Return tau-b of each column."""
        if self._bins is not None:
            return np.array([binned_kendall(table) for table in self._bins.counts])
        return np.array([kendall(*pair) for pair in self._by_column()])

    def _by_column(self) -> list[tuple[NDArray[np.floating], NDArray[np.floating]]]:
        none = (np.zeros(0, np.uint32), np.zeros(0, np.float32), np.zeros(0, np.float32))
        column, labels, predictions = (
            np.concatenate(arrays) for arrays in zip(none, *self._pieces, strict=True)
        )
        order = np.argsort(column, kind="stable")
        bounds = np.searchsorted(column[order], np.arange(1, len(self._mean)))
        labels, predictions = labels[order], predictions[order]
        return list(zip(np.split(labels, bounds), np.split(predictions, bounds), strict=True))
