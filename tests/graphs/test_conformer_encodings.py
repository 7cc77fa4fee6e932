"""What atoms and bonds read of coordinates: the formulas, and that turning changes nothing."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem
from scipy.spatial.transform import Rotation

from graphium.batching.pack import pack_block
from graphium.config.data import ConformersConfig
from graphium.config.features import FeaturesConfig
from graphium.errors import DataError
from graphium.graphs.encodings.conformer import bond_lengths, distance_kernels
from graphium.molecules.featurize import featurize_chunk
from graphium.store.blocks import select_molecules

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].CC", "C1=C2C3=C1C23", "CCO", "N#N", "O"]
IMPOSSIBLE = 3
FEATURES = FeaturesConfig.model_validate(
    {
        "bonds": ["bond-type", "conformer-bond-length"],
        "encodings": {"conformer": {"num_kernels": 5, "cutoff": 4.0}},
    }
)
BLOCK = featurize_chunk(SMILES, conformers=ConformersConfig()).block


def plain_kernels(positions, fragments, num_kernels, cutoff):
    """One molecule, one pair of atoms and one kernel at a time."""
    out = np.zeros((len(positions), num_kernels))
    spread = cutoff / (num_kernels - 1)
    for i, here in enumerate(positions):
        for j, there in enumerate(positions):
            distance = np.linalg.norm(np.float64(here) - there)
            if i == j or fragments[i] != fragments[j] or not distance < cutoff:
                continue
            fade = (1 + np.cos(np.pi * distance / cutoff)) / 2
            for k in range(num_kernels):
                out[i, k] += fade * np.exp(-((distance - k * spread) ** 2) / (2 * spread**2))
    return out


def test_distance_kernels_are_their_formula():
    found = distance_kernels(BLOCK, 5, 4.0)
    starts = BLOCK.atom_offsets()
    for molecule, text in enumerate(SMILES):
        atoms = slice(starts[molecule], starts[molecule + 1])
        fragments = np.zeros(BLOCK.num_atoms[molecule], int)
        for number, members in enumerate(Chem.GetMolFrags(Chem.MolFromSmiles(text))):
            fragments[list(members)] = number
        wanted = plain_kernels(BLOCK.positions[atoms], fragments, 5, 4.0)
        np.testing.assert_allclose(found[atoms], wanted, atol=1e-5)
    assert found.max() > 1


def test_bond_lengths_are_distances_and_zero_without_coordinates():
    lengths = bond_lengths(BLOCK)
    starts, bonds = BLOCK.atom_offsets(), BLOCK.bond_offsets()
    for molecule, num_bonds in enumerate(BLOCK.num_bonds):
        at = BLOCK.positions[starts[molecule] :]
        for bond in range(bonds[molecule], bonds[molecule] + num_bonds):
            begin, end = BLOCK.bond_ends[bond]
            wanted = 0 if molecule == IMPOSSIBLE else np.linalg.norm(at[begin] - at[end])
            assert lengths[bond, 0] == pytest.approx(wanted, rel=1e-5)


@given(st.integers(0, 2**31), st.lists(st.floats(-9, 9), min_size=3, max_size=3))
@settings(max_examples=25, deadline=None)
def test_turning_and_moving_a_molecule_changes_nothing(seed, shift):
    turn = Rotation.random(random_state=seed).as_matrix()
    turned = (BLOCK.positions @ turn.T + shift).astype(np.float32)
    before = pack_block(BLOCK, FEATURES)
    after = pack_block(replace(BLOCK, positions=turned), FEATURES)
    np.testing.assert_allclose(
        after.encodings["conformer"], before.encodings["conformer"], atol=1e-4
    )
    np.testing.assert_allclose(
        after.bond_encodings["conformer_bond_length"],
        before.bond_encodings["conformer_bond_length"],
        atol=1e-4,
    )


def test_a_molecule_reads_the_same_alone_and_among_others():
    together = pack_block(BLOCK, FEATURES)
    starts, bonds = BLOCK.atom_offsets(), BLOCK.bond_offsets()
    for molecule in range(BLOCK.num_molecules):
        alone = pack_block(select_molecules(BLOCK, np.array([molecule])), FEATURES)
        atoms = slice(starts[molecule], starts[molecule + 1])
        np.testing.assert_array_equal(
            alone.encodings["conformer"], together.encodings["conformer"][atoms]
        )
        np.testing.assert_array_equal(
            alone.bond_encodings["conformer_bond_length"],
            together.bond_encodings["conformer_bond_length"][bonds[molecule] : bonds[molecule + 1]],
        )


def test_everything_is_finite_also_without_coordinates():
    packed = pack_block(BLOCK, FEATURES)
    nothing = np.isnan(BLOCK.positions).any(axis=1)
    assert nothing.sum() == BLOCK.num_atoms[IMPOSSIBLE]
    assert np.isfinite(packed.encodings["conformer"]).all()
    assert (packed.encodings["conformer"][nothing] == 0).all()


def test_without_coordinates_the_remedy_is_named():
    with pytest.raises(DataError, match=r"need coordinates.*conformers: \{kind: etkdg\}"):
        pack_block(replace(BLOCK, positions=None), FEATURES)


def test_other_features_of_bonds_stay_as_they_are():
    plain = FEATURES.model_copy(update={"bonds": ["bond-type"]})
    np.testing.assert_array_equal(
        pack_block(BLOCK, FEATURES).bond_table, pack_block(BLOCK, plain).bond_table
    )
