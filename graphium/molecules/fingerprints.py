"""Morgan fingerprints and MACCS keys of molecules, for baselines, comparisons and as labels."""

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator, rdMolDescriptors

from graphium.molecules.identity import accepted_mol

NUM_MACCS_KEYS = 166
"""Public MACCS keys; RDKit's bit 0 is always empty and is left out."""


def morgan(smiles: Sequence[str], radius: int = 2, bits: int = 2048) -> NDArray[np.uint8]:
    """Return [G, bits] Morgan fingerprints (Rogers and Hahn 2010).

    Args:
        smiles: G molecules.
        radius: Bonds that an environment reaches; 2 corresponds to ECFP4.
        bits: Columns into which environments are hashed.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    return morgan_of((accepted_mol(text) for text in smiles), len(smiles), radius, bits)


def morgan_of(
    mols: Iterable[Chem.Mol], num_molecules: int, radius: int, bits: int
) -> NDArray[np.uint8]:
    """Return [num_molecules, bits] Morgan fingerprints of parsed molecules."""
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    out = np.zeros((num_molecules, bits), np.uint8)
    for row, mol in zip(out, mols, strict=True):
        row[:] = generator.GetFingerprintAsNumPy(mol)
    return out


def maccs_of(mols: Sequence[Chem.Mol]) -> NDArray[np.uint8]:
    """Return [G, 166] the public MACCS keys of parsed molecules."""
    out = np.zeros((len(mols), NUM_MACCS_KEYS), np.uint8)
    for row, mol in zip(out, mols, strict=True):
        present = np.array(rdMolDescriptors.GetMACCSKeysFingerprint(mol).GetOnBits(), np.int64)
        row[present - 1] = 1
    return out
