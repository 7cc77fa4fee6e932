"""Eigenvectors and eigenvalues of Laplacians (Dwivedi et al. 2020, arXiv:2003.00982).

Laplacians are symmetric or similar to a symmetric matrix, so that eigenvalues are real and ascend
from 0; each component has its own. An atom without bonds has the Laplacian 0 in each normalisation.
"""

from typing import assert_never

from graphium.config.encodings import Normalization
from graphium.graphs.encodings.arrays import Array, cast, double, full, library, take_along
from graphium.graphs.encodings.stacks import Stack


def eigenpairs(stack: Stack, k: int, normalization: Normalization) -> tuple[Array, Array]:
    r"""Return the lowest k eigenvalues [c, k] and eigenvectors [c, n, k] of each component.

    $$ L = D - A, \quad L_\mathrm{sym} = D^{-1/2} L D^{-1/2}, \quad L_\mathrm{rw} = D^{-1} L $$

    Eigenvectors have length 1 within their component, and their largest entry (the first of equal
    ones) is positive; those of $L_\mathrm{rw}$ are $D^{-1/2}$ times those of $L_\mathrm{sym}$, with
    the same eigenvalues. A component of n < k atoms has n pairs; the rest is 0. Eigenvectors of
    equal eigenvalues are one of many bases of their space.

    Args:
        stack: The components.
        k: Number of pairs.
        normalization: ``none`` for L, ``symmetric``, ``random_walk``.
    """
    values, vectors = _decompose(stack, normalization)
    like, kept = stack.adjacency, min(k, stack.size)
    lowest = full((stack.num_components, k), 0.0, like)
    entries = full((stack.num_components, stack.size, k), 0.0, like)
    lowest[:, :kept] = cast(library(values).clip(values[:, :kept], 0, None), like)
    entries[:, :, :kept] = cast(_with_fixed_sign(vectors[:, :, :kept]), like)
    return lowest, entries


def _decompose(stack: Stack, normalization: Normalization) -> tuple[Array, Array]:
    """Return all eigenpairs, float64."""
    if stack.size == 1:
        return stack.spectrum
    lib = library(stack.laplacian)
    match normalization:
        case "none":
            return stack.spectrum
        case "symmetric" | "random_walk":
            scale = 1 / lib.sqrt(double(stack.degree))
            scaled = stack.laplacian * scale[:, :, None] * scale[:, None, :]
            values, vectors = lib.linalg.eigh(scaled)
            if normalization == "random_walk":
                vectors = vectors * scale[:, :, None]
                vectors = vectors / lib.sqrt((vectors * vectors).sum(1))[:, None, :]
            return values, vectors
        case _:
            assert_never(normalization)


def _with_fixed_sign(vectors: Array) -> Array:
    """Make the largest entry of each eigenvector [c, n, k] positive."""
    lib = library(vectors)
    # Rounded, so that noise does not choose between entries that symmetry makes equal.
    largest = lib.round(lib.abs(vectors), decimals=6).argmax(1)[:, None, :]
    return vectors * (1.0 - 2.0 * (take_along(vectors, largest, 1) < 0))
