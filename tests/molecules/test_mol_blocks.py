"""Mol blocks: dummies are atoms of a molecule, queries are none."""

import pytest
from rdkit import Chem

from graphium.graphs.mol_block import RowStatus
from graphium.molecules.mol_blocks import block_smiles, parse_text

LIST = "M  ALS   3  2 F N   O   \n"
LABEL = "M  RGP  1   3   1\n"


def block(symbol, lines=""):
    """Return ethanol with another symbol for the oxygen."""
    ethanol = Chem.MolToMolBlock(Chem.MolFromSmiles("CCO"))
    return ethanol.replace(" O  ", f" {symbol:<3}").replace("M  END", f"{lines}M  END")


@pytest.mark.parametrize(
    ("symbol", "lines", "smiles"),
    [("R", "", "*CC"), ("*", "", "*CC"), ("R#", LABEL, "[1*]CC"), ("D", "", "[2H]CC")],
)
def test_dummies_and_isotopes_are_atoms(symbol, lines, smiles):
    found = block_smiles(block(symbol, lines))

    assert Chem.CanonSmiles(found.smiles) == Chem.CanonSmiles(smiles)
    assert found.atoms.tolist() == [2, 1, 0]
    assert parse_text(block(symbol, lines)).GetNumAtoms() == 3


@pytest.mark.parametrize(
    ("symbol", "lines"), [("A", ""), ("AH", ""), ("Q", ""), ("X", ""), ("M", ""), ("L", LIST)]
)
def test_atoms_of_several_elements_are_queries_and_no_dummies(symbol, lines):
    found = block_smiles(block(symbol, lines))

    assert found.status == RowStatus.SYNTAX
    assert "it is a query" in found.note
    assert parse_text(block(symbol, lines)) == RowStatus.SYNTAX
