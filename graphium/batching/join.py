"""Rows of tables become molecules of the mix: equal ones are one, and their labels meet.

Labels of atoms, bonds and pairs of atoms are given in the atom order of their own SMILES. A
molecule of the mix has one order, that of the row its graph is taken from; labels of other rows are
carried over by canonical atom ranks, and only where every bond is found again.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphium.batching.align import align_pieces
from graphium.batching.compact import compact, is_known
from graphium.batching.duplicates import Contradictions, find_contradictions, merge_labels
from graphium.batching.task_data import TaskData
from graphium.config.data import PARTS, Duplicates
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
    contradictions: Contradictions
    """Labels whose merged rows contradict each other."""
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
    part: NDArray[np.uint8],
    duplicates: Duplicates = "merge",
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
        part: [M] part of each molecule of the mix.
        duplicates: ``missing`` leaves out labels that contradict each other.
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
    merged = merge_labels(
        table.values[flat], ragged_index(offset[member], lengths[line]), int(offset[-1]), spec
    )
    local = table.rows[line]
    weights = np.bincount(member, weight[local], len(distinct)) / np.bincount(member)
    task = TaskData(
        spec=spec,
        molecule=distinct,
        offset=offset,
        stored=compact(spec, merged.values),
        weight=weights.astype(np.float32),
        source_row=source_row[local[first]],
    )
    contradictions = find_contradictions(
        merged,
        is_class=spec.is_class,
        deviation=_training_deviation(task, part),
        place=(distinct, offset),
        row_ends=np.cumsum(lengths[line]),
        rows=source_row[local],
    )
    if duplicates == "missing":
        places = offset[np.searchsorted(distinct, contradictions.molecule)] + contradictions.inner
        merged.values[places, contradictions.column] = np.nan
        task = replace(task, stored=compact(spec, merged.values))
        contradictions.used[:] = np.nan
    return JoinedLabels(
        task,
        merged=len(line) - len(distinct),
        ties=merged.ties,
        contradictions=contradictions,
        unaligned=num_used - len(line),
    )


def _training_deviation(task: TaskData, part: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return [L] standard deviations of the training labels; infinite where there are none.

    A trained model brings its own.
    """
    if task.spec.std is not None:
        return np.array(task.spec.std)
    deviation = np.array(task.statistics(part)[1])
    has_labels = np.zeros(len(deviation), bool)
    for block in task.stored_blocks(part, PARTS.index("train")):
        has_labels |= is_known(block).any(axis=0)
    return np.where(has_labels, deviation, np.inf)
