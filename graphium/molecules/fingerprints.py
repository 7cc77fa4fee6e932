"""Morgan fingerprints of molecules, for baselines and comparisons."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from rdkit.Chem import rdFingerprintGenerator

from graphium.molecules.identity import accepted_mol


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
