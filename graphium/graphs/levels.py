"""What each level of labels describes, and how many of them a molecule has: one place for all.

A pair of atoms is unordered: its label is the same both ways. The n (n - 1) / 2 pairs of a molecule
stand in the order of the rows of the upper triangle of a matrix: (0, 1), (0, 2), ..., (0, n - 1),
(1, 2), ..., (n - 2, n - 1).
"""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.config.data import Level

PREDICTION_COLUMNS = ("smiles", "dataset", "row")
"""First columns of a file of predictions; ``place_columns`` and the labels stand beside them."""

LIST_LEVELS: tuple[Level, ...] = ("node", "edge", "nodepair")
"""Levels whose labels are a list in each cell of a table."""


def level_sizes(
    level: Level, num_atoms: NDArray[np.integer], num_bonds: NDArray[np.integer]
) -> NDArray[np.int64]:
    """Return [G] how many labels of one column each molecule has: of itself, its atoms, ...

    Args:
        level: What one label describes.
        num_atoms: [G] atoms of each molecule.
        num_bonds: [G] bonds of each molecule, each counted once.
    """
    atoms = num_atoms.astype(np.int64)
    match level:
        case "graph":
            return np.ones(len(atoms), np.int64)
        case "node":
            return atoms
        case "edge":
            return num_bonds.astype(np.int64)
        case "nodepair":
            return num_pairs(atoms)
        case _:
            assert_never(level)


def level_words(level: Level) -> str:
    """Return what the labels of a level describe, as messages say it."""
    match level:
        case "graph":
            return "molecules"
        case "node":
            return "atoms"
        case "edge":
            return "bonds"
        case "nodepair":
            return "pairs of atoms"
        case _:
            assert_never(level)


def place_columns(level: Level) -> tuple[str, ...]:
    """Return the columns of a file of predictions that say where in its molecule a line is."""
    match level:
        case "graph":
            return ()
        case "node":
            return ("atom",)
        case "edge":
            return ("bond", "begin", "end")
        case "nodepair":
            return ("begin", "end")
        case _:
            assert_never(level)


def num_pairs(num_atoms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the number of pairs of so many atoms."""
    pairs: NDArray[np.int64] = num_atoms * (num_atoms - 1) // 2
    return pairs


def pair_number(ends: NDArray[np.integer], num_atoms: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return [R] the place of each pair among those of its molecule; either end may come first.

    Args:
        ends: [R, 2] its atoms, counted inside the molecule.
        num_atoms: [R] atoms of its molecule.
    """
    first, second = np.sort(ends.astype(np.int64), axis=1).T
    before = first * (2 * num_atoms.astype(np.int64) - first - 1) // 2
    number: NDArray[np.int64] = before + second - first - 1
    return number


def pair_ends(number: NDArray[np.int64], num_atoms: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return [R, 2] the atoms of pairs, the smaller first: the inverse of ``pair_number``.

    >>> pair_ends(np.arange(3), np.full(3, 3)).tolist()
    [[0, 1], [0, 2], [1, 2]]
    """
    atoms = num_atoms.astype(np.int64)
    # Counted from the last pair on, the rows of the triangle have 1, 2, 3, ... pairs. The root is
    # exact enough: below 2^52 its floor is that of the true one.
    from_end = num_pairs(atoms) - 1 - number
    row = ((np.sqrt(8.0 * from_end + 1) - 1) / 2).astype(np.int64)
    first = atoms - 2 - row
    second = atoms - 1 - (from_end - row * (row + 1) // 2)
    return np.stack([first, second], axis=1)
