"""Several rows of one dataset that are one molecule: their labels merged, and where they disagree.

Numbers become their mean, classes the majority. Labels **contradict** each other where classes
differ, or where numbers lie more than one standard deviation of the column's training labels apart.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_block import offsets, ragged_index


@dataclass(frozen=True, slots=True)
class Copies:
    """The labels of the D places (molecules, atoms, ...) for which several rows have one."""

    target: NDArray[np.int64]
    """[D] place, increasing."""
    offset: NDArray[np.int64]
    """[D + 1] first copy of each place."""
    source: NDArray[np.int64]
    """[offset[-1]] which of the given values each copy is."""
    values: NDArray[np.float64]
    """[offset[-1], L] labels; NaN = missing."""


@dataclass(frozen=True, slots=True)
class Merged:
    """One label for each place."""

    values: NDArray[np.float32]
    """[places, L] labels; NaN = missing."""
    ties: int
    """Class labels that became missing because their copies disagree evenly."""
    copies: Copies
    """What was merged."""


@dataclass(frozen=True, slots=True)
class Contradictions:
    """C labels of a task whose copies contradict each other."""

    molecule: NDArray[np.int64]
    """[C] position in the mix, non-decreasing."""
    inner: NDArray[np.int64]
    """[C] atom, bond or pair of atoms inside the molecule; 0 for labels of molecules."""
    column: NDArray[np.int64]
    """[C] label column of the task."""
    used: NDArray[np.float32]
    """[C] the label in use; NaN where it became missing."""
    offset: NDArray[np.int64]
    """[C + 1] first copy of each label."""
    row: NDArray[np.int64]
    """[offset[-1]] row (0-based) of the table of each copy."""
    value: NDArray[np.float64]
    """[offset[-1]] what that row says."""

    @property
    def num_molecules(self) -> int:
        """Molecules that have one of them."""
        return len(np.unique(self.molecule))


def merge_labels(
    values: NDArray[np.float32], target: NDArray[np.int64], num_targets: int, spec: TaskSpec
) -> Merged:
    """Merge all values of each place.

    Args:
        values: [V, L] labels; NaN = missing.
        target: [V] place of each; every place has a value.
        num_targets: Number of places.
        spec: Says whether labels are numbers or classes.
    """
    out = np.empty((num_targets, values.shape[1]), np.float32)
    out[target] = values
    copies = _find_copies(values, target, num_targets)
    if not len(copies.target):
        return Merged(out, 0, copies)
    starts = copies.offset[:-1]
    known = ~np.isnan(copies.values)
    count = np.add.reduceat(known, starts, dtype=np.int64)
    if not spec.is_class:
        total = np.add.reduceat(np.where(known, copies.values, 0), starts)
        out[copies.target] = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        return Merged(out, 0, copies)
    votes = np.stack(
        [
            np.add.reduceat(copies.values == c, starts, dtype=np.int64)
            for c in range(spec.num_classes or 2)
        ]
    )
    tie = (count > 0) & ((votes == votes.max(axis=0)).sum(axis=0) > 1)
    out[copies.target] = np.where((count == 0) | tie, np.nan, votes.argmax(axis=0))
    return Merged(out, int(tie.sum()), copies)


def find_contradictions(
    merged: Merged,
    *,
    is_class: bool,
    deviation: NDArray[np.float64],
    place: tuple[NDArray[np.int64], NDArray[np.int64]],
    row_ends: NDArray[np.int64],
    rows: NDArray[np.int64],
) -> Contradictions:
    """Find the labels whose copies contradict each other.

    Args:
        merged: Labels and what they were merged from.
        is_class: Labels are classes.
        deviation: [L] how far apart numbers may lie.
        place: Molecules, increasing, and the first place of each (and the number of places).
        row_ends: End of each row's values among those given to ``merge_labels``.
        rows: Row of the table of each of these.
    """
    copies = merged.copies
    starts = copies.offset[:-1]
    if len(starts):
        spread = np.fmax.reduceat(copies.values, starts) - np.fmin.reduceat(copies.values, starts)
        places, columns = np.nonzero(spread > (0 if is_class else deviation))
    else:
        places, columns = np.empty((2, 0), np.int64)
    sizes = np.diff(copies.offset)[places]
    copy = ragged_index(starts[places], sizes)
    label = np.repeat(np.arange(len(places)), sizes)
    value = copies.values[copy, columns[label]]
    known = ~np.isnan(value)
    target = copies.target[places]
    molecules, first_place = place
    owner = np.searchsorted(first_place, target, side="right") - 1
    return Contradictions(
        molecule=molecules[owner],
        inner=target - first_place[owner],
        column=columns,
        used=merged.values[target, columns],
        offset=offsets(np.bincount(label[known], minlength=len(places))),
        row=rows[np.searchsorted(row_ends, copies.source[copy[known]], side="right")],
        value=value[known],
    )


def _find_copies(
    values: NDArray[np.float32], target: NDArray[np.int64], num_targets: int
) -> Copies:
    several = np.flatnonzero(np.bincount(target, minlength=num_targets)[target] > 1)
    several = several[np.argsort(target[several], kind="stable")]
    places, counts = np.unique(target[several], return_counts=True)
    return Copies(places, offsets(counts), several, values[several].astype(np.float64))
