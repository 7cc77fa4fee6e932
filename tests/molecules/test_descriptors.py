import math

import numpy as np
import pytest
from rdkit import Chem

from graphium.errors import DataError
from graphium.molecules import environments
from graphium.molecules.environments import atom_environments, bond_environments
from graphium.molecules.fingerprints import morgan
from graphium.molecules.pair_environments import pair_environments, pair_kinds

SMILES = ["CC(=O)Oc1ccccc1C(=O)O", "C", "[Na+].[Cl-]", "C[C@H](N)C#N"]


def test_fingerprints_of_equal_molecules_are_equal_and_of_others_are_not():
    first, second, third = morgan(["CCO", "OCC", "CCN"])
    np.testing.assert_array_equal(first, second)
    assert (first != third).any()
    assert set(np.unique(first)) == {0, 1}
    assert first.shape == (2048,)


def test_a_fingerprint_of_no_molecule_is_an_error():
    with pytest.raises(DataError, match="nonsense"):
        morgan(["CCO", "nonsense"])


def test_there_is_one_row_for_each_atom_and_bond():
    mols = [Chem.MolFromSmiles(smiles) for smiles in SMILES]
    atoms, bonds = atom_environments(SMILES), bond_environments(SMILES)
    assert len(atoms.values) == len(atoms.groups) == sum(mol.GetNumAtoms() for mol in mols)
    assert len(bonds.values) == len(bonds.groups) == sum(mol.GetNumBonds() for mol in mols)
    assert np.isfinite(atoms.values).all()
    assert np.isfinite(bonds.values).all()


def test_hydrogens_that_are_atoms_have_rows_too():
    mols = [Chem.AddHs(Chem.MolFromSmiles(smiles)) for smiles in SMILES]

    assert len(atom_environments(SMILES, hydrogens="explicit").groups) == sum(
        m.GetNumAtoms() for m in mols
    )
    assert len(bond_environments(SMILES, hydrogens="explicit").groups) == sum(
        m.GetNumBonds() for m in mols
    )
    kinds = pair_kinds(SMILES, "explicit")
    assert len(kinds) == sum(math.comb(m.GetNumAtoms(), 2) for m in mols)
    last = pair_environments(SMILES, np.array([0]), np.array([0]), hydrogens="explicit")
    assert last.shape == pair_environments(SMILES, np.array([0]), np.array([0])).shape


def test_pairs_that_are_alike_have_equal_rows_and_others_have_not():
    first, second = np.triu_indices(4, 1)  # of C-C-C-C
    smiles, molecule = ["N", "CCCC", "CO"], np.array([1] * 6)

    rows = pair_environments(smiles, molecule, np.arange(6))

    for one, other in (((0, 1), (2, 3)), ((0, 2), (1, 3))):
        places = [int(np.flatnonzero((first == a) & (second == b))[0]) for a, b in (one, other)]
        np.testing.assert_array_equal(*rows[places])
    assert len(np.unique(rows, axis=0)) == 4
    assert rows[:, 0].tolist() == [1, 2, 3, 1, 2, 1]


def test_pairs_of_several_molecules_are_described_in_any_order():
    smiles = ["CCO", "C1CC1N", "[Na+].[Cl-]"]
    molecule, place = np.array([2, 0, 1, 0, 1]), np.array([0, 2, 5, 0, 1])

    together = pair_environments(smiles, molecule, place)

    for row, (one, number) in zip(together, zip(molecule, place, strict=True), strict=True):
        alone = pair_environments([smiles[one]], np.array([0]), np.array([number]))
        np.testing.assert_array_equal(alone[0], row)


def test_rows_do_not_depend_on_the_chunks(monkeypatch):
    whole = atom_environments(SMILES), bond_environments(SMILES)
    monkeypatch.setattr(environments, "_CHUNK", 1)
    pieces = atom_environments(SMILES), bond_environments(SMILES)
    for one, other in zip(whole, pieces, strict=True):
        np.testing.assert_array_equal(one.values, other.values)
        np.testing.assert_array_equal(one.groups, other.groups)


def test_alike_atoms_have_equal_rows_and_others_have_not():
    values = atom_environments(["CCCC"]).values
    np.testing.assert_array_equal(values[0], values[3])
    np.testing.assert_array_equal(values[1], values[2])
    assert (values[0] != values[1]).any()


def test_an_atom_sees_what_is_two_bonds_away():
    near, far = atom_environments(["CCO"]).values[0], atom_environments(["CCCO"]).values[0]
    assert (near != far).any()


def test_a_bond_reads_the_same_in_both_directions():
    forward, backward = bond_environments(["CCO"]).values, bond_environments(["OCC"]).values
    np.testing.assert_allclose(forward[[1, 0]], backward, rtol=1e-6)


def test_groups_are_element_degree_and_hybridisation_or_type_and_ends():
    atoms = atom_environments(["CCO", "CC=O"]).groups
    assert atoms[0] == atoms[3]  # methyl
    assert len(set(atoms)) == 5
    bonds = bond_environments(["CCO", "OCC", "CC=O"]).groups
    assert bonds[0] == bonds[3] == bonds[4]
    assert bonds[1] == bonds[2]
    assert len(set(bonds)) == 3


def test_no_molecules_give_no_rows():
    assert len(atom_environments([]).values) == 0
    assert len(bond_environments(["C"]).values) == 0
