from typing import get_args

import numpy as np
import pytest
from rdkit import Chem

from graphium.config.data import ComputedLabel
from graphium.molecules import computed
from graphium.molecules.computed import compute_labels, level_of, unit_of

KINDS = get_args(ComputedLabel)


@pytest.mark.parametrize("kind", KINDS)
def test_there_is_one_label_for_each_atom_or_bond(kind):
    smiles = ["CCO", "C", "c1ccccc1C(=O)N", "[Na+].[Cl-]"]
    mols = [Chem.MolFromSmiles(text) for text in smiles]
    lengths = [mol.GetNumAtoms() if level_of(kind) == "node" else mol.GetNumBonds() for mol in mols]
    labels = compute_labels(kind, smiles)
    assert [len(label) for label in labels] == lengths
    assert all(label.dtype == np.float32 for label in labels)
    assert unit_of(kind) in {"e", "angstrom"}


@pytest.mark.parametrize("kind", KINDS)
def test_labels_are_the_same_again_and_whatever_else_is_computed(kind):
    alone = compute_labels(kind, ["CC(C)Cc1ccc(C)cc1"])[0]
    beside = compute_labels(kind, ["CCO", "CC(C)Cc1ccc(C)cc1"])[1]
    np.testing.assert_array_equal(alone, beside)


@pytest.mark.parametrize("kind", KINDS)
def test_a_row_without_molecule_has_no_labels(kind):
    assert compute_labels(kind, ["c1cccc1"]) == [None]


def test_charges_follow_electronegativity_and_add_up_with_hydrogens():
    (charges,) = compute_labels("gasteiger_charge", ["CCO"])
    assert charges[2] < -0.3 < charges[0] < charges[1]
    mol = Chem.AddHs(Chem.MolFromSmiles("CCO"))
    np.testing.assert_allclose(charges, computed.gasteiger_charges(mol)[:3], atol=0.05)
    assert computed.gasteiger_charges(mol).sum() == pytest.approx(0, abs=1e-5)


def test_charges_that_are_not_finite_are_missing():
    (charges,) = compute_labels("gasteiger_charge", ["CC[Hg]CC"])
    assert np.isnan(charges).any()
    assert not np.isinf(charges).any()


def test_bond_lengths_are_those_of_chemistry():
    (lengths,) = compute_labels("mmff_bond_length", ["CC=CC#N"])
    np.testing.assert_allclose(lengths, [1.49, 1.34, 1.43, 1.16], atol=0.025)


def test_equal_bonds_of_one_molecule_may_differ_so_that_inputs_do_not_give_them_away():
    (lengths,) = compute_labels("mmff_bond_length", ["CC(C)(C)C(=O)Nc1ccccc1"])
    single = lengths[:3]
    assert np.ptp(single) > 1e-4


@pytest.mark.parametrize("smiles", ["[Na]Cl", "C[Pt](C)(Cl)Cl", "C" * 65], ids=str)
def test_what_cannot_be_embedded_or_relaxed_has_no_bond_lengths(smiles):
    (lengths,) = compute_labels("mmff_bond_length", [smiles])
    assert np.isnan(lengths).all()


def test_long_chains_are_embedded_too():
    (lengths,) = compute_labels("mmff_bond_length", ["C" * 40])
    np.testing.assert_allclose(lengths, 1.53, atol=0.03)


def test_bonds_to_written_hydrogens_have_no_length():
    (lengths,) = compute_labels("mmff_bond_length", ["[2H]CC"])
    assert np.isnan(lengths).tolist() == [True, False]


def test_an_impossible_cage_is_missing_after_a_bounded_effort():
    (lengths,) = compute_labels("mmff_bond_length", ["C12C3C4C1C5C2C3C45.C1=CC=C1"])
    assert len(lengths) == 16
