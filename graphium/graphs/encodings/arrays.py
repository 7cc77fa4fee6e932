"""One spelling for numpy arrays and torch tensors.

Encodings are written once. They use functions and methods that numpy and torch spell alike, with
positional axes, and the few below where they differ. Torch is never imported here: who hands in a
tensor has imported it.
"""

import sys
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = Any
"""A numpy array or a torch tensor."""

FLOAT32: NDArray[np.float32] = np.empty(0, np.float32)
"""The ``like`` that asks for numpy arrays of float32."""


def library(like: Array) -> Any:
    """Return ``numpy`` or ``torch``, whichever ``like`` belongs to."""
    return sys.modules[type(like).__module__.partition(".")[0]]


def is_numpy(like: Array) -> bool:
    """Return whether ``like`` is a numpy array."""
    return isinstance(like, np.ndarray)


def full(shape: tuple[int, ...], value: float, like: Array) -> Array:
    """Return an array of one value, of the library, the type and the device of ``like``."""
    return np.full(shape, value, like.dtype) if is_numpy(like) else like.new_full(shape, value)


def moved(array: NDArray[Any], like: Array) -> Array:
    """Return a numpy array in the library and on the device of ``like``; its type is kept."""
    if is_numpy(like):
        return array
    return library(like).as_tensor(array, device=like.device)


def cast(array: Array, like: Array) -> Array:
    """Return ``array`` in the type of ``like``, which may be itself."""
    if is_numpy(like):
        return array.astype(like.dtype, copy=False)
    return array.to(like.dtype)


def double(array: Array) -> Array:
    """Return ``array`` as float64."""
    return array.astype(np.float64) if is_numpy(array) else array.double()


def take_along(array: Array, index: Array, axis: int) -> Array:
    """Return ``array`` at ``index`` along one axis; both have as many axes."""
    if is_numpy(array):
        return np.take_along_axis(array, index, axis)
    return library(array).take_along_dim(array, index, axis)


def add_at(out: Array, rows: Array, values: Array) -> Array:
    """Return ``out`` with ``values`` added at ``rows``, which may repeat; ``out`` is changed."""
    if is_numpy(out):
        np.add.at(out, rows, values)
        return out
    return out.index_add_(0, rows, values)


def lower_at(out: Array, rows: Array, values: Array) -> Array:
    """Return ``out`` [R, K] lowered to the least of ``values`` at ``rows``; ``out`` is changed."""
    if is_numpy(out):
        np.minimum.at(out, rows, values)
        return out
    return out.scatter_reduce_(0, rows[:, None].expand(values.shape), values, "amin")


def stable_order(keys: Array) -> Array:
    """Return the positions that sort ``keys`` [R]; equal ones keep their order."""
    if is_numpy(keys):
        return np.argsort(keys, kind="stable")
    return library(keys).argsort(keys, stable=True)
