from typing import get_args

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors, MACCSkeys, rdFingerprintGenerator

from graphium.config.data import ComputedLabel, ConformersConfig, FingerprintConfig
from graphium.errors import DataError
from graphium.graphs.levels import level_sizes
from graphium.molecules import computed
from graphium.molecules.computed import ComputeRequest, column_suffixes, compute, describe
from graphium.molecules.descriptors import descriptor_names

KINDS = get_args(ComputedLabel)
WIDE = [kind for kind in KINDS if describe(kind).is_wide]
LISTS = [kind for kind in KINDS if not describe(kind).is_wide]


def computed_of(kind, *smiles):
    """Return the labels of each molecule and the reasons of those that are missing."""
    found = compute(ComputeRequest((kind,), conformers=ConformersConfig()), smiles)
    return found.labels[kind], found.missing[kind]


def labels_of(kind, *smiles):
    return computed_of(kind, *smiles)[0]


@pytest.mark.parametrize("kind", LISTS)
def test_there_is_one_label_for_each_atom_bond_or_pair(kind):
    smiles = ["CCO", "C", "c1ccccc1C(=O)N", "[Na+].[Cl-]"]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    atoms, bonds = (
        np.array([size(mol) for mol in mols])
        for size in (Chem.Mol.GetNumAtoms, Chem.Mol.GetNumBonds)
    )
    lengths = level_sizes(describe(kind).level, atoms, bonds).tolist()
    labels = labels_of(kind, *smiles)
    assert [len(label) for label in labels] == lengths
    assert all(label.dtype == np.float32 for label in labels)
    assert describe(kind).unit in {"e", "angstrom"}


@pytest.mark.parametrize("kind", WIDE)
def test_there_is_one_row_for_each_molecule_and_one_name_for_each_column(kind):
    rows = labels_of(kind, "CCO", "[Na+].[Cl-]")
    names = column_suffixes(kind, FingerprintConfig())
    assert [row.shape for row in rows] == 2 * [(len(names),)]
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_same_again_and_whatever_else_is_computed(kind):
    smiles = "CC(C)Cc1ccc(C)cc1"
    (alone,) = labels_of(kind, smiles)
    request = ComputeRequest(tuple(reversed(KINDS)), conformers=ConformersConfig())
    beside = compute(request, ["CCO", smiles]).labels[kind][1]
    np.testing.assert_array_equal(alone, beside)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_molecule_is_an_error(kind):
    with pytest.raises(DataError, match=r"c1cccc1.*kekulize"):
        labels_of(kind, "c1cccc1")


def test_descriptors_are_those_of_rdkit():
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "C[C@H](N)C(=O)O"]
    rows = labels_of("descriptors", *smiles)
    names = descriptor_names()
    assert names.index("log1p_Ipc") == [name for name, _ in Descriptors.descList].index("Ipc")
    for row, text in zip(rows, smiles, strict=True):
        wanted = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text))
        wanted["log1p_Ipc"] = np.log1p(wanted.pop("Ipc"))
        expected = np.array([wanted[name] for name in names], np.float32)
        np.testing.assert_array_equal(row, expected)


def test_descriptors_that_are_not_finite_are_missing_and_counted():
    rows, missing = computed_of("descriptors", "CCO", "C[Pt](C)(Cl)Cl", "C" * 257)
    unknown = np.isnan(rows)
    assert not np.isinf(rows).any()
    assert unknown.any(axis=1).tolist() == [False, True, True]
    assert unknown.all(axis=1).tolist() == [False, False, True]
    assert missing == {"not_finite": 1, "too_big": 1}


def test_bits_are_those_of_rdkits_fingerprints():
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O"]
    options = FingerprintConfig(bits=512, radius=3)
    found = compute(ComputeRequest(("morgan_bits", "maccs_keys"), options), smiles).labels
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=512)
    for row, text in enumerate(smiles):
        mol = Chem.MolFromSmiles(text)
        morgan = list(generator.GetFingerprint(mol))
        assert found["morgan_bits"][row].tolist() == morgan
        keys = list(MACCSkeys.GenMACCSKeys(mol))
        assert [0, *found["maccs_keys"][row].tolist()] == keys


def test_charges_follow_electronegativity_and_add_up_with_hydrogens():
    (charges,) = labels_of("gasteiger_charge", "CCO")
    assert charges[2] < -0.3 < charges[0] < charges[1]
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    np.testing.assert_allclose(charges, computed.gasteiger_charges(mol)[:3], atol=0.05)
    assert computed.gasteiger_charges(mol).sum() == pytest.approx(0, abs=1e-5)


def test_charges_that_are_not_finite_are_missing_and_counted():
    charges, missing = computed_of("gasteiger_charge", "CC[Hg]CC", "CC")
    assert np.isnan(charges[0]).any()
    assert not np.isinf(charges[0]).any()
    assert missing == {"no_parameters": 1}


def test_bond_lengths_are_those_of_chemistry():
    (lengths,) = labels_of("mmff_bond_length", "CC=CC#N")
    np.testing.assert_allclose(lengths, [1.49, 1.34, 1.43, 1.16], atol=0.025)


def test_equal_bonds_of_one_molecule_may_differ_so_that_inputs_do_not_give_them_away():
    (lengths,) = labels_of("mmff_bond_length", "CC(C)(C)C(=O)Nc1ccccc1")
    single = lengths[:3]
    assert np.ptp(single) > 1e-4


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [("[Na]Cl", "no_parameters"), ("C[Pt](C)(Cl)Cl", "no_parameters"), ("C" * 65, "too_big")],
)
def test_what_cannot_be_embedded_or_relaxed_has_no_bond_lengths(smiles, reason):
    lengths, missing = computed_of("mmff_bond_length", smiles)
    assert np.isnan(lengths[0]).all()
    assert missing == {reason: 1}


def test_long_chains_are_embedded_too():
    (lengths,) = labels_of("mmff_bond_length", "C" * 40)
    np.testing.assert_allclose(lengths, 1.53, atol=0.03)


def test_bonds_to_written_hydrogens_have_no_length():
    (lengths,) = labels_of("mmff_bond_length", "[2H]CC")
    assert np.isnan(lengths).tolist() == [True, False]


def test_an_impossible_cage_is_missing_after_a_bounded_effort():
    (lengths,) = labels_of("mmff_bond_length", "C12C3C4C1C5C2C3C45.C1=CC=C1")
    assert len(lengths) == 16


def test_distances_are_those_of_the_conformer_pair_by_pair():
    found = compute(
        ComputeRequest(("conformer_distance",), conformers=ConformersConfig()), ["CCOC"]
    )
    (positions,), (labels,) = found.positions, found.labels["conformer_distance"]
    pairs = [(0, 1), (0, 2), (0, 3), (1, 2), (1, 3), (2, 3)]
    wanted = [np.linalg.norm(positions[i] - positions[j]) for i, j in pairs]
    np.testing.assert_allclose(labels, wanted, rtol=1e-6)


def test_fragments_have_no_distance_and_failed_conformers_none_at_all():
    labels, missing = computed_of("conformer_distance", "CC.[Na+]", "C1=C2C3=C1C23")
    assert np.isnan(labels[0]).tolist() == [False, True, True]
    assert len(labels[1]) == 10
    assert np.isnan(labels[1]).all()
    assert missing == {"no_conformer": 1}
