"""Rows of small integers as codes into the table of distinct rows."""

import numpy as np
from numpy.typing import NDArray

from graphium.errors import DataError
from graphium.molecules.compiled import Kernels

MAX_CODES = 2**16
"""Distinct rows that a block can hold."""

_WORD = 8


def encode_rows(
    rows: NDArray[np.int16], kernels: Kernels | None = None
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    """Return the distinct rows, in rising order from the first column on, and each row's place.

    Args:
        rows: [N, C].
        kernels: Compiled code, where it is worth its start.

    Raises:
        DataError: If more than ``MAX_CODES`` rows are distinct.
    """
    words = _as_words(rows)
    number, first = _number_rows(words) if kernels is None else kernels.number_rows(words)
    if len(first) > MAX_CODES:
        raise DataError(
            f"a chunk has {len(first)} distinct atoms or bonds, and a block holds {MAX_CODES}; "
            "featurize fewer molecules at once"
        )
    table = rows[first]
    order = np.lexsort(table.T[::-1])
    place = np.empty(len(order), np.uint16)
    place[order] = np.arange(len(order))
    return table[order], place[number]


def _as_words(rows: NDArray[np.int16]) -> NDArray[np.uint64]:
    """Return [N, W] the bytes of each row as whole words."""
    size = rows.shape[1] * rows.itemsize
    padded = np.zeros((len(rows), -(-size // _WORD) * _WORD // rows.itemsize), np.int16)
    padded[:, : rows.shape[1]] = rows
    return padded.view(np.uint64)


def _number_rows(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return [N] numbers of equal rows, and the first row of each number."""
    if not len(words):
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    mixed = np.zeros(len(words), np.uint64)
    for column in words.T:
        mixed = (mixed ^ column) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    _, first, number = np.unique(mixed, return_index=True, return_inverse=True)
    if (words[first][number] == words).all():
        return number, first
    _, first, number = np.unique(words, axis=0, return_index=True, return_inverse=True)
    return number.reshape(-1), first  # two rows mixed to one number: compare them whole
