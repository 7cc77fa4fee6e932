"""Every encoding equals its definition, molecule by molecule, whatever stands beside it."""

import numpy as np
import pytest
from hypothesis import given, settings
from plain_encodings import (
    CLOSE,
    FARTHEST,
    PAIRS,
    adjacency_of,
    assert_atoms_are_plain,
    assert_bonds_are_plain,
    assert_pairs_are_plain,
    features_of,
    molecules_of,
    options_of,
    random_graphs,
    real_graphs,
    transitions,
)

from graphium.config.encodings import (
    RandomWalkConfig,
)
from graphium.graphs.encodings.compute import encode

QUICK = settings(max_examples=40, deadline=None)


@pytest.mark.parametrize("name", PAIRS)
@given(graphs=random_graphs())
@QUICK
def test_pairs_of_atoms_have_the_values_of_the_definition(name, graphs):
    assert_pairs_are_plain(name, graphs)


@pytest.mark.parametrize("name", PAIRS)
@given(graphs=random_graphs())
@QUICK
def test_an_atom_has_the_statistics_of_its_pairs(name, graphs):
    assert_atoms_are_plain(name, graphs)


@pytest.mark.parametrize("name", [name for name in PAIRS if name != "shortest_path"])
@given(graphs=random_graphs())
@QUICK
def test_a_bond_has_the_values_of_its_pair(name, graphs):
    assert_bonds_are_plain(name, graphs)


@pytest.mark.parametrize("name", PAIRS)
def test_all_levels_follow_the_definition_on_real_molecules(name):
    graphs = real_graphs()

    assert_pairs_are_plain(name, graphs)
    assert_atoms_are_plain(name, graphs)
    if name != "shortest_path":
        assert_bonds_are_plain(name, graphs)


def test_a_bond_has_the_distances_of_its_ends_since_its_own_is_always_1():
    graphs = real_graphs()
    options = {"shortest_path": {"max_distance": FARTHEST}}
    molecules = molecules_of(graphs)
    ends = encode(molecules, features_of("node", **options)).atoms["shortest_path"]
    first, second = ends[molecules.begin], ends[molecules.end]

    bonds = encode(molecules, features_of("edge", **options)).bonds["shortest_path"]

    expected = np.concatenate([first + second, abs(first - second)], axis=1)
    np.testing.assert_allclose(bonds, expected, **CLOSE)


@given(random_graphs())
@QUICK
def test_return_probabilities_are_the_diagonal_of_transitions(graphs):
    features = features_of("node", random_walk={"steps": 7})
    expected = [
        np.stack([np.diagonal(power) for power in np.moveaxis(transitions(a, 7), 2, 0)], axis=1)
        for a in (adjacency_of(*graph) for graph in graphs)
    ]

    got = encode(molecules_of(graphs), features).atoms["random_walk"]

    np.testing.assert_allclose(got, np.concatenate(expected), atol=2e-6)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_any_number_of_steps_has_its_own_width(steps):
    pair = molecules_of([(2, [(0, 1)])])

    got = encode(pair, features_of("node", random_walk={"steps": steps})).atoms["random_walk"]

    assert got.tolist() == [[0.0, 1.0, 0.0][:steps]] * 2


ALL_KINDS = {
    "random_walk": options_of(RandomWalkConfig(steps=4)),
    **{name: options_of(config) for name, (config, _) in PAIRS.items()},
}


@given(graphs=random_graphs(1))
@QUICK
def test_renumbering_the_atoms_renumbers_what_they_are_told(graphs):
    ((size, bonds),) = graphs
    order = np.random.default_rng(len(bonds)).permutation(size)
    renumbered = [(size, [(int(order[i]), int(order[j])) for i, j in bonds[::-1]])]

    before = encode(molecules_of(graphs), features_of("node", **ALL_KINDS)).atoms
    after = encode(molecules_of(renumbered), features_of("node", **ALL_KINDS)).atoms
    bonds_before = encode(molecules_of(graphs), features_of("edge", **ALL_KINDS)).bonds
    bonds_after = encode(molecules_of(renumbered), features_of("edge", **ALL_KINDS)).bonds

    for name in ALL_KINDS:
        np.testing.assert_allclose(after[name][order], before[name], **CLOSE)
        np.testing.assert_allclose(bonds_after[name][::-1], bonds_before[name], **CLOSE)


@pytest.mark.parametrize("level", ["node", "edge"])
def test_each_component_of_a_salt_is_encoded_as_if_it_stood_alone(level):
    ethanol, sodium = (3, [(0, 1), (1, 2)]), (1, [])
    salt = (5, [(1, 2), (2, 4)])  # the sodium atoms are 0 and 3
    features = features_of(level, **ALL_KINDS, laplacian={"k": 3})

    of_salt, alone, of_sodium = (
        encode(molecules_of([one]), features) for one in (salt, ethanol, sodium)
    )

    for name, values in of_salt.atoms.items():
        np.testing.assert_allclose(values[[1, 2, 4]], alone.atoms[name], atol=1e-6)
        np.testing.assert_allclose(values[[0, 3]], of_sodium.atoms[name][[0, 0]])
    for name, values in of_salt.bonds.items():
        np.testing.assert_allclose(values, alone.bonds[name], atol=1e-6)


@pytest.mark.parametrize("level", ["node", "edge"])
@pytest.mark.parametrize("graphs", [[], [(1, [])], [(1, []), (1, [])]])
def test_no_molecules_and_molecules_without_bonds_have_finite_values_of_full_width(level, graphs):
    features = features_of(level, **ALL_KINDS, laplacian={"k": 3})

    encoded = encode(molecules_of(graphs), features)

    rows = len(graphs) if level == "node" else 0
    values = {**encoded.atoms, **encoded.bonds}
    assert len(values) == len(ALL_KINDS) + (2 if level == "node" else 1)
    for one in values.values():
        assert one.shape[0] == rows
        assert one.shape[1] > 0
        assert np.isfinite(one).all()


@pytest.mark.parametrize("level", ["node", "edge"])
def test_more_components_than_one_stack_holds_change_nothing(monkeypatch, level):
    molecules = molecules_of(real_graphs())
    features = features_of(level, **ALL_KINDS)
    whole = encode(molecules, features)

    monkeypatch.setattr("graphium.graphs.encodings.stacks.BLOCK_ELEMENTS", 100)

    pieces = encode(molecules, features)
    for name in ALL_KINDS:
        one, other = (getattr(e, "atoms" if level == "node" else "bonds") for e in (whole, pieces))
        np.testing.assert_allclose(other[name], one[name], rtol=1e-5, atol=1e-6)
