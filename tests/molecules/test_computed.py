from typing import get_args

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import Descriptors, MACCSkeys, rdFingerprintGenerator

from graphium.config.data import ComputedLabel, FingerprintConfig
from graphium.errors import DataError
from graphium.molecules import computed
from graphium.molecules.computed import column_suffixes, compute_labels, describe
from graphium.molecules.descriptors import descriptor_names

KINDS = get_args(ComputedLabel)
WIDE = [kind for kind in KINDS if describe(kind).is_wide]
LISTS = [kind for kind in KINDS if not describe(kind).is_wide]


def lists(kind, *smiles):
    return compute_labels([kind], smiles)[kind].lists


def values(kind, *smiles):
    found = compute_labels([kind], smiles)[kind]
    return found.wide if found.lists is None else np.concatenate(found.lists)


@pytest.mark.parametrize("kind", LISTS)
def test_there_is_one_label_for_each_atom_or_bond(kind):
    smiles = ["CCO", "C", "c1ccccc1C(=O)N", "[Na+].[Cl-]"]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    level = describe(kind).level
    lengths = [mol.GetNumAtoms() if level == "node" else mol.GetNumBonds() for mol in mols]
    labels = lists(kind, *smiles)
    assert [len(label) for label in labels] == lengths
    assert all(label.dtype == np.float32 for label in labels)
    assert describe(kind).unit in {"e", "angstrom"}


@pytest.mark.parametrize("kind", WIDE)
def test_there_is_one_row_for_each_molecule_and_one_name_for_each_column(kind):
    wide = values(kind, "CCO", "[Na+].[Cl-]")
    names = column_suffixes(kind, FingerprintConfig())
    assert wide.shape == (2, len(names))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_same_again_and_whatever_else_is_computed(kind):
    mol = "CC(C)Cc1ccc(C)cc1"
    size = len(values(kind, mol))
    beside = compute_labels(list(reversed(KINDS)), ["CCO", mol])[kind]
    flat = beside.wide if beside.lists is None else np.concatenate(beside.lists)
    np.testing.assert_array_equal(values(kind, mol), flat[-size:])


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_molecule_is_an_error(kind):
    with pytest.raises(DataError, match=r"c1cccc1.*kekulize"):
        compute_labels([kind], ["c1cccc1"])


def test_descriptors_are_those_of_rdkit():
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "C[C@H](N)C(=O)O"]
    wide = values("descriptors", *smiles)
    names = descriptor_names()
    assert names.index("log1p_Ipc") == [name for name, _ in Descriptors.descList].index("Ipc")
    for row, text in zip(wide, smiles, strict=True):
        wanted = Descriptors.CalcMolDescriptors(Chem.MolFromSmiles(text))
        wanted["log1p_Ipc"] = np.log1p(wanted.pop("Ipc"))
        expected = np.array([wanted[name] for name in names], np.float32)
        np.testing.assert_array_equal(row, expected)


def test_descriptors_that_are_not_finite_are_missing_and_counted():
    found = compute_labels(["descriptors"], ["CCO", "C[Pt](C)(Cl)Cl", "C" * 257])["descriptors"]
    unknown = np.isnan(found.wide)
    assert not np.isinf(found.wide).any()
    assert unknown.any(axis=1).tolist() == [False, True, True]
    assert unknown.all(axis=1).tolist() == [False, False, True]
    assert found.missing == {"not_finite": 1, "too_big": 1}


def test_bits_are_those_of_rdkits_fingerprints():
    smiles = ["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O"]
    choice = FingerprintConfig(bits=512, radius=3)
    found = compute_labels(["morgan_bits", "maccs_keys"], smiles, choice)
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=3, fpSize=512)
    for row, text in enumerate(smiles):
        mol = Chem.MolFromSmiles(text)
        morgan = list(generator.GetFingerprint(mol))
        assert found["morgan_bits"].wide[row].tolist() == morgan
        keys = list(MACCSkeys.GenMACCSKeys(mol))
        assert [0, *found["maccs_keys"].wide[row].tolist()] == keys


def test_charges_follow_electronegativity_and_add_up_with_hydrogens():
    (charges,) = lists("gasteiger_charge", "CCO")
    assert charges[2] < -0.3 < charges[0] < charges[1]
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    np.testing.assert_allclose(charges, computed.gasteiger_charges(mol)[:3], atol=0.05)
    assert computed.gasteiger_charges(mol).sum() == pytest.approx(0, abs=1e-5)


def test_charges_that_are_not_finite_are_missing_and_counted():
    found = compute_labels(["gasteiger_charge"], ["CC[Hg]CC", "CC"])["gasteiger_charge"]
    assert np.isnan(found.lists[0]).any()
    assert not np.isinf(found.lists[0]).any()
    assert found.missing == {"no_parameters": 1}


def test_bond_lengths_are_those_of_chemistry():
    (lengths,) = lists("mmff_bond_length", "CC=CC#N")
    np.testing.assert_allclose(lengths, [1.49, 1.34, 1.43, 1.16], atol=0.025)


def test_equal_bonds_of_one_molecule_may_differ_so_that_inputs_do_not_give_them_away():
    (lengths,) = lists("mmff_bond_length", "CC(C)(C)C(=O)Nc1ccccc1")
    single = lengths[:3]
    assert np.ptp(single) > 1e-4


@pytest.mark.parametrize(
    ("smiles", "reason"),
    [("[Na]Cl", "no_parameters"), ("C[Pt](C)(Cl)Cl", "no_parameters"), ("C" * 65, "too_big")],
)
def test_what_cannot_be_embedded_or_relaxed_has_no_bond_lengths(smiles, reason):
    found = compute_labels(["mmff_bond_length"], [smiles])["mmff_bond_length"]
    assert np.isnan(found.lists[0]).all()
    assert found.missing == {reason: 1}


def test_long_chains_are_embedded_too():
    (lengths,) = lists("mmff_bond_length", "C" * 40)
    np.testing.assert_allclose(lengths, 1.53, atol=0.03)


def test_bonds_to_written_hydrogens_have_no_length():
    (lengths,) = lists("mmff_bond_length", "[2H]CC")
    assert np.isnan(lengths).tolist() == [True, False]


def test_an_impossible_cage_is_missing_after_a_bounded_effort():
    (lengths,) = lists("mmff_bond_length", "C12C3C4C1C5C2C3C45.C1=CC=C1")
    assert len(lengths) == 16
