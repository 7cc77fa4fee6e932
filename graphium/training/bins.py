"""Histograms of bounded size whose content does not depend on the order in which values came.

Bins of a column have a width of a power of two and begin at its multiples. The power is the
smallest for which all values fit, so that it follows from the smallest and the largest value alone:
when a value falls outside, neighbours are added together in pairs, which is exact. Histograms of
several ranks add up to that of one process.
"""

from typing import Self, final

import numpy as np
from numpy.typing import NDArray

FINEST = -30
"""Smallest power of two of a bin's width."""


@final
class Grid:
    """The bins of L columns, the same number for each.

    Args:
        num_columns: L.
        num_bins: Bins of a column, a multiple of 4.
    """

    def __init__(self, num_columns: int, num_bins: int) -> None:
        assert num_bins % 4 == 0, "bins begin at quarters of the window"
        self.num_bins = num_bins
        self.low = np.full(num_columns, np.inf)
        self.high = np.full(num_columns, -np.inf)
        self.power = np.full(num_columns, FINEST, np.int64)
        """Of two: the width of a bin."""
        self.first = np.zeros(num_columns, np.int64)
        """The first bin begins at this many widths."""

    def widened(self, low: NDArray[np.float64], high: NDArray[np.float64]) -> "Grid":
        """Return the grid that also holds values from ``low`` to ``high`` [L]; inf for none."""
        grid = Grid(len(self.low), self.num_bins)
        grid.low, grid.high = np.minimum(self.low, low), np.maximum(self.high, high)
        used = grid.low <= grid.high
        bottom, top = np.where(used, grid.low, 0), np.where(used, grid.high, 0)
        width = np.maximum((top - bottom) / (self.num_bins + 1), 2.0**FINEST)
        power = np.maximum(np.floor(np.log2(width)).astype(np.int64), FINEST)
        while True:
            grid.power, grid.first = power, self._window(bottom, power)
            too_narrow = _bin(top, power) - grid.first >= self.num_bins
            if not too_narrow.any():
                return grid
            power = power + too_narrow

    def _window(self, bottom: NDArray[np.float64], power: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return where bins begin: at quarters of the window, so that it seldom has to move."""
        quarter = self.num_bins // 4
        start: NDArray[np.int64] = _bin(bottom, power) // quarter * quarter
        return start

    def widened_by(self, column: NDArray[np.integer], values: NDArray[np.float64]) -> "Grid":
        """Return the grid that also holds ``values`` [S] of ``column`` [S]."""
        low, high = np.full_like(self.low, np.inf), np.full_like(self.high, -np.inf)
        np.minimum.at(low, column, values)
        np.maximum.at(high, column, values)
        return self.widened(low, high)

    def place(self, column: NDArray[np.integer], values: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the bin [S] of each value."""
        places: NDArray[np.int64] = _bin(values, self.power[column]) - self.first[column]
        return places

    def move(
        self, column: NDArray[np.int64], place: NDArray[np.int64], to: "Grid"
    ) -> NDArray[np.int64]:
        """Return the bin in a wider grid of bins of this one."""
        shift = to.power[column] - self.power[column]
        places: NDArray[np.int64] = ((place + self.first[column]) >> shift) - to.first[column]
        return places

    def moved(self, to: "Grid") -> NDArray[np.bool_]:
        """Return which columns [L] have other bins in ``to``."""
        moved: NDArray[np.bool_] = (self.power != to.power) | (self.first != to.first)
        return moved

    def lower_edge(
        self, column: NDArray[np.int64], place: NDArray[np.int64]
    ) -> NDArray[np.float64]:
        """Return where bins begin."""
        return np.ldexp((place + self.first[column]).astype(np.float64), self.power[column])


def _bin(values: NDArray[np.float64], power: NDArray[np.int64]) -> NDArray[np.int64]:
    # By way of the finest bins: a value that is almost 0 stays on its side in the widest ones.
    return np.floor(values * 2.0**-FINEST).astype(np.int64) >> (power - FINEST)


@final
class ClassHistogram:
    """Negatives and positives of L columns by score.

    Args:
        num_columns: L.
        num_bins: Bins of a column.
    """

    def __init__(self, num_columns: int, num_bins: int) -> None:
        self.grid = Grid(num_columns, num_bins)
        self.counts = np.zeros((num_columns, 2, num_bins), np.int64)

    def add(
        self,
        column: NDArray[np.integer],
        values: NDArray[np.float64],
        positive: NDArray[np.bool_],
    ) -> None:
        """Count cells [S]."""
        self._widen(self.grid.widened_by(column, values))
        np.add.at(self.counts, (column, positive.astype(np.int64), self._place(column, values)), 1)

    def _place(self, column: NDArray[np.integer], values: NDArray[np.float64]) -> NDArray[np.int64]:
        return self.grid.place(column, values)

    def merge(self, other: Self) -> None:
        """Add the counts of another rank."""
        self._widen(self.grid.widened(other.grid.low, other.grid.high))
        other._widen(other.grid.widened(self.grid.low, self.grid.high))
        self.counts += other.counts

    def _widen(self, grid: Grid) -> None:
        moved = np.flatnonzero(self.grid.moved(grid))
        if len(moved):
            which, positive, place = self.counts[moved].nonzero()
            column = moved[which]
            number = self.counts[column, positive, place]
            self.counts[moved] = 0
            to = self.grid.move(column, place, grid)
            np.add.at(self.counts, (column, positive, to), number)
        self.grid = grid


@final
class PairHistogram:
    """Labels and predictions of L columns, binned together.

    Args:
        num_columns: L.
        num_bins: Bins of labels and bins of predictions.
    """

    def __init__(self, num_columns: int, num_bins: int) -> None:
        self.grids = (Grid(num_columns, num_bins), Grid(num_columns, num_bins))
        self.counts = np.zeros((num_columns, num_bins, num_bins), np.uint32)

    def add(
        self,
        column: NDArray[np.integer],
        labels: NDArray[np.float64],
        predictions: NDArray[np.float64],
    ) -> None:
        """Count cells [S]."""
        self._widen(
            self.grids[0].widened_by(column, labels), self.grids[1].widened_by(column, predictions)
        )
        places = self.grids[0].place(column, labels), self.grids[1].place(column, predictions)
        np.add.at(self.counts, (column, *places), 1)

    def merge(self, other: Self) -> None:
        """Add the counts of another rank."""
        self._widen(
            *(a.widened(b.low, b.high) for a, b in zip(self.grids, other.grids, strict=True))
        )
        other._widen(
            *(b.widened(a.low, a.high) for a, b in zip(self.grids, other.grids, strict=True))
        )
        self.counts += other.counts

    def _widen(self, labels: Grid, predictions: Grid) -> None:
        moved = np.flatnonzero(self.grids[0].moved(labels) | self.grids[1].moved(predictions))
        if len(moved):
            which, row, place = self.counts[moved].nonzero()
            column = moved[which]
            number = self.counts[column, row, place]
            self.counts[moved] = 0
            to = (
                self.grids[0].move(column, row, labels),
                self.grids[1].move(column, place, predictions),
            )
            np.add.at(self.counts, (column, *to), number)
        self.grids = (labels, predictions)
