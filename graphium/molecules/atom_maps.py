"""SMILES whose atoms are numbered by atom maps, for tables that list labels of atoms."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase


@dataclass(frozen=True, slots=True)
class NumberedMolecule:
    """A molecule of N atoms."""

    smiles: str
    """Every atom has a map number from 0 to N - 1."""
    atomic_numbers: NDArray[np.uint8]
    """[N] in the order of the map numbers."""


def number_atoms(smiles: str, random: np.random.Generator) -> NumberedMolecule | None:
    """Number the atoms of a SMILES from 0 in a random order; None where it cannot be read.

    The molecule is not sanitised, which takes a third of the time away: atoms, hydrogens and
    charges are written as they are read, and aromatic atoms stay so.

    Args:
        smiles: The molecule.
        random: Draws the order.
    """
    with rdBase.BlockLogs():
        molecule = Chem.MolFromSmiles(smiles, sanitize=False)
        if molecule is None or not molecule.GetNumAtoms():
            return None
        molecule.UpdatePropertyCache(False)
        order = random.permutation(molecule.GetNumAtoms())
        numbers = np.empty(len(order), np.uint8)
        for atom, number in zip(molecule.GetAtoms(), order.tolist(), strict=True):
            # RDKit writes no map 0: the last number stands for it until the text is there.
            atom.SetAtomMapNum(number or len(order))
            numbers[number] = atom.GetAtomicNum()
        text = Chem.MolToSmiles(molecule, canonical=False)
    return NumberedMolecule(text.replace(f":{len(order)}]", ":0]"), numbers)
