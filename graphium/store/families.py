"""Computed labels of molecules on disk: numbers as they are, bits eight to a byte."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.store.records import Family


def stored_family(values: NDArray[Any]) -> NDArray[Any]:
    """Return [G, L] numbers as they are; bits (uint8) as [G, L / 8 rounded up] bytes.

    The first bit stands in the lowest place of the first byte.
    """
    return np.packbits(values, axis=1, bitorder="little") if values.dtype == np.uint8 else values


def family_values(
    array: NDArray[Any], family: Family, positions: Sequence[int]
) -> NDArray[np.float32]:
    """Return [G, len(positions)] some columns of a stored family."""
    if not family.is_binary:
        return np.asarray(array[:, positions], np.float32)
    bit = np.array(positions, np.int64)
    found = array[:, bit // 8] >> (bit % 8).astype(np.uint8) & 1
    return np.asarray(found, np.float32)
