"""How values get from one level to another inside the components of a stack.

Four statistics, in this order, stand for many values: the least, the greatest, the mean and the
standard deviation (of all of them, not an estimate). Two values without an order, those of the two
ends or the two directions of a bond, become their sum and their absolute difference, which
determine them up to that order.

The same for flat arrays of many molecules is in ``between_levels.py``.
"""

from collections.abc import Iterable

from graphium.graphs.encodings.arrays import Array, library
from graphium.graphs.encodings.stacks import Stack

NUM_STATISTICS = 4


def statistics(values: Array, axis: int) -> list[Array]:
    """Return least, greatest, mean and standard deviation along an axis, which disappears."""
    lib = library(values)
    mean = values.mean(axis)
    difference = values - mean.reshape((*values.shape[:axis], 1, *values.shape[axis + 1 :]))
    deviation = lib.sqrt((difference * difference).mean(axis))
    return [lib.amin(values, axis), lib.amax(values, axis), mean, deviation]


def sum_and_difference(first: Array, second: Array) -> list[Array]:
    """Return what two values are, whichever comes first."""
    return [first + second, library(first).abs(first - second)]


def nodes_to_bonds(stack: Stack, values: Array) -> Array:
    """Return [m, 2 K] sum and absolute difference of the values [c, n, K] at a bond's ends."""
    return library(values).concatenate(sum_and_difference(*stack.at_ends(values)), 1)  # [m, 2 K]


def pairs_to_bonds(stack: Stack, pairs: Iterable[Array], *, symmetric: bool) -> Array:
    """Return the values [c, n, n] of each pair that is a bond, K of them one after the other.

    Returns:
        [m, K] values where they are symmetric; otherwise [m, 2 K] sum and absolute difference of
        the values forth and back.
    """
    forth, back = zip(*(stack.at_bonds(values) for values in pairs), strict=True)
    lib = library(forth[0])
    first = lib.stack(forth, 1)  # [m, K]
    if symmetric:
        return first
    return lib.concatenate(sum_and_difference(first, lib.stack(back, 1)), 1)


def pairs_to_nodes(pairs: Iterable[Array], *, symmetric: bool) -> Array:
    """Return statistics of the values [c, n, n] of each atom with all of its component and itself.

    Returns:
        [c, n, 4 K] least, greatest, mean and deviation where they are symmetric; otherwise
        [c, n, 8 K]: those from the atom to the others (rows), then those from the others to it.
    """
    axes = (2,) if symmetric else (2, 1)
    columns = [[one for axis in axes for one in statistics(values, axis)] for values in pairs]
    lib = library(columns[0][0])
    # One pair matrix lives at a time: only statistics are kept.
    return lib.stack([column for kind in zip(*columns, strict=True) for column in kind], 2)
