"""Morgan fingerprints and MACCS keys of molecules, for baselines, comparisons and as labels."""

from collections.abc import Sequence

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
    generator = rdFingerprintGenerator.GetMorganGenerator(radius=radius, fpSize=bits)
    out = np.zeros((len(smiles), bits), np.uint8)
    for row, text in zip(out, smiles, strict=True):
        row[:] = generator.GetFingerprintAsNumPy(accepted_mol(text))
    return out


def maccs_keys(mol: Chem.Mol) -> NDArray[np.uint8]:
    """Return [166] the public MACCS keys of a molecule."""
    keys = np.zeros(NUM_MACCS_KEYS, np.uint8)
    keys[np.array(rdMolDescriptors.GetMACCSKeysFingerprint(mol).GetOnBits(), np.int64) - 1] = 1
    return keys
