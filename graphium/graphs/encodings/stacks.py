"""Connected components of many molecules, stacked by size.

Molecules fall into connected components (salts have several); components of exactly equal size are
stacked, so that every step of an encoding is one batched matrix operation.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.mol_block import offsets, ragged_index

BLOCK_ELEMENTS = 1 << 19
"""Elements of one stack of adjacency matrices (2 MB of float32): larger ones leave the cache."""


@dataclass(frozen=True, slots=True)
class Stack:
    """Connected components of one size n."""

    atoms: NDArray[np.int64]
    """[components, n] atoms, as positions among all N."""
    adjacency: NDArray[np.float32]
    """[components, n, n] 1 where a bond is."""

    @property
    def size(self) -> int:
        """Atoms of each component."""
        return int(self.atoms.shape[1])


def stacks(
    num_atoms: NDArray[np.integer], num_bonds: NDArray[np.integer], bond_ends: NDArray[np.integer]
) -> Iterator[Stack]:
    """Yield the components of all molecules, those of equal size together."""
    first_atom = np.repeat(offsets(num_atoms)[:-1], num_bonds)
    begin, end = first_atom + bond_ends[:, 0], first_atom + bond_ends[:, 1]  # [B]
    component = _components(int(num_atoms.sum()), begin, end)
    order = np.argsort(component, kind="stable")  # atoms by component
    sizes = np.bincount(component)
    starts = offsets(sizes)[:-1]
    place = np.empty(len(order), np.int64)  # of each atom inside its component
    place[order] = np.arange(len(order)) - np.repeat(starts, sizes)

    by_size = np.argsort(sizes, kind="stable")
    bond_order = np.argsort(component[begin], kind="stable")  # bonds by component
    bond_counts = np.bincount(component[begin], minlength=len(sizes))
    bond_starts = offsets(bond_counts)
    for members in _runs(by_size, sizes):
        size = int(sizes[members[0]])
        counts = bond_counts[members]
        which = np.repeat(np.arange(len(members)), counts)
        bonds = bond_order[ragged_index(bond_starts[members], counts)]
        u, v = place[begin[bonds]], place[end[bonds]]
        adjacency = np.zeros((len(members), size, size), np.float32)
        adjacency[which, u, v] = 1
        adjacency[which, v, u] = 1
        yield Stack(order[starts[members][:, None] + np.arange(size)], adjacency)


def _runs(by_size: NDArray[np.int64], sizes: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    """Cut components, sorted by size, into runs of one size whose stacks stay small."""
    bounds = np.flatnonzero(np.diff(sizes[by_size])) + 1
    for run in np.split(by_size, bounds):
        if len(run):
            length = max(1, BLOCK_ELEMENTS // int(sizes[run[0]]) ** 2)
            for start in range(0, len(run), length):
                yield run[start : start + length]


def _components(
    num_atoms: int, begin: NDArray[np.int64], end: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Return [N] consecutive numbers of connected components, in the order of their first atoms."""
    root = np.arange(num_atoms)
    while True:
        # Hook the higher root of each bond below the lower one, then point every atom at the top.
        low = np.minimum(root[begin], root[end])
        high = np.maximum(root[begin], root[end])
        if (low == high).all():
            return np.unique(root, return_inverse=True)[1]
        np.minimum.at(root, high, low)
        while (root[root] != root).any():
            root = root[root]
