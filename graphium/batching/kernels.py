"""Compiled twins of ``cut.py``: one pass over the molecules, without the interpreter's lock.

Rows of floats are cut by numpy, which copies them faster than a compiled loop does.

Import it only through ``cut.best_cutter``: everything works without numba.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphium.batching.cut import CutGraphs, CutLabels, Cutter, cut_rows
from graphium.batching.pack import PackedGraphs
from graphium.batching.task_data import TaskData


def cut_graphs(graphs: PackedGraphs, molecules: NDArray[np.int64]) -> CutGraphs:
    """Do what ``cut.cut_graphs`` does."""
    atom_start, bond_start = _starts(molecules, graphs.atom_offset, graphs.bond_offset)
    num_atoms, num_bonds = int(atom_start[-1]), int(bond_start[-1])
    cut = CutGraphs(
        atom_start=atom_start,
        bond_start=bond_start,
        atom_code=np.empty(num_atoms, np.int64),
        bond_code=np.empty(num_bonds, np.int64),
        bond_index=np.empty((2, 2 * num_bonds), np.int64),
        molecule=np.empty(num_atoms, np.int64),
    )
    _fill_graphs(
        molecules,
        graphs.atom_offset,
        graphs.bond_offset,
        graphs.atom_code,
        graphs.bond_code,
        graphs.bond_ends,
        atom_start,
        bond_start,
        cut.atom_code,
        cut.bond_code,
        cut.bond_index,
        cut.molecule,
    )
    return cut


def cut_labels(task: TaskData, molecules: NDArray[np.int64], start: NDArray[np.int64]) -> CutLabels:
    """Do what ``cut.cut_labels`` does."""
    row, most = _find(task.molecule, molecules, start)
    rows, weights = np.empty(most, np.int64), np.empty(most, np.float32)
    values = np.empty((most, task.stored.shape[1]), np.float32)
    found = _fill_labels(
        row,
        start,
        task.offset,
        task.stored,
        task.weight,
        task.spec.level != "graph",
        task.stored.dtype == np.int8,
        rows,
        values,
        weights,
    )
    return CutLabels(rows[:found], values[:found], weights[:found])


@njit(cache=True, nogil=True)
def _starts(molecules, atom_offset, bond_offset):  # type: ignore[no-untyped-def]
    atoms, bonds = np.empty((2, len(molecules) + 1), np.int64)
    atoms[0] = bonds[0] = 0
    for g in range(len(molecules)):
        m = molecules[g]
        atoms[g + 1] = atoms[g] + atom_offset[m + 1] - atom_offset[m]
        bonds[g + 1] = bonds[g] + bond_offset[m + 1] - bond_offset[m]
    return atoms, bonds


@njit(cache=True, nogil=True)
def _fill_graphs(  # type: ignore[no-untyped-def]
    molecules,
    atom_offset,
    bond_offset,
    atom_code,
    bond_code,
    bond_ends,
    atom_start,
    bond_start,
    out_atom_code,
    out_bond_code,
    out_index,
    out_molecule,
):
    num_bonds = len(out_bond_code)
    begin_forward, begin_back = out_index[0, :num_bonds], out_index[0, num_bonds:]
    end_forward, end_back = out_index[1, :num_bonds], out_index[1, num_bonds:]
    for g in range(len(molecules)):
        # Unsigned, and one array a loop: places need no look at their sign, and loops run in SIMD.
        first, atom = np.uint64(atom_offset[molecules[g]]), np.uint64(atom_start[g])
        count = np.uint64(atom_start[g + 1]) - atom
        for i in range(count):
            out_atom_code[atom + i] = atom_code[first + i]
        for i in range(count):
            out_molecule[atom + i] = g
        first, bond = np.uint64(bond_offset[molecules[g]]), np.uint64(bond_start[g])
        count = np.uint64(bond_start[g + 1]) - bond
        for i in range(count):
            out_bond_code[bond + i] = bond_code[first + i]
        for i in range(count):
            begin = atom_start[g] + np.int64(bond_ends[first + i, 0])
            end = atom_start[g] + np.int64(bond_ends[first + i, 1])
            begin_forward[bond + i] = end_back[bond + i] = begin
            end_forward[bond + i] = begin_back[bond + i] = end


@njit(cache=True, nogil=True)
def _find(labelled, molecules, start):  # type: ignore[no-untyped-def]
    """Return the row of each molecule among the labelled ones, -1: none; and their label rows."""
    row, most, ahead = np.full(len(molecules), -1, np.int64), 0, 0
    for g in range(len(molecules)):
        # Where all are labelled, rows and molecules differ by as much as they did before.
        low, high = molecules[g] - ahead, molecules[g] - ahead
        if low < 0 or low >= len(labelled) or labelled[low] != molecules[g]:
            low, high = 0, len(labelled)
        while low < high:
            middle = (low + high) // 2
            if labelled[middle] < molecules[g]:
                low = middle + 1
            else:
                high = middle
        if low < len(labelled) and labelled[low] == molecules[g]:
            row[g], ahead = low, molecules[g] - low
            most += start[g + 1] - start[g]
    return row, most


@njit(cache=True, nogil=True)
def _fill_labels(  # type: ignore[no-untyped-def]
    row, start, offset, stored, weight, may_be_empty, is_class, out_rows, out_values, out_weights
):
    """Fill in the rows with any label; return how many there are."""
    found, nan = 0, np.float32(np.nan)
    for g in range(len(row)):
        if row[g] < 0:
            continue
        first = offset[row[g]] - start[g]
        for i in range(start[g], start[g + 1]):
            known = 0 if may_be_empty else 1
            for k in range(stored.shape[1]):
                label = stored[first + i, k]
                out_values[found, k] = nan if is_class and label < 0 else np.float32(label)
            if may_be_empty:
                for k in range(stored.shape[1]):
                    known += not np.isnan(out_values[found, k])
            if known:
                out_rows[found] = i
                out_weights[found] = weight[row[g]]
                found += 1
    return found


COMPILED = Cutter(cut_graphs, cut_rows, cut_labels)
