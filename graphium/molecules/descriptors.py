"""RDKit's two-dimensional descriptors as labels: what a list of SMILES can teach without an assay.

The names and their order are RDKit's own (``rdkit.Chem.Descriptors.descList``), so they belong to
one RDKit version; a store records both.
"""

import math

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import Descriptors

MAX_DESCRIBED_ATOMS = 256
"""Heavy atoms above which nothing is computed: the time of Ipc and AvgIpc grows with the fourth
power of the molecule (0.06 s at 200 atoms, 0.8 s at 400)."""

_EXPONENTIAL = "Ipc"
_LOGARITHM = "log1p_Ipc"


def descriptor_names() -> tuple[str, ...]:
    """Return the names of the columns, in order.

    ``log1p_Ipc`` stands for Ipc, which reaches 1e59 on drugs and does not fit float32 on many
    molecules; ln(1 + Ipc) keeps its order and grows with the size of the molecule.
    """
    return tuple(_LOGARITHM if name == _EXPONENTIAL else name for name, _ in Descriptors.descList)


def descriptors(mol: Chem.Mol) -> NDArray[np.float32]:
    """Return [L] the descriptors of one molecule; NaN where one cannot be computed.

    Partial charges and BCUT values are not finite where an atom has no parameters (most metals).
    """
    out = np.full(len(Descriptors.descList), np.nan)
    if mol.GetNumHeavyAtoms() > MAX_DESCRIBED_ATOMS:
        return out.astype(np.float32)
    copy = Chem.Mol(mol)  # some descriptors leave properties on the molecule
    with np.errstate(all="ignore"):
        for position, (name, function) in enumerate(Descriptors.descList):
            try:
                value = float(function(copy))
                out[position] = math.log1p(value) if name == _EXPONENTIAL else value
            except (ArithmeticError, RuntimeError, ValueError):
                continue  # RDKit refuses this descriptor of this molecule: it stays missing
        values = out.astype(np.float32)
    values[~np.isfinite(values)] = np.nan
    return values
