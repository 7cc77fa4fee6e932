"""Cells that hold labels of a molecule's atoms, bonds or pairs of atoms: do they fit, and how read.

A cell is a list [k], or a matrix [r, c] given as a list of rows. Labels of pairs may be either: the
n (n - 1) / 2 numbers above the diagonal, row by row, or all n * n of a symmetric matrix, as rows or
one after another. The diagonal of a matrix is not read.
"""

import numpy as np
from numpy.typing import NDArray

from graphium.config.data import Level
from graphium.graphs.levels import level_sizes, level_words

_RELATIVE, _ABSOLUTE = 1e-5, 1e-6
"""How far the two halves of a matrix may differ and still be rounding."""


def find_misfit(
    cell: NDArray[np.float32], level: Level, num_atoms: int, num_bonds: int
) -> str | None:
    """Say what is wrong with a cell of labels for one molecule; None where it fits.

    A cell without numbers means that the labels are missing, and always fits.

    Args:
        cell: [k] or [r, c].
        level: What one number is said to describe; one of ``LIST_LEVELS``.
        num_atoms: Atoms of the molecule.
        num_bonds: Its bonds.
    """
    size = _size(level, num_atoms, num_bonds)
    if not cell.size or (cell.ndim == 1 and len(cell) == size):
        return None
    for_what = f"for {size} {level_words(level)}"
    if level != "nodepair":
        return f"has {_shape(cell)} {for_what}"
    if not _is_matrix(cell, num_atoms):
        return f"has {_shape(cell)} {for_what}; a {num_atoms} x {num_atoms} matrix would fit, too"
    matrix = cell.reshape(num_atoms, num_atoms)
    wrong = ~np.isclose(matrix, matrix.T, rtol=_RELATIVE, atol=_ABSOLUTE, equal_nan=True)
    if not wrong.any():
        return None
    row, column = np.argwhere(wrong)[0]
    return (
        f"has a matrix that is not symmetric: {matrix[row, column]:g} at ({row}, {column}) and "
        f"{matrix[column, row]:g} at ({column}, {row})"
    )


def fitting_levels(
    cell: NDArray[np.float32], levels: tuple[Level, ...], num_atoms: int, num_bonds: int
) -> tuple[Level, ...]:
    """Return those levels of which a cell has the right shape for one molecule."""
    return tuple(
        level
        for level in levels
        if (cell.ndim == 1 and len(cell) == _size(level, num_atoms, num_bonds))
        or (level == "nodepair" and _is_matrix(cell, num_atoms))
    )


def one_number_each(cell: NDArray[np.float32], level: Level, num_atoms: int) -> NDArray[np.float32]:
    """Return a cell that fits as one number for each atom, bond or pair; [0] where it is empty."""
    if level == "nodepair" and cell.size and _is_matrix(cell, num_atoms):
        matrix = cell.reshape(num_atoms, num_atoms)
        return matrix[np.triu_indices(num_atoms, 1)]
    return cell.reshape(-1)


def _size(level: Level, num_atoms: int, num_bonds: int) -> int:
    return int(level_sizes(level, np.array([num_atoms]), np.array([num_bonds]))[0])


def _is_matrix(cell: NDArray[np.float32], num_atoms: int) -> bool:
    if cell.ndim == 2:
        return cell.shape == (num_atoms, num_atoms)
    return len(cell) == num_atoms**2


def _shape(cell: NDArray[np.float32]) -> str:
    if cell.ndim == 1:
        return f"{len(cell)} numbers"
    return f"a {cell.shape[0]} x {cell.shape[1]} matrix"
