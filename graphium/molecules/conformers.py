"""Three-dimensional coordinates of molecules, embedded on request.

ETKDG (Riniker and Landrum 2015, 10.1021/acs.jcim.5b00654; version 3: Wang et al. 2020,
10.1021/acs.jcim.0c00025) with hydrogens added, which are then left out. Equal SMILES, options and
RDKit give equal coordinates; another writing of the molecule gives another of its conformers.

Fragments of a salt are embedded each around its own origin: distances between them mean nothing.
"""

import time
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers

from graphium.config.data import ConformersConfig

RELAX_STEPS = 200
"""Steps of MMFF94, at most."""
_SECONDS = 5
"""Wall time of one fragment in one of the two rounds. The caps on atoms and attempts bound the work
(1.8 s of the slowest among 270 molecules with a dozen stereocentres); this is the last resort
against an embedding that never ends, and what it gives up is counted apart."""


def embed(mol: Chem.Mol, options: ConformersConfig) -> NDArray[np.float32] | str:
    """Return [n, 3] coordinates of the atoms of ``mol`` in angstrom, or why there are none.

    The molecule is ``too_big``, has no coordinates that satisfy its geometry (``no_conformer``),
    has ``no_parameters`` in the force field it should be relaxed with, or took too long
    (``timeout``).
    """
    if mol.GetNumHeavyAtoms() > options.max_atoms:
        return "too_big"
    full = Chem.AddHs(mol)
    is_relaxed = options.optimize == "mmff"
    if is_relaxed and not rdForceFieldHelpers.MMFFHasAllMoleculeParams(full):
        return "no_parameters"
    start = time.monotonic()
    if not _embed(full, options):
        return "timeout" if time.monotonic() - start >= _SECONDS else "no_conformer"
    if is_relaxed and rdForceFieldHelpers.MMFFOptimizeMolecule(full, maxIters=RELAX_STEPS) < 0:
        return "no_parameters"
    positions = full.GetConformer().GetPositions()[: mol.GetNumAtoms()].astype(np.float32)
    return positions if np.isfinite(positions).all() else "no_conformer"


def _embed(mol: Chem.Mol, options: ConformersConfig) -> bool:
    """Give ``mol`` one conformer; return whether that worked."""
    parameters: Any = rdDistGeom.ETKDGv3()
    parameters.randomSeed = options.seed
    parameters.maxIterations = options.attempts
    parameters.timeout = _SECONDS
    parameters.numThreads = 1
    if rdDistGeom.EmbedMolecule(mol, parameters) == 0:
        return True
    # Starting from random positions is slower, and works for the long chains that fail otherwise.
    parameters.useRandomCoords = True
    retried: int = rdDistGeom.EmbedMolecule(mol, parameters)
    return retried == 0
