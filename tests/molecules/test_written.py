import numpy as np
import pytest
from rdkit import Chem, rdBase

from graphium.errors import DataError
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.parse import parse_smiles
from graphium.molecules.written import written_orders

# SMILES with hydrogens as atoms, and the written atoms that RDKit keeps.
WRITTEN_HYDROGENS = {
    "[H]C([H])([H])C": [1, 4],
    "[H][C@](F)(Cl)Br": [1, 2, 3, 4],  # the hydrogen that makes the center chiral
    "C[C@]([H])(F)Cl": [0, 1, 3, 4],
    "[2H]C([H])O[3H]": [0, 1, 3, 4],  # isotopes are atoms
    "[H][H]": [0, 1],
    "[H-].[Na+]": [0, 1],
    "[H+].[H]Cl": [0, 2],
    "[H]*": [0, 1],  # at a dummy
    "[H]/N=C/C[H]": [0, 1, 2, 3],  # the hydrogen that defines the double bond
    "[H]/C(C)=C/C": [1, 2, 3, 4],
    "[H:3][C:1][H:2]": [1],
    "[H]n1cccc1": [1, 2, 3, 4, 5],
    "[H][N+]([H])([H])[H].[H]O[H]": [1, 6],
    "[H][B]1([H])[H][B]([H])([H])[H]1": None,  # bridging: not a molecule for RDKit
    "[H]1C2[H]C12": None,
    "[H][Si]([H])([H])[Li]": [1, 4],
}


@pytest.mark.parametrize(("smiles", "kept"), WRITTEN_HYDROGENS.items())
def test_atoms_of_the_graph_are_found_in_the_text(smiles, kept):
    if kept is None:
        assert isinstance(parse_smiles(smiles), RowStatus)
        return
    (order,) = written_orders([smiles])

    assert order.atoms.tolist() == kept
    assert order.num_atoms == Chem.MolFromSmiles(smiles, sanitize=False).GetNumAtoms()


def by_removing(smiles):
    """The kept atoms by another way: remove the hydrogens of the whole molecule."""
    options = Chem.SmilesParserParams()
    options.removeHs = False
    whole = Chem.MolFromSmiles(smiles, options)
    for atom in whole.GetAtoms():
        atom.SetIntProp("place", atom.GetIdx())
    with rdBase.BlockLogs():
        rest = Chem.RemoveHs(whole)
    return [atom.GetIntProp("place") for atom in rest.GetAtoms()]


def write_hydrogens(smiles, random):
    """The same molecule with its hydrogens written, and all atoms in another order."""
    mol = Chem.AddHs(Chem.MolFromSmiles(smiles))
    order = random.permutation(mol.GetNumAtoms()).tolist()
    shuffled = Chem.RenumberAtoms(mol, order)
    for atom, place in zip(shuffled.GetAtoms(), order, strict=True):
        atom.SetAtomMapNum(place + 1)
    return Chem.MolToSmiles(shuffled, canonical=False)


def test_the_place_of_every_atom_and_bond_is_exact_for_real_molecules(pool):
    random = np.random.default_rng(0)
    texts = [write_hydrogens(smiles, random) for smiles in pool.sample(300, random_state=0)]
    texts = [text for text in texts if not isinstance(parse_smiles(text), RowStatus)]
    assert len(texts) > 290

    for text, order in zip(texts, written_orders(texts), strict=True):
        graph, written = parse_smiles(text), Chem.MolFromSmiles(text, sanitize=False)
        maps = [atom.GetAtomMapNum() for atom in graph.GetAtoms()]
        assert order.maps[order.atoms].tolist() == maps
        assert order.atoms.tolist() == by_removing(text)
        assert (np.diff(order.atoms) > 0).all()
        assert order.num_bonds == written.GetNumBonds()
        for bond, place in zip(graph.GetBonds(), order.bonds.tolist(), strict=True):
            ends = {bond.GetBeginAtom().GetAtomMapNum(), bond.GetEndAtom().GetAtomMapNum()}
            there = written.GetBondWithIdx(place)
            assert {
                there.GetBeginAtom().GetAtomMapNum(),
                there.GetEndAtom().GetAtomMapNum(),
            } == ends


@pytest.mark.parametrize("smiles", ["CCO", "C[C@H](N)O", "c1:c:c:c:c:c:1", "C[NH3+].[Cl-]", "C"])
def test_a_text_without_hydrogens_and_maps_is_in_the_order_of_its_graph(smiles):
    assert written_orders([smiles]) == [None]


def test_written_hydrogens_that_stay_atoms_keep_their_place():
    (order,) = written_orders(["[H]C([H])O"], "written")

    assert order.atoms.tolist() == [0, 1, 2, 3]
    assert order.bonds.tolist() == [0, 1, 2]


def test_added_hydrogens_and_their_bonds_have_no_place():
    (order,) = written_orders(["[H]CO"], "explicit")

    assert order.atoms.tolist() == [0, 1, 2, -1, -1, -1]
    assert order.bonds.tolist() == [0, 1, -1, -1, -1]
    assert (order.num_atoms, order.num_bonds) == (3, 2)


def test_a_text_that_is_no_molecule_is_refused():
    with pytest.raises(DataError, match="valence"):
        written_orders(["[H]C([H])([H])([H])[H]"])
