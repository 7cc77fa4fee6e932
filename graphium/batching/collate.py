"""Cuts a batch out of packed molecules: index arithmetic only, no loop over molecules."""

from collections.abc import Mapping
from typing import assert_never

import numpy as np
import torch
from numpy.typing import NDArray

from graphium.batching.cut import PLAIN, CutGraphs, Cutter
from graphium.batching.pack import PackedGraphs
from graphium.batching.task_data import TaskData
from graphium.graphs.levels import num_pairs, pair_ends
from graphium.graphs.mol_batch import MolBatch, TaskLabels
from graphium.graphs.mol_block import offsets


def collate(
    graphs: PackedGraphs,
    tasks: Mapping[str, TaskData],
    molecules: NDArray[np.int64],
    label_totals: Mapping[str, float],
    cutter: Cutter = PLAIN,
) -> MolBatch:
    """Return the batch of these molecules, in this order.

    Args:
        graphs: The packed molecules.
        tasks: All tasks; of each only the labelled rows travel.
        molecules: [G] positions in the mix; may be empty.
        label_totals: Weight of the known labels of each task in the whole optimiser step.
        cutter: How to cut; every one gives the same batch.
    """
    cut = cutter.graphs(graphs, molecules)

    def rows(
        source: NDArray[np.float32], offset: NDArray[np.int64], start: NDArray[np.int64]
    ) -> torch.Tensor:
        return torch.from_numpy(cutter.rows(source, offset, molecules, start))

    return MolBatch(
        atom_table=torch.from_numpy(graphs.atom_table),
        atom_code=torch.from_numpy(cut.atom_code),
        bond_table=torch.from_numpy(graphs.bond_table),
        bond_code=torch.from_numpy(cut.bond_code),
        bond_index=torch.from_numpy(cut.bond_index),
        molecule=torch.from_numpy(cut.molecule),
        num_molecules=len(molecules),
        encodings={
            name: rows(values, graphs.atom_offset, cut.atom_start)
            for name, values in graphs.encodings.items()
        },
        bond_encodings={
            name: rows(values, graphs.bond_offset, cut.bond_start)
            for name, values in graphs.bond_encodings.items()
        },
        keys=torch.from_numpy(molecules.copy()),
        labels={name: _labels(task, molecules, cut, cutter) for name, task in tasks.items()},
        label_totals=dict(label_totals),
    )


def _labels(
    task: TaskData, molecules: NDArray[np.int64], graphs: CutGraphs, cutter: Cutter
) -> TaskLabels:
    """Cut the labels of one task out of a batch of molecules."""
    start = _starts(task, graphs)
    cut = cutter.labels(task, molecules, start)
    rows, pairs = cut.rows, None
    if task.spec.level == "nodepair":
        pairs = torch.from_numpy(_ends_of_pairs(rows, start, graphs.atom_start))
        rows = np.arange(len(rows))  # of pairs the network answers for the labelled ones alone
    return TaskLabels(
        torch.from_numpy(rows), torch.from_numpy(cut.values), torch.from_numpy(cut.weights), pairs
    )


def _starts(task: TaskData, graphs: CutGraphs) -> NDArray[np.int64]:
    """Return [G + 1] where the rows of each molecule begin at the level of a task."""
    match task.spec.level:
        case "graph":
            return np.arange(len(graphs.atom_start))
        case "node":
            return graphs.atom_start
        case "edge":
            return graphs.bond_start
        case "nodepair":
            return offsets(num_pairs(np.diff(graphs.atom_start)))
        case _:
            assert_never(task.spec.level)


def _ends_of_pairs(
    rows: NDArray[np.int64], start: NDArray[np.int64], atom_start: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return [R, 2] atoms in the batch of pairs that are counted over the whole batch."""
    molecule = np.searchsorted(start, rows, side="right") - 1
    ends = pair_ends(rows - start[molecule], np.diff(atom_start)[molecule])
    return ends + atom_start[molecule][:, None]
