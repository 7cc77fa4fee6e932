"""Rows of stores that are too large to be held: where each is, and who is held out."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.config.data import Part
from graphium.labels.splits import PARTS


@final
@dataclass(frozen=True, slots=True)
class StreamRows:
    """T rows (molecules of all stores, one store after another), in C segments of D stores."""

    stores: NDArray[np.int64]
    """[D + 1] first segment of each store, and C."""
    starts: NDArray[np.int64]
    """[C + 1] first row of each segment, and T."""
    part: NDArray[np.uint8]
    """[T] 0 train, 1 val, 2 test, 255 unused."""

    @property
    def num_segments(self) -> int:
        """C."""
        return len(self.starts) - 1

    @property
    def num_stores(self) -> int:
        """D."""
        return len(self.stores) - 1

    def store_of(self, segment: int) -> int:
        """Return the store of a segment."""
        return int(np.searchsorted(self.stores, segment, side="right")) - 1

    def segments_of(self, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the segment of each row."""
        return np.asarray(np.searchsorted(self.starts, rows, side="right") - 1, np.int64)

    def of(self, part: Part, segment: int) -> NDArray[np.int64]:
        """Return the rows of a segment that stand in one part, increasing."""
        first, last = self.starts[segment : segment + 2].tolist()
        is_there: NDArray[np.bool_] = self.part[first:last] == PARTS.index(part)
        return np.asarray(np.flatnonzero(is_there) + first, np.int64)

    def counts(self, part: Part) -> NDArray[np.int64]:
        """Return [C] rows of each segment that stand in one part."""
        before = np.zeros(len(self.part) + 1, np.int64)
        np.cumsum(self.part == PARTS.index(part), out=before[1:])
        return np.asarray(np.diff(before[self.starts]), np.int64)
