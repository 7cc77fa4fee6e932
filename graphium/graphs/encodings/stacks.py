"""Connected components of many molecules, stacked by size.

Molecules fall into connected components (salts have several); components of exactly equal size are
stacked, so that every step of an encoding is one batched matrix operation. What an atom is told
depends on its own component only.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.encodings.arrays import FLOAT32, Array, double, full, library, moved
from graphium.graphs.mol_block import offsets, ragged_index

BLOCK_ELEMENTS = 1 << 19
"""Elements of one stack of adjacency matrices (2 MB of float32): larger ones leave the cache. A
single component may be larger: n^2."""


@dataclass(frozen=True, slots=True)
class Members:
    """Where the components of one stack are: c of them, with n atoms each and m bonds in all."""

    atoms: NDArray[np.int64]
    """[c, n] positions among all N atoms."""
    bonds: NDArray[np.int64]
    """[m] positions among all B bonds."""
    component: NDArray[np.int64]
    """[m] component of each bond, in the stack."""
    begin: NDArray[np.int64]
    """[m] begin atom of each bond, in its component."""
    end: NDArray[np.int64]
    """[m] end atom of each bond, in its component."""


@dataclass(frozen=True, slots=True)
class Molecules:
    """G molecules cut into components; numpy, whatever the encodings are computed with."""

    num_atoms: NDArray[np.integer]
    """[G] atoms of each molecule."""
    begin: NDArray[np.int64]
    """[B] begin atom of each bond, as a position among all N atoms."""
    end: NDArray[np.int64]
    """[B] end atom of each bond."""
    component: NDArray[np.int64]
    """[N] component of each atom, numbered in the order of their first atoms."""

    @property
    def total_atoms(self) -> int:
        """N."""
        return len(self.component)

    @property
    def total_bonds(self) -> int:
        """B."""
        return len(self.begin)

    def members(self) -> Iterator[Members]:
        """Yield every component in exactly one stack, small ones first."""
        order = np.argsort(self.component, kind="stable")  # atoms by component
        sizes = np.bincount(self.component)
        starts = offsets(sizes)[:-1]
        place = np.empty(len(order), np.int64)  # of each atom inside its component
        place[order] = np.arange(len(order)) - np.repeat(starts, sizes)

        component = self.component[self.begin]  # of each bond
        bond_order = np.argsort(component, kind="stable")  # bonds by component
        bond_counts = np.bincount(component, minlength=len(sizes))
        bond_starts = offsets(bond_counts)
        for run in _runs(np.argsort(sizes, kind="stable"), sizes):
            counts = bond_counts[run]
            bonds = bond_order[ragged_index(bond_starts[run], counts)]
            yield Members(
                atoms=order[starts[run][:, None] + np.arange(sizes[run[0]])],
                bonds=bonds,
                component=np.repeat(np.arange(len(run)), counts),
                begin=place[self.begin[bonds]],
                end=place[self.end[bonds]],
            )

    def stacks(self, like: Array = FLOAT32) -> "Iterator[Stack]":
        """Yield the stacks, ready to compute with the library, type and device of ``like``."""
        for members in self.members():
            yield Stack(members, like)


@final
class Stack:
    """Components of one size n; its matrices are made when they are asked for, and kept.

    Args:
        members: Which components.
        like: Library, type and device of the encodings. Matrices that are decomposed or inverted
            are float64 in any case.
    """

    def __init__(self, members: Members, like: Array) -> None:
        self.atoms = moved(members.atoms, like)
        self.bonds = moved(members.bonds, like)
        self.component = moved(members.component, like)
        self._begin = moved(members.begin, like)
        self._end = moved(members.end, like)
        self._like = like

    @property
    def num_components(self) -> int:
        """Number of components c."""
        return int(self.atoms.shape[0])

    @property
    def size(self) -> int:
        """Atoms n of each component."""
        return int(self.atoms.shape[1])

    @cached_property
    def adjacency(self) -> Array:
        """[c, n, n] 1 where a bond is."""
        out = full((self.num_components, self.size, self.size), 0.0, self._like)
        out[self.component, self._begin, self._end] = 1
        out[self.component, self._end, self._begin] = 1
        return out

    @cached_property
    def degree(self) -> Array:
        """[c, n] bonds of each atom; 0 only where n is 1."""
        return self.adjacency.sum(2)

    @cached_property
    def laplacian(self) -> Array:
        """[c, n, n] D - A, float64."""
        return self.with_diagonal(-double(self.adjacency), double(self.degree))

    @cached_property
    def spectrum(self) -> tuple[Array, Array]:
        """[c, n] eigenvalues of D - A, ascending, and [c, n, n] eigenvectors in columns."""
        values, vectors = library(self._like).linalg.eigh(self.laplacian)
        return values, vectors

    @cached_property
    def pseudo_inverse(self) -> Array:
        """[c, n, n] Moore-Penrose inverse of D - A, float64.

        D - A of a connected component is 0 on the constant vector alone, so with J the matrix of
        ones $(D - A)^+ = (D - A + J/n)^{-1} - J/n$.
        """
        share = 1 / self.size
        return library(self._like).linalg.inv(self.laplacian + share) - share

    def with_diagonal(self, matrices: Array, diagonal: Array | float) -> Array:
        """Return matrices [c, n, n] with this diagonal, [c, n] or a number; they are changed."""
        place = moved(np.arange(self.size), self._like)
        matrices[:, place, place] = diagonal
        return matrices

    def scale(self) -> Array:
        """Return [c, n] $D^{-1/2}$; n must be 2 or more."""
        return 1 / library(self._like).sqrt(self.degree)

    def at_ends(self, values: Array) -> tuple[Array, Array]:
        """Return [m, ...] values [c, n, ...] of atoms at the begin and the end of each bond."""
        return values[self.component, self._begin], values[self.component, self._end]

    def at_bonds(self, pairs: Array) -> tuple[Array, Array]:
        """Return [m] values [c, n, n] of pairs of atoms along each bond, forth and back."""
        forth = pairs[self.component, self._begin, self._end]
        return forth, pairs[self.component, self._end, self._begin]


def split_molecules(
    num_atoms: NDArray[np.integer], num_bonds: NDArray[np.integer], bond_ends: NDArray[np.integer]
) -> Molecules:
    """Cut molecules into connected components.

    Args:
        num_atoms: [G] atoms of each molecule.
        num_bonds: [G] bonds of each molecule.
        bond_ends: [B, 2] ends of each bond, counted inside its molecule.
    """
    first_atom = np.repeat(offsets(num_atoms)[:-1], num_bonds)
    return split_graph(num_atoms, first_atom + bond_ends[:, 0], first_atom + bond_ends[:, 1])


def split_graph(
    num_atoms: NDArray[np.integer], begin: NDArray[np.int64], end: NDArray[np.int64]
) -> Molecules:
    """Cut molecules into connected components.

    Args:
        num_atoms: [G] atoms of each molecule.
        begin: [B] begin atom of each bond, as a position among all N atoms.
        end: [B] end atom of each bond.
    """
    component = _components(int(num_atoms.sum()), begin, end)
    return Molecules(num_atoms, begin, end, component)


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
