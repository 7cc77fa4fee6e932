"""Rows of tables become molecules of the mix: equal ones are one, and their labels meet.

Labels of atoms, bonds and pairs of atoms are given in the atom order of their own SMILES. A
molecule of the mix has one order, that of the row its graph is taken from; labels of other rows are
carried over by canonical atom ranks, and only where every bond is found again.
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.batching.compact import empty_labels, encode_like, is_known
from graphium.batching.duplicates import (
    Contradictions,
    Copies,
    find_contradictions,
    merge_copies,
)
from graphium.batching.places import fill, find_places
from graphium.batching.task_data import TaskData
from graphium.config.data import PARTS, Duplicates
from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_block import MolBlock
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
    rows: NDArray[np.int64],
    pieces: Iterable[LabelTable],
    *,
    first_row: int,
    weight: NDArray[np.float32],
    source_row: NDArray[np.int64],
    part: NDArray[np.uint8],
    duplicates: Duplicates = "merge",
) -> JoinedLabels:
    """Bring the labels of one store to the molecules of the mix.

    Several rows of one molecule are merged: numbers to their mean, classes to the majority, sample
    weights to their mean. Where each label goes is decided first; labels then come piece by piece.

    Args:
        join: The molecules.
        spec: The task.
        rows: [R] molecules of the store whose labels are wanted, increasing.
        pieces: Labels of these and maybe of others, of some molecules after others.
        first_row: Place of the store's first row among all T.
        weight: [S] sample weights of the store's rows.
        source_row: [S] rows of the table.
        part: [M] part of each molecule of the mix.
        duplicates: ``missing`` leaves out labels that contradict each other.
    """
    places = find_places(
        join.block,
        spec.level,
        first_row + rows,
        join.molecule[first_row + rows],
        join.taken_from,
    )
    line, first, member = places.line, places.first, places.member
    count = len(first)
    labels = empty_labels(spec, int(places.offset[-1]))
    copies = Copies(*places.copies(source_row[rows[line]]), empty_labels(spec, places.num_copies))
    for piece in pieces:
        fill(join.block, places, rows, piece, first_row, labels, copies.values)
    ties = merge_copies(labels, copies, spec)
    task = TaskData(
        spec=spec,
        molecule=places.molecule,
        offset=places.offset,
        stored=labels,
        weight=(
            np.bincount(member, weight[rows[line]], count) / np.bincount(member, minlength=count)
        ).astype(np.float32),
        source_row=source_row[rows[line[first]]],
    )
    contradictions = find_contradictions(
        labels,
        copies,
        largest=_largest_spread(task, part) if len(copies.target) else np.zeros(len(spec.labels)),
        place=(places.molecule, places.offset),
    )
    if duplicates == "missing":
        at = places.offset[np.searchsorted(places.molecule, contradictions.molecule)]
        contradictions.used[:] = np.nan
        labels[at + contradictions.inner, contradictions.column] = encode_like(
            labels, contradictions.used
        )
    return JoinedLabels(
        task,
        merged=len(line) - count,
        ties=ties,
        contradictions=contradictions,
        unaligned=places.unaligned,
    )


def _largest_spread(task: TaskData, part: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Return [L] how far apart labels of one molecule may lie without contradicting each other.

    Classes not at all; numbers one standard deviation of the training labels, or as far as they
    like where there are none. A trained model brings its own deviations.
    """
    if task.spec.is_class:
        return np.zeros(len(task.spec.labels))
    if task.spec.std is not None:
        return np.array(task.spec.std)
    has_labels = np.zeros(len(task.spec.labels), bool)
    for block in task.stored_blocks(part, PARTS.index("train")):
        has_labels |= is_known(block).any(axis=0)
    return np.where(has_labels, task.statistics(part)[1], np.inf)
