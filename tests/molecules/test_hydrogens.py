import numpy as np
import pytest
from rdkit import Chem

from graphium.graphs.mol_block import RowStatus
from graphium.graphs.properties import ATOM_PROPERTIES
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.getters import properties_of_chunk
from graphium.molecules.identity import join_key, split_key
from graphium.molecules.parse import MAX_ATOMS, parse_smiles

SMILES = [
    "C",
    "[H]C([H])([H])[H]",
    "[2H]C([H])O",
    "[H][H]",
    "[H-].[Na+]",
    "[H+].[Cl-]",
    "[H]*",
    "*C",
    "[H]/N=C/C",
    "[H][C@](F)(Cl)Br",
    "c1cc[nH]c1",
    "[H]n1cccc1",
    "[H][N+]([H])([H])[H].[Cl-]",
    "[CH2]C",
    "[Fe]",
    "CCO.CCN",
    "[H]CCO.CCN[H]",
    "O=C(O)CC.OC(=O)[H]",
]


@pytest.mark.parametrize(("hydrogens", "atoms"), [("implicit", 2), ("written", 3), ("explicit", 6)])
def test_the_option_says_which_hydrogens_are_atoms(hydrogens, atoms):
    mol = parse_smiles("[H]CO", hydrogens)

    assert mol.GetNumAtoms() == atoms
    assert Chem.MolToSmiles(Chem.RemoveHs(mol)) == "CO"


def test_written_atoms_come_first_and_added_hydrogens_last():
    mol = parse_smiles("[H]CO", "explicit")

    assert [atom.GetSymbol() for atom in mol.GetAtoms()] == ["H", "C", "O", "H", "H", "H"]


@pytest.mark.parametrize("smiles", ["CO", "c1cc[nH]c1", "C[NH3+]", "C[C@H](F)Cl", "O"])
def test_an_explicit_hydrogen_is_the_same_whether_it_was_written_or_added(smiles):
    written = Chem.MolToSmiles(Chem.AddHs(Chem.MolFromSmiles(smiles)))
    added, given = (featurize_chunk([text], "explicit").block for text in (smiles, written))

    def sorted_atoms(block):
        table = np.delete(block.atom_table, ATOM_PROPERTIES.index("chiral_tag"), axis=1)
        return sorted(map(tuple, table[block.atom_code].tolist()))

    assert sorted_atoms(added) == sorted_atoms(given)


@pytest.mark.parametrize("hydrogens", ["written", "explicit"])
def test_properties_of_more_hydrogens_are_those_that_the_getters_read(hydrogens, pool):
    smiles = [*SMILES, *pool.sample(300, random_state=1)]
    mols = [parse_smiles(text, hydrogens) for text in smiles]
    read = properties_of_chunk([mol for mol in mols if isinstance(mol, Chem.Mol)])
    block = featurize_chunk(smiles, hydrogens).block

    for name in ("num_atoms", "bond_ends", "atom_table", "atom_code", "bond_table", "bond_code"):
        np.testing.assert_array_equal(getattr(read, name), getattr(block, name))


@pytest.mark.parametrize("hydrogens", ["written", "explicit"])
def test_hashes_and_keys_do_not_depend_on_which_hydrogens_are_atoms(hydrogens, pool):
    smiles = [*SMILES, *pool.sample(300, random_state=0)]
    plain, other = featurize_chunk(smiles), featurize_chunk(smiles, hydrogens)

    assert (plain.status == other.status).all()
    np.testing.assert_array_equal(plain.block.join_hash, other.block.join_hash)
    np.testing.assert_array_equal(plain.block.split_hash, other.block.split_hash)


@pytest.mark.parametrize("key", [join_key, split_key])
def test_keys_of_writings_with_and_without_hydrogens_are_equal(key, pool):
    for smiles in pool.sample(100, random_state=0):
        mol = Chem.MolFromSmiles(smiles)
        assert key(Chem.MolToSmiles(Chem.AddHs(mol))) == key(Chem.MolToSmiles(mol))


def test_the_cap_on_atoms_counts_added_hydrogens():
    polymer = "[Fe]([H])" * 2 + "C" * 900
    assert isinstance(parse_smiles(polymer, "explicit"), Chem.Mol)

    metals = ".".join(["[FeH15]"] * (MAX_ATOMS // 16 + 1))
    assert isinstance(parse_smiles(metals), Chem.Mol)
    assert parse_smiles(metals, "explicit") is RowStatus.TOO_BIG


@pytest.mark.parametrize("hydrogens", ["written", "explicit"])
@pytest.mark.parametrize(
    ("smiles", "status"),
    [("", RowStatus.EMPTY), ("C(", RowStatus.SYNTAX), ("C[H]C", RowStatus.VALENCE)],
)
def test_a_refusal_has_the_same_reason(hydrogens, smiles, status):
    assert parse_smiles(smiles, hydrogens) is status
