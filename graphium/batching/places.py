"""Where the labels of one store's rows go among the molecules of the mix, before any is read.

A place is what has one label a column: a molecule, atom, bond or pair of atoms. The only row of a
molecule fills its places; where a molecule has several rows, those of each place stand side by
side as copies, to be merged.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.batching.align import align_pieces
from graphium.batching.compact import CompactLabels, encode_like
from graphium.config.data import Level
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.store.read import LabelTable

ALIGN_ROWS = 1 << 15
"""Rows whose atoms are matched at once."""


@dataclass(frozen=True, slots=True)
class Moved:
    """Which atom, bond or pair of a row each one of its molecule is, where the order differs."""

    start: NDArray[np.int64]
    """[R] where a row's begin in ``inner``; -1 where nothing is moved."""
    inner: NDArray[np.int32]
    """Position inside the row's molecule of each, in the order of the mix."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where the labels of R rows go."""

    molecule: NDArray[np.int64]
    """[D] molecules of the mix that have labels, increasing."""
    offset: NDArray[np.int64]
    """[D + 1] first place of each."""
    line: NDArray[np.int64]
    """[U] which of the R rows are used, those of one molecule side by side."""
    first: NDArray[np.int64]
    """[D] where in ``line`` those of each molecule begin."""
    member: NDArray[np.int64]
    """[U] which of the D molecules each is."""
    start: NDArray[np.int64]
    """[R] first place of a row, or its first copy; -1 where it is not used."""
    stride: NDArray[np.int64]
    """[R] copies of each of its places; 0 where it is the only row and fills the places."""
    moved: Moved
    unaligned: int
    """Rows left out because their atoms could not be matched."""

    @property
    def num_copies(self) -> int:
        """Labels of places for which several rows have one."""
        return int((self._sizes() * self._counts())[self._counts() > 1].sum())

    def copies(
        self, table_row: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
        """Return target, offset and row as ``Copies`` has them.

        Args:
            table_row: [U] row of the table of each used row.
        """
        several = np.flatnonzero(self._counts() > 1)
        sizes, counts = self._sizes()[several], self._counts()[several]
        row = np.empty(self.num_copies, np.int64)
        at = np.flatnonzero(self.stride[self.line] > 0)
        lengths = self._sizes()[self.member[at]]
        row[self.destination(self.line[at], lengths)] = np.repeat(table_row[at], lengths)
        target = ragged_index(self.offset[several], sizes)
        return target, offsets(np.repeat(counts, sizes)), row

    def destination(
        self, rows: NDArray[np.int64], lengths: NDArray[np.integer]
    ) -> NDArray[np.int64]:
        """Return the place or the copy of each label of some rows."""
        inner = ragged_index(np.zeros(len(rows), np.int64), lengths)
        stride = np.maximum(self.stride[rows], 1)
        inner *= np.repeat(stride, lengths)
        inner += np.repeat(self.start[rows], lengths)
        return inner

    def _sizes(self) -> NDArray[np.int64]:
        """Return [D] places of each molecule."""
        return np.diff(self.offset)

    def _counts(self) -> NDArray[np.int64]:
        """Return [D] rows of each molecule."""
        return np.bincount(self.member, minlength=len(self.molecule))


def find_places(
    block: MolBlock,
    level: Level,
    rows: NDArray[np.int64],
    molecule: NDArray[np.int64],
    taken_from: NDArray[np.int64],
) -> Places:
    """Find where the labels of rows go.

    Args:
        block: The T molecules of all stores.
        level: What has labels.
        rows: [R] some of them, increasing.
        molecule: [R] which of the M molecules of the mix each is; -1 where it is not used.
        taken_from: [M] row of the T that the molecule's graph is taken from.
    """
    is_used = molecule >= 0
    moved = Moved(np.full(len(rows), -1), np.empty(0, np.int32))
    num_used = int(is_used.sum())
    if level != "graph":
        other = np.flatnonzero(is_used)
        other = other[rows[other] != taken_from[molecule[other]]]
        targets = taken_from[molecule[other]]
        is_used[other], moved = _align(block, level, rows, other, targets)
    line = np.flatnonzero(is_used)
    line = line[np.argsort(molecule[line], kind="stable")]
    distinct, first, member, counts = np.unique(
        molecule[line], return_index=True, return_inverse=True, return_counts=True
    )
    sole = rows[line[first]]
    sizes = level_sizes(level, block.num_atoms[sole], block.num_bonds[sole])
    offset = offsets(sizes)
    is_several = (counts > 1)[member]
    first_copy = offsets(np.where(counts > 1, sizes * counts, 0))[:-1][member]
    start, stride = np.full(len(rows), -1), np.zeros(len(rows), np.int64)
    rank = np.arange(len(line)) - first[member]
    start[line] = np.where(is_several, first_copy + rank, offset[:-1][member])
    stride[line] = np.where(is_several, counts[member], 0)
    return Places(distinct, offset, line, first, member, start, stride, moved, num_used - len(line))


def _align(
    block: MolBlock,
    level: Level,
    rows: NDArray[np.int64],
    other: NDArray[np.int64],
    targets: NDArray[np.int64],
) -> tuple[NDArray[np.bool_], Moved]:
    """Say of ``other`` rows, whose graphs are those of ``targets``, which could be aligned."""
    aligned = np.zeros(len(other), bool)
    parts = [np.empty(0, np.int32)]
    for begin in range(0, len(other), ALIGN_ROWS):
        some = slice(begin, begin + ALIGN_ROWS)
        aligned[some], inner = align_pieces(block, rows[other[some]], targets[some], level)
        parts.append(inner.astype(np.int32))
    lengths = level_sizes(level, block.num_atoms[rows[other]], block.num_bonds[rows[other]])
    start = np.full(len(rows), -1)
    start[other] = offsets(lengths)[:-1]
    return aligned, Moved(start, np.concatenate(parts))


def fill(
    block: MolBlock,
    places: Places,
    rows: NDArray[np.int64],
    piece: LabelTable,
    first_row: int,
    labels: CompactLabels,
    copies: CompactLabels,
) -> None:
    """Write the labels of a piece to their places, or to their copies.

    Args:
        block: The T rows.
        places: Where labels go.
        rows: [R] molecules of the store whose labels are wanted, increasing.
        piece: Labels of some of these, and maybe of others.
        first_row: Place of the store's first row among all T.
        labels: [places, L].
        copies: [copies, L].
    """
    if not len(rows):
        return
    own = first_row + piece.rows
    own_sizes = level_sizes(piece.level, block.num_atoms[own], block.num_bonds[own])
    row = np.minimum(np.searchsorted(rows, piece.rows), len(rows) - 1)
    taken = np.flatnonzero((rows[row] == piece.rows) & (places.start[row] >= 0))
    row, sizes = row[taken], own_sizes[taken]

    inner = ragged_index(np.zeros(len(row), np.int64), sizes)
    moved = np.flatnonzero(places.moved.start[row] >= 0)
    inner[ragged_index(offsets(sizes)[moved], sizes[moved])] = places.moved.inner[
        ragged_index(places.moved.start[row[moved]], sizes[moved])
    ]
    source = np.repeat(offsets(own_sizes)[taken], sizes) + inner
    target = places.destination(row, sizes)
    is_copy = np.repeat(places.stride[row] > 0, sizes)
    values = encode_like(labels, piece.values)
    labels[target[~is_copy]] = values[source[~is_copy]]
    copies[target[is_copy]] = values[source[is_copy]]
