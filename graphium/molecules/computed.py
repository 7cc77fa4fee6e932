"""Labels that RDKit computes while a store is prepared, for demonstrations and pre-training.

Neither can be read off the input graph: charges depend on the whole neighbourhood, bond lengths on
a three-dimensional conformer. Both are deterministic.
"""

from collections.abc import Sequence
from typing import assert_never

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdPartialCharges

from graphium.config.data import ComputedLabel, Level
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.parse import parse_smiles

MAX_EMBEDDED_ATOMS = 64
"""Heavy atoms above which no conformer is tried."""
_SEED = 42
_EMBED_ATTEMPTS = 20
_RANDOM_ATTEMPTS = 5
_RELAX_STEPS = 200


def level_of(kind: ComputedLabel) -> Level:
    """Return what one label of this kind describes."""
    match kind:
        case "gasteiger_charge":
            return "node"
        case "mmff_bond_length":
            return "edge"
        case _:
            assert_never(kind)


def unit_of(kind: ComputedLabel) -> str:
    """Return the unit of the labels."""
    match kind:
        case "gasteiger_charge":
            return "e"
        case "mmff_bond_length":
            return "angstrom"
        case _:
            assert_never(kind)


def compute_labels(kind: ComputedLabel, smiles: Sequence[str]) -> list[NDArray[np.float32] | None]:
    """Return one array for each molecule, over its atoms or bonds in RDKit's order.

    NaN marks a label that cannot be computed; a row that is no molecule gives None.
    """
    out: list[NDArray[np.float32] | None] = []
    with rdBase.BlockLogs():
        for text in smiles:
            mol = parse_smiles(text)
            out.append(None if isinstance(mol, RowStatus) else _label(kind, mol))
    return out


def _label(kind: ComputedLabel, mol: Chem.Mol) -> NDArray[np.float32]:
    match kind:
        case "gasteiger_charge":
            return gasteiger_charges(mol)
        case "mmff_bond_length":
            return mmff_bond_lengths(mol)
        case _:
            assert_never(kind)


def gasteiger_charges(mol: Chem.Mol) -> NDArray[np.float32]:
    """Return the partial charge of each atom, without that of its implicit hydrogens, in e.

    Gasteiger and Marsili (1980), 12 iterations. Metals and some ions have no parameters; what is
    not finite becomes NaN (one such atom spoils its whole fragment).
    """
    copy = Chem.Mol(mol)
    rdPartialCharges.ComputeGasteigerCharges(copy, nIter=12, throwOnParamFailure=False)
    charges = np.array(
        [atom.GetDoubleProp("_GasteigerCharge") for atom in copy.GetAtoms()], np.float32
    )
    charges[~np.isfinite(charges)] = np.nan
    return charges


def mmff_bond_lengths(mol: Chem.Mol) -> NDArray[np.float32]:
    """Return the length of each bond between heavy atoms in one relaxed conformer, in angstrom.

    The conformer is RDKit's ETKDG with a fixed seed and hydrogens added, relaxed by at most 200
    steps of MMFF94. All are NaN where the molecule is too big, cannot be embedded or has no MMFF
    parameters (most metals).
    """
    lengths = np.full(mol.GetNumBonds(), np.nan, np.float32)
    if mol.GetNumHeavyAtoms() > MAX_EMBEDDED_ATOMS:
        return lengths
    full = Chem.AddHs(mol)
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(full):
        return lengths
    if not _embed(full):
        return lengths
    if rdForceFieldHelpers.MMFFOptimizeMolecule(full, maxIters=_RELAX_STEPS) < 0:
        return lengths
    positions = full.GetConformer().GetPositions()
    for bond in mol.GetBonds():
        begin, end = bond.GetBeginAtom(), bond.GetEndAtom()
        if begin.GetAtomicNum() > 1 and end.GetAtomicNum() > 1:
            between = positions[begin.GetIdx()] - positions[end.GetIdx()]
            lengths[bond.GetIdx()] = np.linalg.norm(between)
    return lengths


def _embed(mol: Chem.Mol) -> bool:
    """Give ``mol`` one conformer; return whether that worked."""
    if rdDistGeom.EmbedMolecule(mol, maxAttempts=_EMBED_ATTEMPTS, randomSeed=_SEED) == 0:
        return True
    # Starting from random positions is slower, and works for the long chains that fail otherwise.
    retried: int = rdDistGeom.EmbedMolecule(
        mol, maxAttempts=_RANDOM_ATTEMPTS, randomSeed=_SEED, useRandomCoords=True
    )
    return retried == 0
