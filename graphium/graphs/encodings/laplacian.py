"""Laplacian eigenvectors (Dwivedi et al. 2020, arXiv:2003.00982), with a fixed sign."""

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.encodings.stacks import stacks


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
    for stack in stacks(num_atoms, num_bonds, bond_ends):
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
