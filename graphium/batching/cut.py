"""Cuts ragged rows out of flat arrays: the arithmetic under ``collate``, in numpy.

``kernels.py`` holds the same functions compiled; both return equal arrays.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from graphium.batching.compact import take
from graphium.batching.pack import PackedGraphs
from graphium.batching.task_data import TaskData
from graphium.graphs.mol_block import offsets, ragged_index

WORTH_MOLECULES = 10_000
"""Molecules of a mix from which on compiled functions win back the seconds they take to load."""


@dataclass(frozen=True, slots=True)
class CutGraphs:
    """The graphs of G molecules as one graph of N atoms and B bonds."""

    atom_start: NDArray[np.int64]
    """[G + 1] first atom of each molecule in the batch."""
    bond_start: NDArray[np.int64]
    """[G + 1] first bond of each molecule in the batch."""
    atom_code: NDArray[np.int64]
    """[N]."""
    bond_code: NDArray[np.int64]
    """[B]."""
    bond_index: NDArray[np.int64]
    """[2, 2 B] ends of all bonds, then of all bonds run back."""
    molecule: NDArray[np.int64]
    """[N] place in the batch of the molecule of each atom."""


@dataclass(frozen=True, slots=True)
class CutLabels:
    """The labels of one task in a batch."""

    rows: NDArray[np.int64]
    """[R] molecules, atoms, bonds or pairs, counted over the whole batch."""
    values: NDArray[np.float32]
    """[R, L]."""
    weights: NDArray[np.float32]
    """[R]."""


@dataclass(frozen=True, slots=True)
class Cutter:
    """The functions that ``collate`` is made of."""

    graphs: Callable[[PackedGraphs, NDArray[np.int64]], CutGraphs]
    """Cut these molecules out."""
    rows: Callable[
        [NDArray[np.float32], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]],
        NDArray[np.float32],
    ]
    """Cut out of ``[n, K]`` rows those from ``offset[i]`` to ``offset[i + 1]`` of each molecule i;
    the arguments are the rows, ``offset``, the molecules, and where each begins in the result."""
    labels: Callable[[TaskData, NDArray[np.int64], NDArray[np.int64]], CutLabels]
    """Cut out the labels of these molecules; the last argument is where the rows of each molecule
    begin in the batch, [G + 1]."""


def cut_graphs(graphs: PackedGraphs, molecules: NDArray[np.int64]) -> CutGraphs:
    """Do what ``Cutter.graphs`` says."""
    first_atom, first_bond = graphs.atom_offset[molecules], graphs.bond_offset[molecules]
    num_atoms = graphs.atom_offset[molecules + 1] - first_atom
    num_bonds = graphs.bond_offset[molecules + 1] - first_bond
    atoms, bonds = ragged_index(first_atom, num_atoms), ragged_index(first_bond, num_bonds)
    atom_start = offsets(num_atoms)
    ends = graphs.bond_ends[bonds] + np.repeat(atom_start[:-1], num_bonds)[:, None]  # [B, 2]
    return CutGraphs(
        atom_start=atom_start,
        bond_start=offsets(num_bonds),
        atom_code=graphs.atom_code[atoms].astype(np.int64),
        bond_code=graphs.bond_code[bonds].astype(np.int64),
        bond_index=np.ascontiguousarray(np.concatenate([ends, ends[:, ::-1]]).T),
        molecule=np.repeat(np.arange(len(molecules)), num_atoms),
    )


def cut_rows(
    source: NDArray[np.float32],
    offset: NDArray[np.int64],
    molecules: NDArray[np.int64],
    start: NDArray[np.int64],
) -> NDArray[np.float32]:
    """Do what ``Cutter.rows`` says."""
    return np.take(source, ragged_index(offset[molecules], np.diff(start)), axis=0)


def cut_labels(task: TaskData, molecules: NDArray[np.int64], start: NDArray[np.int64]) -> CutLabels:
    """Do what ``Cutter.labels`` says."""
    labelled, row = task.find(molecules)
    length = np.diff(start)[labelled]
    values = take(task.stored, ragged_index(task.offset[row], length))
    rows = ragged_index(start[labelled], length)
    weights = np.repeat(task.weight[row], length)
    if task.spec.level != "graph":  # single atoms or bonds of a labelled molecule may have none
        known = ~np.isnan(values).all(1)
        values, rows, weights = values[known], rows[known], weights[known]
    return CutLabels(rows, values, weights)


PLAIN = Cutter(cut_graphs, cut_rows, cut_labels)


def best_cutter(num_molecules: int) -> Cutter:
    """Return the compiled functions where numba is installed and a mix is large enough for them."""
    compiled = _compiled() if num_molecules >= WORTH_MOLECULES else None
    return PLAIN if compiled is None else compiled


@cache
def _compiled() -> Cutter | None:
    try:
        from graphium.batching.kernels import COMPILED
    except (ImportError, RuntimeError):  # the latter where numba finds no folder for its code
        return None
    return COMPILED
