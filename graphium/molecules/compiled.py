"""Access to the compiled kernels, for those who ask."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.molecules.decode import Buffer, Decoded

WORTH_ROWS = 50_000
"""Molecules from which on the second or two that numba takes to start are won back."""


@dataclass(frozen=True, slots=True)
class Kernels:
    """The functions of ``kernels.py``."""

    decode: Callable[[Buffer], Decoded]
    number_rows: Callable[[NDArray[np.uint64]], tuple[NDArray[np.int64], NDArray[np.int64]]]
    refine: Callable[..., NDArray[Any]]


@cache
def load_kernels() -> Kernels | None:
    """Return the kernels, or None where numba is not installed."""
    try:
        from graphium.molecules import kernels
    except ImportError:
        return None
    return Kernels(kernels.decode, kernels.number_rows, kernels.refine)
