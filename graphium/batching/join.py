"""Rows of tables become molecules of the mix: equal ones are one, and their labels meet.

Labels of atoms, bonds and pairs of atoms are given in the atom order of their own SMILES. A
molecule of the mix has one order, that of the row its graph is taken from; labels of other rows are
carried over by canonical atom ranks, and only where every bond is found again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.batching.align import align_pieces
from graphium.batching.task_data import TaskData
from graphium.config.tasks import TaskSpec
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.store.read import LabelTable


@dataclass(frozen=True, slots=True)
class Join:
    """T rows (molecules of all stores, one store after another) as M molecules of the mix."""

    block: MolBlock
    """The T rows."""
    molecule: NDArray[np.int64]
    """[T] molecule of the mix; -1 for rows that are not used."""
    taken_from: NDArray[np.int64]
    """[M] row that the molecule's graph is taken from."""


@dataclass(frozen=True, slots=True)
class JoinedLabels:
    """The labels of one task, and what joining them cost."""

    task: TaskData
    merged: int
    """Rows merged into an earlier row of the same molecule."""
    ties: int
    """Class labels that became missing because merged rows disagree evenly."""
    unaligned: int
    """Rows left out because their atoms could not be matched."""


def join_rows(
    block: MolBlock,
    equal: NDArray[np.int64],
    used: NDArray[np.bool_],
    preferred: NDArray[np.bool_],
) -> Join:
    """Make one molecule of all used rows with the same number.

    Molecules are in the order of their first rows. The graph is that of the first preferred row,
    or of the first row.

    Args:
        block: The T rows.
        equal: [T] equal numbers for equal molecules.
        used: [T] rows to take.
        preferred: [T] rows whose atom order should be kept, because they have atom-level labels.
    """
    rows = np.flatnonzero(used)
    _, first, inverse = np.unique(equal[rows], return_index=True, return_inverse=True)
    place = np.argsort(np.argsort(first, kind="stable"), kind="stable")
    molecule = np.full(len(used), -1, np.int64)
    molecule[rows] = place[inverse]
    best = np.lexsort((rows, ~preferred[rows], molecule[rows]))
    _, at = np.unique(molecule[rows][best], return_index=True)
    return Join(block, molecule, rows[best[at]])


def join_labels(
    join: Join,
    spec: TaskSpec,
    table: LabelTable,
    *,
    first_row: int,
    weight: NDArray[np.float32],
    source_row: NDArray[np.int64],
) -> JoinedLabels:
    """Bring the labels of one store to the molecules of the mix.

    Several rows of one molecule are merged: numbers to their mean, classes to the majority, sample
    weights to their mean.

    Args:
        join: The molecules.
        spec: The task.
        table: Labels of the store.
        first_row: Place of the store's first row among all T.
        weight: [S] sample weights of the store's rows.
        source_row: [S] rows of the table.
    """
    rows = first_row + table.rows
    lengths = level_sizes(spec.level, join.block.num_atoms[rows], join.block.num_bonds[rows])
    starts = offsets(lengths)[:-1]

    molecule = join.molecule[rows]
    line = np.argsort(molecule, kind="stable")  # rows of one molecule side by side
    line = line[molecule[line] >= 0]
    flat = ragged_index(starts[line], lengths[line])
    num_used = len(line)
    if spec.level != "graph":
        aligned, inner = align_pieces(
            join.block, rows[line], join.taken_from[molecule[line]], spec.level
        )
        flat = np.repeat(starts[line], lengths[line]) + inner
        flat, line = flat[np.repeat(aligned, lengths[line])], line[aligned]

    distinct, first, member = np.unique(molecule[line], return_index=True, return_inverse=True)
    offset = offsets(lengths[line[first]])
    values, ties = _merge(
        table.values[flat], ragged_index(offset[member], lengths[line]), int(offset[-1]), spec
    )
    local = table.rows[line]
    weights = np.bincount(member, weight[local], len(distinct)) / np.bincount(member)
    task = TaskData(
        spec=spec,
        molecule=distinct,
        offset=offset,
        values=values,
        weight=weights.astype(np.float32),
        source_row=source_row[local[first]],
    )
    return JoinedLabels(task, len(line) - len(distinct), ties, num_used - len(line))


def _merge(
    values: NDArray[np.float32], target: NDArray[np.int64], num_targets: int, spec: TaskSpec
) -> tuple[NDArray[np.float32], int]:
    """Return [num_targets, L] merged labels and the number of ties; value i goes to target[i]."""
    out = np.empty((num_targets, values.shape[1]), np.float32)
    out[target] = values
    several = np.bincount(target, minlength=num_targets)[target] > 1
    if not several.any():
        return out, 0
    rows, member = np.unique(target[several], return_inverse=True)
    known = ~np.isnan(values[several])
    labels = np.where(known, values[several], 0).astype(np.float64)

    def add_up(numbers: NDArray[np.generic]) -> NDArray[np.float64]:
        total = np.zeros((len(rows), values.shape[1]))
        np.add.at(total, member, numbers)
        return total

    count = add_up(known)
    if spec.loss not in ("bce", "ce"):
        out[rows] = np.where(count > 0, add_up(labels) / np.maximum(count, 1), np.nan)
        return out, 0
    votes = np.stack([add_up(known & (labels == c)) for c in range(spec.num_classes or 2)])
    most = votes.max(axis=0)
    tie = (count > 0) & ((votes == most).sum(axis=0) > 1)
    out[rows] = np.where((count == 0) | tie, np.nan, votes.argmax(axis=0))
    return out, int(tie.sum())
