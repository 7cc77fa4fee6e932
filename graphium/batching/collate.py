"""Cuts a batch out of packed molecules: index arithmetic only, no loop over molecules."""

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import NDArray

from graphium.batching.pack import PackedGraphs
from graphium.batching.task_data import TaskData
from graphium.graphs.levels import level_sizes, num_pairs, pair_ends
from graphium.graphs.mol_batch import MolBatch, TaskLabels
from graphium.graphs.mol_block import offsets, ragged_index


def collate(
    graphs: PackedGraphs,
    tasks: Mapping[str, TaskData],
    molecules: NDArray[np.int64],
    label_totals: Mapping[str, float],
) -> MolBatch:
    """Return the batch of these molecules, in this order.

    Args:
        graphs: The packed molecules.
        tasks: All tasks; of each only the labelled rows travel.
        molecules: [G] positions in the mix; may be empty.
        label_totals: Weight of the known labels of each task in the whole optimiser step.
    """
    first_atom, first_bond = graphs.atom_offset[molecules], graphs.bond_offset[molecules]
    num_atoms = graphs.atom_offset[molecules + 1] - first_atom
    num_bonds = graphs.bond_offset[molecules + 1] - first_bond
    atoms, bonds = ragged_index(first_atom, num_atoms), ragged_index(first_bond, num_bonds)
    atom_start = offsets(num_atoms)

    ends = graphs.bond_ends[bonds] + np.repeat(atom_start[:-1], num_bonds)[:, None]  # [B, 2]
    bond_index = np.concatenate([ends, ends[:, ::-1]]).T  # [2, E]
    return MolBatch(
        atom_table=torch.from_numpy(graphs.atom_table),
        atom_code=torch.from_numpy(graphs.atom_code[atoms].astype(np.int64)),
        bond_table=torch.from_numpy(graphs.bond_table),
        bond_code=torch.from_numpy(graphs.bond_code[bonds].astype(np.int64)),
        bond_index=torch.from_numpy(np.ascontiguousarray(bond_index)),
        molecule=torch.from_numpy(np.repeat(np.arange(len(molecules)), num_atoms)),
        num_molecules=len(molecules),
        encodings={name: torch.from_numpy(e[atoms]) for name, e in graphs.encodings.items()},
        bond_encodings={
            name: torch.from_numpy(e[bonds]) for name, e in graphs.bond_encodings.items()
        },
        keys=torch.from_numpy(molecules.copy()),
        labels={
            name: _labels(task, molecules, num_atoms, num_bonds) for name, task in tasks.items()
        },
        label_totals=dict(label_totals),
    )


def _labels(
    task: TaskData,
    molecules: NDArray[np.int64],
    num_atoms: NDArray[np.int64],
    num_bonds: NDArray[np.int64],
) -> TaskLabels:
    """Cut the labels of one task out of a batch of molecules of these sizes."""
    labelled, row = task.find(molecules)
    lengths = level_sizes(task.spec.level, num_atoms, num_bonds)
    starts, length = offsets(lengths)[labelled], lengths[labelled]
    values = task.values[ragged_index(task.offset[row], length)]
    rows = ragged_index(starts, length)
    weights = np.repeat(task.weight[row], length)
    if task.spec.level != "graph":  # single atoms or bonds of a labelled molecule may have none
        known = ~np.isnan(values).all(1)
        values, rows, weights = values[known], rows[known], weights[known]
    pairs = None
    if task.spec.level == "nodepair":
        pairs = torch.from_numpy(_ends_of_pairs(rows, num_atoms))
        rows = np.arange(len(rows))  # of pairs the network answers for the labelled ones alone
    return TaskLabels(
        torch.from_numpy(rows), torch.from_numpy(values), torch.from_numpy(weights), pairs
    )


def _ends_of_pairs(rows: NDArray[np.int64], num_atoms: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return [R, 2] atoms in the batch of pairs that are counted over the whole batch."""
    starts = offsets(num_pairs(num_atoms))
    molecule = np.searchsorted(starts, rows, side="right") - 1
    ends = pair_ends(rows - starts[molecule], num_atoms[molecule])
    return ends + offsets(num_atoms)[molecule][:, None]
