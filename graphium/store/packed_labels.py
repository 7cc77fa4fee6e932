"""Labels of molecules on disk: which are known, a bit each, and only those, one after another.

Columns are grouped by what they hold in the whole table. A group of L columns is two arrays: a
plane of [G, L / 8] bytes that says which labels exist, and the values of those, molecule after
molecule. Values are bits (0 or 1), bytes (classes and other small whole numbers, plus one) or
float32. A missing label costs one bit before compression, a known binary label two.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.errors import DataError
from graphium.labels.storage import LARGEST_CODE, LEAST_CODE, LabelStorage

STORAGES: tuple[LabelStorage, ...] = ("bit", "code", "float")

BLOCK_CELLS = 1 << 22
"""Labels that are unpacked at once."""


@dataclass(frozen=True, slots=True)
class PackedLabels:
    """A group of L columns of G molecules with K known labels."""

    storage: LabelStorage
    width: int
    """L."""
    known: NDArray[np.uint8]
    """[G, L / 8, rounded up] 1 where there is a label, the first column in the lowest place."""
    values: NDArray[Any]
    """[K] float32 or uint8, the value plus one; [K / 8, rounded up] uint8 of bits."""

    def unpack(self, block_rows: int, positions: Sequence[int]) -> Iterator[NDArray[np.float32]]:
        """Yield [block_rows, len(positions)] some columns of the molecules in order; NaN is none.

        The last block may be shorter.
        """
        start = 0
        for first in range(0, len(self.known), block_rows):
            plane = self.known[first : first + block_rows]
            is_known = np.unpackbits(plane, axis=1, count=self.width, bitorder="little").view(bool)
            end = start + int(np.count_nonzero(is_known))
            block = np.full(is_known.shape, np.nan, np.float32)
            block[is_known] = self._values(start, end)
            yield block[:, positions]
            start = end

    def _values(self, start: int, end: int) -> NDArray[Any]:
        match self.storage:
            case "bit":
                bits = np.unpackbits(self.values[start // 8 : -(-end // 8)], bitorder="little")
                return bits[start % 8 : start % 8 + end - start]
            case "code":
                return self.values[start:end].astype(np.float32) + LEAST_CODE
            case "float":
                return self.values[start:end]


def array_names(storage: LabelStorage) -> tuple[str, str]:
    """Return the names of the two arrays of a group."""
    return f"graph_{storage}_known", f"graph_{storage}_labels"


def pack_labels(storage: LabelStorage, labels: NDArray[np.float32]) -> PackedLabels:
    """Pack [G, L] labels; NaN is missing.

    Raises:
        DataError: If a label is not of the kind that the whole table was found to hold.
    """
    is_known = ~np.isnan(labels)
    known = np.packbits(is_known, axis=1, bitorder="little")
    values: NDArray[Any] = labels[is_known]
    if storage != "float":
        least, largest = (0, 1) if storage == "bit" else (LEAST_CODE, LARGEST_CODE)
        wrong = (values < least) | (values > largest) | (values != np.floor(values))
        if wrong.any():
            raise DataError(
                f"The table changed while it was read: a column that held whole numbers from "
                f"{least} to {largest} now has {values[wrong][0]:g}. Prepare it again."
            )
        shifted = (values - least).astype(np.uint8)
        values = np.packbits(shifted, bitorder="little") if storage == "bit" else shifted
    return PackedLabels(storage, labels.shape[1], known, values)
