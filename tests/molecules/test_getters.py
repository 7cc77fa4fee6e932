"""The getter path against RDKit's other ways of knowing the same things."""

import numpy as np
import pytest
from rdkit import Chem
from rdkit.Chem import rdMolDescriptors

from graphium.errors import DataError
from graphium.graphs.features import atom_features, bond_features
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.molecules import vocabulary
from graphium.molecules.getters import AtomRow, BondRow, molecule_rows, properties_of_chunk

MOLECULES = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "C[C@H](N)C(=O)O",
    "F/C=C/C#N",
    "C1CC2CC1CC2c1cc[nH]c1",
    "[13CH3][O-].[Na+]",
    "C12C3C4C1C5C2C3C45",  # cubane: more symmetric rings than independent ones
    "C1CCCCCCCCCCCCCCC1",
    "CS(=O)(=O)N",
    "[CH3]",
    "O=[N+]([O-])c1ccc2ccccc2c1",
]


@pytest.fixture(params=MOLECULES)
def mol(request):
    return Chem.MolFromSmiles(request.param)


def test_rows_have_the_columns_of_the_store():
    assert AtomRow._fields == ATOM_PROPERTIES
    assert BondRow._fields == BOND_PROPERTIES


def test_bond_counts_of_each_kind_add_up_to_the_degree_and_are_not_the_degree(mol):
    rows = molecule_rows(mol).atoms
    for atom, row in zip(mol.GetAtoms(), rows, strict=True):
        kinds = [bond.GetBondTypeAsDouble() for bond in atom.GetBonds()]
        assert row.degree == len(kinds)
        assert row.num_single_bonds == kinds.count(1.0)
        assert row.num_double_bonds == kinds.count(2.0)
        assert row.num_triple_bonds == kinds.count(3.0)
        assert row.num_aromatic_bonds == kinds.count(1.5)


def test_hydrogens_and_valences_agree_with_explicit_hydrogens(mol):
    full = Chem.AddHs(mol)
    for row, atom in zip(molecule_rows(mol).atoms, full.GetAtoms(), strict=False):
        assert row.explicit_hydrogens + row.implicit_hydrogens == sum(
            neighbour.GetAtomicNum() == 1 for neighbour in atom.GetNeighbors()
        )
        assert row.explicit_valence + row.implicit_valence == atom.GetTotalValence()


def test_ring_columns_agree_with_rdkit_ring_by_ring(mol):
    rings = mol.GetRingInfo()
    for index, row in enumerate(molecule_rows(mol).atoms):
        sizes = rings.AtomRingSizes(index)
        assert row.num_rings == len(sizes)
        assert (row.min_ring, row.max_ring) == (min(sizes, default=0), max(sizes, default=0))
        for bit in range(12):
            assert bool(row.ring_sizes >> bit & 1) == rings.IsAtomInRingOfSize(index, bit + 3)


def test_stereo_centres_and_double_bonds_have_their_codes():
    right, left = (
        molecule_rows(Chem.MolFromSmiles(s)).atoms[1] for s in ("C[C@@H](N)O", "C[C@H](N)O")
    )
    assert {right.cip_code, left.cip_code} == {1, 2}
    codes = {
        s: molecule_rows(Chem.MolFromSmiles(s)).bonds[1].stereo for s in ("F/C=C/F", "F/C=C\\F")
    }
    assert codes == {"F/C=C/F": 3, "F/C=C\\F": 2}


def test_ends_of_a_bond_are_in_order_of_their_elements():
    assert (
        molecule_rows(Chem.MolFromSmiles("OC")).bonds
        == molecule_rows(Chem.MolFromSmiles("CO")).bonds
    )


def test_codes_point_at_the_rows_and_tables_are_sorted_without_repeats():
    mols = [Chem.MolFromSmiles(smiles) for smiles in MOLECULES]
    block = properties_of_chunk(mols)
    rows = [row for mol in mols for row in molecule_rows(mol).atoms]
    np.testing.assert_array_equal(block.atom_table[block.atom_code], rows)
    table = [tuple(row) for row in block.atom_table.tolist()]
    assert table == sorted(set(table))
    bonds = [row for mol in mols for row in molecule_rows(mol).bonds]
    np.testing.assert_array_equal(block.bond_table[block.bond_code], bonds)


def test_a_chunk_with_too_many_distinct_atoms_is_an_error_not_a_wrap(monkeypatch):
    monkeypatch.setattr(vocabulary, "MAX_CODES", 3)
    with pytest.raises(DataError, match="distinct atoms or bonds"):
        properties_of_chunk([Chem.MolFromSmiles("CC(=O)NS")])


def test_features_of_a_real_molecule_read_as_rdkit_says():
    mol = Chem.MolFromSmiles("C[C@H]([NH3+])C#Cc1ccccc1Cl")
    block = properties_of_chunk([mol])
    atoms = atom_features(block.atom_table, ["triple-bond", "aromatic-bond", "formal-charge"])
    expected = [
        (
            sum(bond.GetBondType() == Chem.BondType.TRIPLE for bond in atom.GetBonds()),
            sum(bond.GetIsAromatic() for bond in atom.GetBonds()),
            atom.GetFormalCharge(),
        )
        for atom in mol.GetAtoms()
    ]
    np.testing.assert_array_equal(atoms[block.atom_code], expected)
    in_ring = bond_features(block.bond_table, ["in-ring"])[block.bond_code]
    assert in_ring.sum() == 6
    centres = rdMolDescriptors.CalcNumAtomStereoCenters(mol)
    chirality = atom_features(block.atom_table, ["chirality"])[block.atom_code]
    assert chirality[:, :2].sum() == centres
