import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphium.graphs.encodings.laplacian import laplacian
from graphium.graphs.encodings.random_walk import random_walk

STEPS = 7
K = 5


@st.composite
def molecules(draw):
    """A list of (number of atoms, bonds); some have several components, some a single atom."""
    out = []
    for _ in range(draw(st.integers(1, 6))):
        size = draw(st.integers(1, 9))
        pairs = [(i, j) for j in range(size) for i in range(j)]
        out.append((size, draw(st.lists(st.sampled_from(pairs), unique=True)) if pairs else []))
    return out


def flat(molecules):
    num_atoms = np.array([size for size, _ in molecules], np.int32)
    num_bonds = np.array([len(bonds) for _, bonds in molecules], np.int32)
    ends = np.array([b for _, bonds in molecules for b in bonds], np.uint16).reshape(-1, 2)
    return num_atoms, num_bonds, ends


def adjacency_of(size, bonds):
    adjacency = np.zeros((size, size))
    for i, j in bonds:
        adjacency[i, j] = adjacency[j, i] = 1
    return adjacency


def components_of(adjacency):
    reach = np.linalg.matrix_power(adjacency + np.eye(len(adjacency)), len(adjacency)) > 0
    return [np.flatnonzero(row) for row in np.unique(reach, axis=0)]


@given(molecules())
@settings(max_examples=150, deadline=None)
def test_random_walk_equals_plain_powers_molecule_by_molecule(mols):
    expected = []
    for size, bonds in mols:
        adjacency = adjacency_of(size, bonds)
        degree = adjacency.sum(1)
        walk = adjacency / np.maximum(degree, 1)[:, None]
        powers = [np.linalg.matrix_power(walk, k) for k in range(1, STEPS + 1)]
        out = np.stack([np.diagonal(power) for power in powers], axis=1)
        out[degree == 0] = 1
        expected.append(out)

    got = random_walk(*flat(mols), STEPS)

    assert got.dtype == np.float32
    np.testing.assert_allclose(got, np.concatenate(expected), atol=2e-6)


@given(molecules())
@settings(max_examples=150, deadline=None)
def test_laplacian_spectra_and_eigenspaces_equal_a_plain_reference(mols):
    values, vectors = laplacian(*flat(mols), K)

    first = 0
    for size, bonds in mols:
        adjacency = adjacency_of(size, bonds)
        matrix = np.diag(adjacency.sum(1)) - adjacency
        for atoms in components_of(adjacency):
            part = matrix[np.ix_(atoms, atoms)]
            kept = min(K, len(atoms))
            spectrum = np.linalg.eigvalsh(part)[:kept]
            np.testing.assert_allclose(values[first + atoms, :kept] - spectrum, 0, atol=1e-5)
            assert (values[first + atoms, kept:] == 0).all()

            found = vectors[first + atoms].astype(np.float64)
            assert (found[:, kept:] == 0).all()
            found = found[:, :kept]
            np.testing.assert_allclose(found.T @ found, np.eye(kept), atol=1e-5)
            np.testing.assert_allclose(part @ found, found * spectrum, atol=1e-5)
        first += size


def test_projectors_of_a_symmetric_molecule_do_not_depend_on_its_neighbours_in_the_stack():
    ring = (6, [(i, (i + 1) % 6) for i in range(6)])
    chain = (6, [(i, i + 1) for i in range(5)])

    alone = laplacian(*flat([ring]), 6)[1].astype(np.float64)
    together = laplacian(*flat([chain, ring, chain]), 6)[1][6:12].astype(np.float64)

    for low, high in ((0, 1), (1, 3), (3, 5), (5, 6)):  # eigenspaces of benzene's ring
        np.testing.assert_allclose(
            alone[:, low:high] @ alone[:, low:high].T,
            together[:, low:high] @ together[:, low:high].T,
            atol=1e-6,
        )


def test_each_component_of_a_salt_is_encoded_as_if_it_stood_alone():
    ethanol, sodium = (3, [(0, 1), (1, 2)]), (1, [])
    salt = (5, [(1, 2), (2, 4)])  # the sodium atoms are 0 and 3

    walk = random_walk(*flat([salt]), 4)
    values, vectors = laplacian(*flat([salt]), 3)

    np.testing.assert_array_equal(walk[[1, 2, 4]], random_walk(*flat([ethanol]), 4))
    np.testing.assert_array_equal(walk[[0, 3]], np.ones((2, 4)))
    np.testing.assert_array_equal(values[[1, 2, 4]], laplacian(*flat([ethanol]), 3)[0])
    np.testing.assert_array_equal(vectors[[0, 3]], [[1, 0, 0], [1, 0, 0]])
    np.testing.assert_array_equal(laplacian(*flat([sodium]), 3)[1], [[1, 0, 0]])


def test_eigenvectors_have_their_largest_entry_positive():
    chain = (7, [(i, i + 1) for i in range(6)])

    vectors = laplacian(*flat([chain]), 7)[1]

    largest = np.abs(vectors).round(5).argmax(axis=0)
    assert (vectors[largest, np.arange(7)] > 0).all()


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_any_number_of_steps_has_its_own_width(steps):
    pair = (2, [(0, 1)])

    assert random_walk(*flat([pair]), steps).tolist() == [[0.0, 1.0, 0.0][:steps]] * 2


def test_no_molecules_give_no_rows():
    empty = np.empty(0, np.int32), np.empty(0, np.int32), np.empty((0, 2), np.uint16)

    assert random_walk(*empty, 4).shape == (0, 4)
    assert [x.shape for x in laplacian(*empty, 3)] == [(0, 3), (0, 3)]


def test_more_components_than_one_stack_holds_change_nothing(monkeypatch):
    chains = [(4, [(0, 1), (1, 2), (2, 3)])] * 50 + [(3, [(0, 1), (0, 2)])] * 20
    whole = random_walk(*flat(chains), 5)

    monkeypatch.setattr("graphium.graphs.encodings.stacks.BLOCK_ELEMENTS", 100)

    np.testing.assert_array_equal(random_walk(*flat(chains), 5), whole)
