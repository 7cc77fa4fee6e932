"""Several rows of one dataset that are one molecule: their labels merged, and where they disagree.

Numbers become their mean, classes the majority. Labels **contradict** each other where classes
differ, or where numbers lie more than one standard deviation of the column's training labels apart.
Both are found for some places after others: memory does not grow with their number.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.batching import compact
from graphium.batching.compact import CompactLabels, decode, encode_like
from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_block import offsets, ragged_index


@dataclass(frozen=True, slots=True)
class Copies:
    """The labels of the D places (molecules, atoms, ...) for which several rows have one."""

    target: NDArray[np.int64]
    """[D] place, increasing."""
    offset: NDArray[np.int64]
    """[D + 1] first copy of each place."""
    row: NDArray[np.int64]
    """[offset[-1]] row (0-based) of the table that each copy stands in."""
    values: CompactLabels
    """[offset[-1], L] labels."""

    def blocks(self, num_classes: int) -> Iterator[slice]:
        """Yield the places in blocks, with a number of cells for each of so many classes."""
        most = compact.BLOCK_CELLS // max(1, self.values.shape[1] * num_classes)
        first = 0
        while first < len(self.target):
            last = int(np.searchsorted(self.offset, self.offset[first] + most, side="right")) - 1
            last = max(first + 1, last)
            yield slice(first, last)
            first = last

    def numbers(self, places: slice) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Return the copies of some places, NaN = missing, and where those of each begin."""
        first, last = self.offset[places.start], self.offset[places.stop]
        starts = self.offset[places.start : places.stop] - first
        return decode(self.values[first:last]).astype(np.float64), starts


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


def merge_copies(labels: CompactLabels, copies: Copies, spec: TaskSpec) -> int:
    """Merge the copies of each place.

    Args:
        labels: [places, L] where to write the result.
        copies: What to merge.
        spec: Says whether labels are numbers or classes.

    Returns:
        How many labels of classes became missing because their copies disagree evenly.
    """
    num_classes = (spec.num_classes or 2) if spec.is_class else 1
    ties = 0
    for places in copies.blocks(num_classes):
        values, starts = copies.numbers(places)
        known = ~np.isnan(values)
        count = np.add.reduceat(known, starts, dtype=np.int64)
        if not spec.is_class:
            total = np.add.reduceat(np.where(known, values, 0), starts)
            merged = np.where(count > 0, total / np.maximum(count, 1), np.nan)
        else:
            votes = np.stack(
                [np.add.reduceat(values == c, starts, dtype=np.int32) for c in range(num_classes)]
            )
            tie = (count > 0) & ((votes == votes.max(axis=0)).sum(axis=0) > 1)
            merged = np.where((count == 0) | tie, np.nan, votes.argmax(axis=0))
            ties += int(tie.sum())
        labels[copies.target[places]] = encode_like(labels, merged)
    return ties


def find_contradictions(
    labels: CompactLabels,
    copies: Copies,
    *,
    largest: NDArray[np.float64],
    place: tuple[NDArray[np.int64], NDArray[np.int64]],
) -> Contradictions:
    """Find the labels whose copies contradict each other.

    Args:
        labels: [places, L] the labels in use.
        copies: What they were merged from.
        largest: [L] how far apart copies may lie; 0 for classes.
        place: Molecules, increasing, and the first place of each (and the number of places).
    """
    none = np.empty(0, np.int64)
    found = [_contradicting(copies, places, largest) for places in copies.blocks(1)]
    joined = [np.concatenate(parts) for parts in zip((none,) * 5, *found, strict=True)]
    target, column, sizes, row, value = joined
    molecules, first_place = place
    owner = np.searchsorted(first_place, target, side="right") - 1
    return Contradictions(
        molecule=molecules[owner],
        inner=target - first_place[owner],
        column=column,
        used=decode(labels[target, column]),
        offset=offsets(sizes),
        row=row,
        value=value.astype(np.float64),
    )


def _contradicting(
    copies: Copies, places: slice, largest: NDArray[np.float64]
) -> tuple[NDArray[Any], ...]:
    """Return [C] targets, columns and numbers of known copies, and of each of these row, value."""
    values, starts = copies.numbers(places)
    spread = np.fmax.reduceat(values, starts) - np.fmin.reduceat(values, starts)
    found, columns = np.nonzero(spread > largest)
    sizes = np.diff(np.append(starts, len(values)))[found]
    copy = ragged_index(starts[found], sizes)
    label = np.repeat(np.arange(len(found)), sizes)
    value = values[copy, columns[label]]
    known = ~np.isnan(value)
    return (
        copies.target[places][found],
        columns,
        np.bincount(label[known], minlength=len(found)),
        copies.row[copies.offset[places.start] :][copy[known]],
        value[known],
    )
