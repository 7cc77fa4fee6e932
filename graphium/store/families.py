"""Computed labels of molecules on disk: numbers as they are, bits eight to a byte."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.store.records import Family


def pack_bits(bits: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return [L] bits as [L / 8, rounded up] bytes, the first in the lowest place of the first."""
    return np.packbits(bits, bitorder="little")


def empty_family(family: Family) -> NDArray[Any]:
    """Return what is stored of a family when there are no molecules."""
    width = len(family.columns)
    if family.is_binary:
        return np.zeros((0, -(-width // 8)), np.uint8)
    return np.zeros((0, width), np.float32)


def family_values(
    array: NDArray[Any], family: Family, positions: Sequence[int]
) -> NDArray[np.float32]:
    """Return [G, len(positions)] some columns of a stored family."""
    if not family.is_binary:
        return np.asarray(array[:, positions], np.float32)
    bit = np.array(positions, np.int64)
    found = array[:, bit // 8] >> (bit % 8).astype(np.uint8) & 1
    return np.asarray(found, np.float32)


def family_blocks(
    array: NDArray[Any], family: Family, positions: Sequence[int], block_rows: int
) -> Iterator[NDArray[np.float32]]:
    """Yield the same, ``block_rows`` molecules after another."""
    for first in range(0, len(array), block_rows):
        yield family_values(array[first : first + block_rows], family, positions)
