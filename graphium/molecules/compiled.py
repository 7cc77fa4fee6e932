"""Access to the compiled kernels, for those who ask."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.molecules.decode import Buffer, Decoded

WORTH_ROWS = 100_000
"""Rows of a table from which on each worker wins back the seconds that numba takes to start."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of ``kernels.py``."""

    decode: Callable[[Buffer], Decoded]
    number_rows: Callable[[NDArray[np.uint64]], tuple[NDArray[np.int64], NDArray[np.int64]]]
    refine: Callable[..., NDArray[Any]]
    components: Callable[[int, NDArray[np.int64]], tuple[int, NDArray[Any]]]
    sum_by: Callable[[NDArray[np.uint64], NDArray[Any], int], NDArray[np.uint64]]


@cache
def load_kernels() -> Kernels | None:
    """Return the kernels, or None where numba is not installed."""
    try:
        from graphium.molecules.kernels import components, decode, number_rows, refine, sum_by
    except (ImportError, RuntimeError):  # the latter where numba finds no folder for its code
        return None
    return Kernels(decode, number_rows, refine, components, sum_by)
