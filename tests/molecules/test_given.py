"""Coordinates that a cell gives: which are read, on which atoms, and why there are none."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from graphium.molecules.given import given_coordinates, place_atoms, split_coordinates
from graphium.molecules.mol_blocks import parse_text


@pytest.mark.parametrize(
    ("cell", "smiles", "reason"),
    [
        ("CO", "CO", "no_coordinates"),
        ("CO |(0,0,;1,0,)|", "CO", "two_dimensional"),
        ("CO |(0,0;1,0)|", "CO", "two_dimensional"),
        ("CO |(0,0,0;0,0,0)|", "CO", "no_coordinates"),
        ("CO |(0,0,0;1,0,1e999)|", "CO", "not_finite"),
        ("CO |(0,0,0;1,0,1-)|", "CO", "not_finite"),
        ("CO |(0,0,0;1,0)|", "CO", "not_finite"),
    ],
)
def test_why_a_cell_has_no_coordinates(cell, smiles, reason):
    assert split_coordinates(cell) == (smiles, reason)


@pytest.mark.parametrize("cell", ["CO |^1:0|", "CO |(0,0,0;1,0,1),^1:0|", "CO methanol", "CO |"])
def test_what_may_change_the_molecule_stays_in_the_cell(cell):
    assert split_coordinates(cell) == (cell, "no_coordinates")


def test_coordinates_are_float32_and_of_the_atoms_as_written():
    smiles, found = split_coordinates(" CO\t|(0.1,-2,3e-1;1,,1)| ")

    assert smiles == "CO"
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, np.array([[0.1, -2, 0.3], [1, 0, 1]], np.float32))


@pytest.mark.parametrize(
    ("smiles", "hydrogens", "expected"),
    [
        ("[H]C([H])([H])O", "implicit", [1, 4]),
        ("[H]C([H])([H])O", "written", [0, 1, 2, 3, 4]),
        ("[H]C([H])([H])O[H]", "explicit", [0, 1, 2, 3, 4, 5]),
        ("[H]C([H])([H])O", "explicit", "added_hydrogens"),
        ("[2H]C", "implicit", [0, 1]),
    ],
)
def test_coordinates_follow_the_atoms_that_are_kept(smiles, hydrogens, expected):
    written = Chem.MolFromSmiles(smiles, sanitize=False).GetNumAtoms()
    points = np.arange(3 * written, dtype=np.float32).reshape(-1, 3)
    size = parse_text(smiles, hydrogens).GetNumAtoms()

    found = place_atoms(smiles, size, points, hydrogens)
    too_few = place_atoms(smiles, size, points[:-1], hydrogens)

    assert too_few == "wrong_number"
    if isinstance(expected, str):
        assert found == expected
    else:
        np.testing.assert_array_equal(found, points[expected])


@settings(max_examples=30)
@given(
    smiles=st.sampled_from(["CC(=O)Oc1ccccc1C(=O)O", "C[C@H](N)C(=O)O", "[H][H]", "[2H]OC"]),
    seed=st.integers(0, 999),
    hydrogens=st.sampled_from(["implicit", "written"]),
)
def test_any_writing_of_a_molecule_gives_each_atom_its_point(smiles, seed, hydrogens):
    full = Chem.AddHs(Chem.MolFromSmiles(smiles))
    order = np.random.default_rng(seed).permutation(full.GetNumAtoms())
    mixed = Chem.RenumberAtoms(full, order.tolist())
    text = Chem.MolToSmiles(mixed, canonical=False)
    output = mixed.GetPropsAsDict(True, True)["_smilesAtomOutputOrder"]
    # The point of an atom tells its element.
    points = ";".join(
        f"{mixed.GetAtomWithIdx(atom).GetAtomicNum()},{place},1"
        for place, atom in enumerate(output)
    )
    mol = parse_text(text, hydrogens)

    found = given_coordinates(mol, f"{text} |({points})|", hydrogens)

    assert found[:, 0].tolist() == [atom.GetAtomicNum() for atom in mol.GetAtoms()]
