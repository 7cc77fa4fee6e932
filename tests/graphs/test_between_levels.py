"""Transfers between levels equal plain loops over atoms, bonds and pairs, and are always finite."""

import numpy as np
import pytest
from hypothesis import given, settings
from plain_encodings import adjacency_of, molecules_of, path_lengths, random_graphs, statistics_of

from graphium.graphs.encodings import between_levels as levels

K = 2
QUICK = settings(max_examples=50, deadline=None)


def draw(rows, seed=0):
    return np.random.default_rng(seed).normal(size=(rows, K))


def both(first, second):
    return np.concatenate([first + second, abs(first - second)])


def summed_up(rows):
    return statistics_of(np.array(rows)) if len(rows) else np.zeros(4 * K)


def split(values, lengths):
    return np.split(values, np.cumsum(lengths)[:-1])


def assert_rows(got, expected):
    assert np.isfinite(got).all()
    if len(expected):
        np.testing.assert_allclose(got, np.array(expected), atol=1e-12)
    assert len(got) == len(expected)


def pieces(graphs, level):
    """Values of a level, whole and by molecule; pairs as [n, n, K]."""
    lengths = {
        "node": [size for size, _ in graphs],
        "edge": [len(bonds) for _, bonds in graphs],
        "nodepair": [size**2 for size, _ in graphs],
        "graph": [1] * len(graphs),
    }[level]
    values = draw(sum(lengths))
    parts = split(values, lengths)
    if level == "nodepair":
        parts = [one.reshape(size, size, K) for one, (size, _) in zip(parts, graphs, strict=True)]
    return values, list(zip(graphs, parts, strict=True))


@given(random_graphs())
@QUICK
def test_values_of_atoms_reach_bonds_pairs_and_molecules(graphs):
    molecules = molecules_of(graphs)
    values, parts = pieces(graphs, "node")

    assert_rows(
        levels.node_to_edge(values, molecules),
        [both(x[i], x[j]) for (_, bonds), x in parts for i, j in bonds],
    )
    assert_rows(
        levels.node_to_nodepair(values, molecules),
        [both(x[i], x[j]) for (size, _), x in parts for i in range(size) for j in range(size)],
    )
    assert_rows(levels.node_to_graph(values, molecules), [summed_up(x) for _, x in parts])


@given(random_graphs())
@QUICK
def test_values_of_bonds_reach_atoms_pairs_and_molecules(graphs):
    molecules = molecules_of(graphs)
    values, parts = pieces(graphs, "edge")
    at_pairs = []
    for (size, bonds), x in parts:
        matrix = np.zeros((size, size, K))
        for (i, j), one in zip(bonds, x, strict=True):
            matrix[i, j] = matrix[j, i] = one
        at_pairs.extend(matrix.reshape(-1, K))

    assert_rows(
        levels.edge_to_node(values, molecules),
        [
            summed_up([one for bond, one in zip(bonds, x, strict=True) if atom in bond])
            for (size, bonds), x in parts
            for atom in range(size)
        ],
    )
    assert_rows(levels.edge_to_nodepair(values, molecules), at_pairs)
    assert_rows(levels.edge_to_graph(values, molecules), [summed_up(x) for _, x in parts])


@given(random_graphs())
@QUICK
def test_values_of_pairs_reach_atoms_bonds_and_molecules(graphs):
    molecules = molecules_of(graphs)
    values, parts = pieces(graphs, "nodepair")
    at_atoms, at_molecules = [], []
    for graph, x in parts:
        is_near = path_lengths(adjacency_of(*graph)) >= 0
        for atom, near in enumerate(is_near):
            at_atoms.append(np.concatenate([summed_up(x[atom, near]), summed_up(x[near, atom])]))
        at_molecules.append(summed_up(x[is_near]))

    assert_rows(levels.nodepair_to_node(values, molecules), at_atoms)
    assert_rows(
        levels.nodepair_to_edge(values, molecules),
        [both(x[i, j], x[j, i]) for (_, bonds), x in parts for i, j in bonds],
    )
    assert_rows(levels.nodepair_to_graph(values, molecules), at_molecules)


@given(random_graphs())
@QUICK
def test_values_of_molecules_reach_atoms_bonds_and_pairs(graphs):
    molecules = molecules_of(graphs)
    values, parts = pieces(graphs, "graph")

    for transfer, count in (
        (levels.graph_to_node, lambda size, _: size),
        (levels.graph_to_edge, lambda _, bonds: len(bonds)),
        (levels.graph_to_nodepair, lambda size, _: size**2),
    ):
        expected = [x[0] for graph, x in parts for _ in range(count(*graph))]
        assert_rows(transfer(values, molecules), expected)


@pytest.mark.parametrize("graphs", [[], [(1, [])], [(2, []), (1, [])]])
@pytest.mark.parametrize(
    "name", [name for name in dir(levels) if "_to_" in name and name[0] in "neg"]
)
def test_single_atoms_and_molecules_without_bonds_are_finite(name, graphs):
    source = name.split("_")[0]
    values, _ = pieces(graphs, source) if graphs else (np.empty((0, K)), [])

    got = getattr(levels, name)(values, molecules_of(graphs))

    assert np.isfinite(got).all()
    assert got.shape[1] % K == 0
