"""Eigenpairs of Laplacians, compared as spaces where eigenvalues are equal."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_encodings import (
    adjacency_of,
    components_of,
    laplacian_of,
    molecules_of,
    random_graphs,
    real_graphs,
)
from torch_geometric.data import Data
from torch_geometric.transforms import AddLaplacianEigenvectorPE, AddRandomWalkPE

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.flat import graph_eigenvalues

K = 5
NORMALIZATIONS = ("none", "symmetric", "random_walk")


def eigenpairs(graphs, k=K, normalization="none", level="node"):
    laplacian = {"k": k, "normalization": normalization, "level": level}
    chosen = {"encodings": {"random_walk": None, "laplacian": laplacian}}
    return encode(molecules_of(graphs), FeaturesConfig.model_validate(chosen))


def matrix_of(adjacency, normalization):
    laplacian, degree = laplacian_of(adjacency), np.maximum(adjacency.sum(1), 1)
    match normalization:
        case "none":
            return laplacian
        case "symmetric":
            return laplacian / np.sqrt(degree[:, None] * degree)
        case "random_walk":
            return laplacian / degree[:, None]


def spaces(spectrum):
    """Yield where runs of equal eigenvalues begin and end."""
    bounds = [0, *(np.flatnonzero(np.diff(spectrum) > 1e-4) + 1), len(spectrum)]
    return list(pairwise(bounds))


def assert_eigenpairs_are_plain(graphs, normalization):
    atoms = eigenpairs(graphs, K, normalization).atoms
    values, vectors = atoms["laplacian_values"], atoms["laplacian_vectors"]

    assert values.dtype == vectors.dtype == np.float32
    first = 0
    for size, bonds in graphs:
        adjacency = adjacency_of(size, bonds)
        for place in components_of(adjacency):
            part = matrix_of(adjacency[np.ix_(place, place)], normalization)
            kept = min(K, len(place))
            spectrum = np.sort(np.linalg.eigvals(part).real)
            np.testing.assert_allclose(values[first + place, :kept] - spectrum[:kept], 0, atol=2e-5)
            assert (values[first + place, kept:] == 0).all()

            found = vectors[first + place].astype(np.float64)
            assert (found[:, kept:] == 0).all()
            found = found[:, :kept]
            np.testing.assert_allclose(np.linalg.norm(found, axis=0), 1, atol=1e-5)
            np.testing.assert_allclose(part @ found, found * spectrum[:kept], atol=2e-5)
            if normalization != "random_walk":  # not orthogonal, but independent
                np.testing.assert_allclose(found.T @ found, np.eye(kept), atol=1e-5)
            assert np.linalg.matrix_rank(found, tol=1e-3) == kept
            largest = np.abs(found).round(5).argmax(axis=0)
            assert (found[largest, np.arange(kept)] > 0).all()
        first += size


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(graphs=random_graphs())
@settings(max_examples=60, deadline=None)
def test_spectra_and_eigenspaces_equal_a_plain_reference(normalization, graphs):
    assert_eigenpairs_are_plain(graphs, normalization)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_spectra_and_eigenspaces_of_real_molecules_equal_a_plain_reference(normalization):
    assert_eigenpairs_are_plain(real_graphs(), normalization)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
@given(graphs=random_graphs(1), seed=st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_renumbering_the_atoms_renumbers_projectors_on_eigenspaces(normalization, graphs, seed):
    ((size, bonds),) = graphs
    order = np.random.default_rng(seed).permutation(size)
    renumbered = [(size, [(int(order[i]), int(order[j])) for i, j in bonds])]

    before = eigenpairs(graphs, size, normalization).atoms
    after = eigenpairs(renumbered, size, normalization).atoms

    np.testing.assert_allclose(
        after["laplacian_values"][order], before["laplacian_values"], atol=2e-5
    )
    for place in components_of(adjacency_of(size, bonds)):
        spectrum = before["laplacian_values"][place[0], : len(place)]
        for low, high in spaces(spectrum):
            one = before["laplacian_vectors"][place, low:high].astype(np.float64)
            other = after["laplacian_vectors"][order[place], low:high].astype(np.float64)
            np.testing.assert_allclose(
                one @ np.linalg.pinv(one), other @ np.linalg.pinv(other), atol=1e-3
            )


def test_projectors_of_a_symmetric_molecule_do_not_depend_on_its_neighbours_in_the_stack():
    ring = (6, [(i, (i + 1) % 6) for i in range(6)])
    chain = (6, [(i, i + 1) for i in range(5)])

    alone = eigenpairs([ring], 6).atoms["laplacian_vectors"].astype(np.float64)
    together = eigenpairs([chain, ring, chain], 6).atoms["laplacian_vectors"][6:12]
    together = together.astype(np.float64)

    for low, high in ((0, 1), (1, 3), (3, 5), (5, 6)):  # eigenspaces of benzene's ring
        np.testing.assert_allclose(
            alone[:, low:high] @ alone[:, low:high].T,
            together[:, low:high] @ together[:, low:high].T,
            atol=1e-6,
        )


def test_each_normalization_of_a_connected_molecule_has_its_own_eigenvalues():
    toluene = (7, [(i, (i + 1) % 6) for i in range(6)] + [(0, 6)])

    none, symmetric, walk = (
        eigenpairs([toluene], 7, one).atoms["laplacian_values"][0] for one in NORMALIZATIONS
    )

    assert none[-1] > 4 > 2 >= symmetric[-1]
    np.testing.assert_allclose(symmetric, walk, atol=1e-6)


@pytest.mark.parametrize("normalization", NORMALIZATIONS)
def test_what_a_bond_is_told_does_not_depend_on_signs_or_on_its_direction(normalization):
    graphs = real_graphs()
    atoms = eigenpairs(graphs, K, normalization).atoms
    molecules = molecules_of(graphs)
    first, second = (atoms["laplacian_vectors"][end] for end in (molecules.begin, molecules.end))
    values = atoms["laplacian_values"][molecules.begin]

    bonds = eigenpairs(graphs, K, normalization, "edge").bonds["laplacian"]

    expected = np.concatenate([values, abs(first + second), abs(first - second)], axis=1)
    np.testing.assert_allclose(bonds, expected, atol=1e-6)


@given(graphs=random_graphs())
@settings(max_examples=60, deadline=None)
def test_the_eigenvalues_of_a_molecule_are_those_of_its_components_together(graphs):
    got = graph_eigenvalues(molecules_of(graphs), K)

    expected = np.zeros((len(graphs), K))
    for row, graph in zip(expected, graphs, strict=True):
        spectrum = np.linalg.eigvalsh(laplacian_of(adjacency_of(*graph)))[:K]
        row[: len(spectrum)] = spectrum
    np.testing.assert_allclose(got, expected, atol=2e-5)


def as_pyg(size, bonds):
    forth = torch.tensor(bonds, dtype=torch.int64).reshape(-1, 2).T
    return Data(edge_index=torch.cat([forth, forth.flip(0)], 1), num_nodes=size)


def connected_real_graphs():
    graphs = [one for one in real_graphs() if len(components_of(adjacency_of(*one))) == 1]
    return [one for one in graphs if one[0] > K + 2]


def test_random_walks_equal_those_of_torch_geometric():
    graphs = connected_real_graphs()
    expected = [AddRandomWalkPE(6, attr_name="pe")(as_pyg(*graph)).pe.numpy() for graph in graphs]
    chosen = {"encodings": {"random_walk": {"steps": 6}, "laplacian": None}}

    got = encode(molecules_of(graphs), FeaturesConfig.model_validate(chosen)).atoms["random_walk"]

    np.testing.assert_allclose(got, np.concatenate(expected), atol=1e-5)


def test_symmetric_eigenvectors_equal_those_of_torch_geometric_where_eigenvalues_differ():
    graphs = connected_real_graphs()
    got = eigenpairs(graphs, K + 1, "symmetric").atoms
    first = compared = 0
    for graph in graphs:
        size = graph[0]
        place = slice(first, first + size)
        first += size
        spectrum = np.append(got["laplacian_values"][place][0], np.inf)
        theirs = AddLaplacianEigenvectorPE(K, attr_name="pe")(as_pyg(*graph)).pe.numpy()
        for k in range(1, K):
            if np.diff(spectrum)[k - 1 : k + 1].min() > 1e-3:
                ours = got["laplacian_vectors"][place, k]
                assert abs(abs(ours @ theirs[:, k - 1]) - 1) < 1e-4
                compared += 1

    assert compared > 30
