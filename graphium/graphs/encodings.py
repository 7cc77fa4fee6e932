"""Positional encodings of atoms, computed for many molecules at once.

Molecules fall into connected components (salts have several); components of exactly equal size are
stacked, so that every step is one batched matrix operation. An atom's encoding depends on its own
component only.

Random walks: Dwivedi et al. 2022 (arXiv:2110.07875), section 4. Laplacian eigenvectors: Dwivedi et
al. 2020 (arXiv:2003.00982), here of the unnormalised Laplacian and with a fixed sign.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.mol_block import offsets, ragged_index

BLOCK_ELEMENTS = 1 << 19
"""Elements of one stack of adjacency matrices (2 MB of float32): larger ones leave the cache."""


def random_walk(
    num_atoms: NDArray[np.integer],
    num_bonds: NDArray[np.integer],
    bond_ends: NDArray[np.integer],
    steps: int,
) -> NDArray[np.float32]:
    r"""Return the probability that a random walk is back at its atom after 1..K steps.

    $$ p_{ik} = \big[(D^{-1} A)^k\big]_{ii} = \big[S^k\big]_{ii}, \quad S = D^{-1/2} A D^{-1/2} $$

    A walk that cannot leave (a single atom) is always back: ones. S is symmetric, so half the
    powers are enough: $[S^{h+j}]_{ii} = \sum_m [S^h]_{im} [S^j]_{im}$.

    Args:
        num_atoms: [G] atoms of each molecule.
        num_bonds: [G] bonds of each molecule.
        bond_ends: [B, 2] ends of each bond, counted inside its molecule.
        steps: K.

    Returns:
        [N, K] probabilities.
    """
    out = np.ones((int(num_atoms.sum()), steps), np.float32)
    for stack in _stacks(num_atoms, num_bonds, bond_ends):
        if stack.size == 1 or steps == 0:
            continue
        scale = 1 / np.sqrt(stack.adjacency.sum(2))
        s = stack.adjacency * scale[:, :, None] * scale[:, None, :]  # [components, n, n]
        powers = [s]
        for _ in range(1, (steps + 1) // 2):
            powers.append(powers[-1] @ s)
        diagonals = [np.einsum("cii->ci", power) for power in powers]
        diagonals += [
            np.einsum("cij,cij->ci", powers[-1], power) for power in powers[: steps - len(powers)]
        ]
        out[stack.atoms] = np.stack(diagonals[:steps], axis=2)
    return out


def laplacian(
    num_atoms: NDArray[np.integer],
    num_bonds: NDArray[np.integer],
    bond_ends: NDArray[np.integer],
    k: int,
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    r"""Return the lowest k eigenpairs of the Laplacian $L = D - A$ of each atom's component.

    Eigenvalues ascend from 0; eigenvectors have length 1 within their component, and their largest
    entry (the first of equal ones) is positive. A component of n < k atoms has n pairs; the rest
    is 0. Eigenvectors of equal eigenvalues are one of many bases of their space.

    Args:
        num_atoms: [G] atoms of each molecule.
        num_bonds: [G] bonds of each molecule.
        bond_ends: [B, 2] ends of each bond, counted inside its molecule.
        k: Number of pairs.

    Returns:
        [N, k] eigenvalues, equal for all atoms of a component, and [N, k] eigenvector entries.
    """
    total = int(num_atoms.sum())
    values, vectors = np.zeros((total, k), np.float32), np.zeros((total, k), np.float32)
    for stack in _stacks(num_atoms, num_bonds, bond_ends):
        matrix = -stack.adjacency.astype(np.float64)
        diagonal = np.arange(stack.size)
        matrix[:, diagonal, diagonal] = stack.adjacency.sum(2)
        eigenvalues, eigenvectors = np.linalg.eigh(matrix)
        kept = min(k, stack.size)
        values[stack.atoms, :kept] = np.maximum(eigenvalues, 0)[:, None, :kept]
        vectors[stack.atoms, :kept] = _with_fixed_sign(eigenvectors[:, :, :kept])
    return values, vectors


def _with_fixed_sign(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Make the largest entry of each eigenvector [components, n, k] positive."""
    # Rounded, so that noise does not choose between entries that symmetry makes equal.
    largest = np.abs(vectors).round(6).argmax(axis=1, keepdims=True)
    return vectors * np.where(np.take_along_axis(vectors, largest, axis=1) < 0, -1, 1)


@dataclass(frozen=True, slots=True)
class _Stack:
    """Connected components of one size n."""

    atoms: NDArray[np.int64]
    """[components, n] atoms, as positions among all N."""
    adjacency: NDArray[np.float32]
    """[components, n, n] 1 where a bond is."""

    @property
    def size(self) -> int:
        return int(self.atoms.shape[1])


def _stacks(
    num_atoms: NDArray[np.integer], num_bonds: NDArray[np.integer], bond_ends: NDArray[np.integer]
) -> Iterator[_Stack]:
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
        yield _Stack(order[starts[members][:, None] + np.arange(size)], adjacency)


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
