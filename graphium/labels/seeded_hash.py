"""Randomness as a function: the same seeds and keys give the same numbers on any machine.

The mixing function is the finaliser of SplitMix64 (Steele, Lea and Flood, 2014, section 4). NumPy
does not promise that its generators draw the same numbers in later versions; this does.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

_LARGEST = 2**64 - 1


def seeded_hash(seeds: Sequence[int], keys: NDArray[np.integer]) -> NDArray[np.uint64]:
    """Return one pseudo-random number for each key; sorting by them is a random order.

    Args:
        seeds: Integers that together choose the function, for example seed and epoch.
        keys: [S] integers; equal keys give equal numbers, wherever they stand.
    """
    state = np.zeros(1, np.uint64)
    for seed in seeds:
        state = _mix(state ^ np.array([seed & _LARGEST], np.uint64))
    return _mix(_mix(keys.astype(np.uint64)) ^ state)


def _mix(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    x = x + np.uint64(0x9E3779B97F4A7C15)
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
