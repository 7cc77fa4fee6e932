"""Labels that RDKit computes while a store is prepared, for demonstrations and pre-training.

All follow from the molecule alone and are deterministic. Charges and bond lengths cannot be read
off the input graph: charges depend on the whole neighbourhood, bond lengths on a three-dimensional
conformer. Descriptors, fingerprint bits and keys are functions of the graph that a network must
learn to count and combine.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers, rdPartialCharges

from graphium.config.data import ComputedLabel, FingerprintConfig, Level
from graphium.molecules.descriptors import MAX_DESCRIBED_ATOMS, descriptor_names, descriptors
from graphium.molecules.fingerprints import NUM_MACCS_KEYS, maccs_of, morgan_of
from graphium.molecules.identity import accepted_mol

MAX_EMBEDDED_ATOMS = 64
"""Heavy atoms above which no bond length is computed."""
_SEED = 42
_EMBED_ATTEMPTS = 20
_RANDOM_ATTEMPTS = 5
_RELAX_STEPS = 200


@dataclass(frozen=True, slots=True)
class LabelKind:
    """What one kind of computed label describes."""

    level: Level
    unit: str | None
    """None where every column has its own."""
    is_wide: bool
    """Whether a molecule has one row of several columns, rather than a list."""
    is_binary: bool = False
    """Whether all labels are 0 or 1, and none is missing."""


@dataclass(frozen=True, slots=True)
class ComputedLabels:
    """Labels of one kind for G molecules."""

    wide: NDArray[Any] | None
    """[G, L] float32 or, of a binary kind, uint8; None of a kind that has lists."""
    lists: list[NDArray[np.float32]] | None
    """[G] one array over the molecule's atoms or bonds; None of a wide kind."""
    missing: dict[str, int]
    """Reason -> molecules of which one or all labels are missing."""


def describe(kind: ComputedLabel) -> LabelKind:
    """Return level, unit and form of a kind."""
    match kind:
        case "descriptors":
            return LabelKind("graph", None, is_wide=True)
        case "morgan_bits" | "maccs_keys":
            return LabelKind("graph", None, is_wide=True, is_binary=True)
        case "gasteiger_charge":
            return LabelKind("node", "e", is_wide=False)
        case "mmff_bond_length":
            return LabelKind("edge", "angstrom", is_wide=False)
        case _:
            assert_never(kind)


def column_suffixes(kind: ComputedLabel, fingerprint: FingerprintConfig) -> tuple[str, ...]:
    """Return the names of a wide kind's columns after ``<kind>.``, in order."""
    match kind:
        case "descriptors":
            return descriptor_names()
        case "morgan_bits":
            return tuple(map(str, range(fingerprint.bits)))
        case "maccs_keys":
            return tuple(map(str, range(1, NUM_MACCS_KEYS + 1)))
        case _:
            raise AssertionError(f"{kind} has one column")


def compute_labels(
    kinds: Sequence[ComputedLabel],
    smiles: Sequence[str],
    fingerprint: FingerprintConfig | None = None,
) -> dict[ComputedLabel, ComputedLabels]:
    """Return the labels of some kinds; each molecule is parsed once.

    Args:
        kinds: What to compute.
        smiles: G accepted molecules; lists follow the order of RDKit's atoms and bonds.
        fingerprint: Size and radius of ``morgan_bits``.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    with rdBase.BlockLogs():
        mols = [accepted_mol(text) for text in smiles]
        return {kind: _compute(kind, mols, fingerprint or FingerprintConfig()) for kind in kinds}


def _compute(
    kind: ComputedLabel, mols: Sequence[Chem.Mol], fingerprint: FingerprintConfig
) -> ComputedLabels:
    match kind:
        case "descriptors":
            return _describe_all(mols)
        case "morgan_bits":
            bits = morgan_of(mols, len(mols), fingerprint.radius, fingerprint.bits)
            return ComputedLabels(bits, None, {})
        case "maccs_keys":
            return ComputedLabels(maccs_of(mols), None, {})
        case "gasteiger_charge":
            charges = [gasteiger_charges(mol) for mol in mols]
            unknown = sum(bool(np.isnan(one).any()) for one in charges)
            return ComputedLabels(None, charges, {"no_parameters": unknown} if unknown else {})
        case "mmff_bond_length":
            return _all_bond_lengths(mols)
        case _:
            assert_never(kind)


def _describe_all(mols: Sequence[Chem.Mol]) -> ComputedLabels:
    values = np.empty((len(mols), len(descriptor_names())), np.float32)
    missing: Counter[str] = Counter()
    for row, mol in zip(values, mols, strict=True):
        row[:] = descriptors(mol)
        if mol.GetNumHeavyAtoms() > MAX_DESCRIBED_ATOMS:
            missing["too_big"] += 1
        elif np.isnan(row).any():
            missing["not_finite"] += 1
    return ComputedLabels(values, None, dict(missing))


def _all_bond_lengths(mols: Sequence[Chem.Mol]) -> ComputedLabels:
    lists = []
    missing: Counter[str] = Counter()
    for mol in mols:
        found = mmff_bond_lengths(mol)
        if isinstance(found, str):
            missing[found] += 1
            lists.append(np.full(mol.GetNumBonds(), np.nan, np.float32))
        else:
            lists.append(found)
    return ComputedLabels(None, lists, dict(missing))


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


def mmff_bond_lengths(mol: Chem.Mol) -> NDArray[np.float32] | str:
    """Return the length of each bond between heavy atoms in one relaxed conformer, in angstrom.

    The conformer is RDKit's ETKDG with a fixed seed and hydrogens added, relaxed by at most 200
    steps of MMFF94. Where there is none, the reason is returned: the molecule is ``too_big``, has
    ``no_parameters`` in MMFF (most metals), or could not be embedded (``no_conformer``).
    """
    lengths = np.full(mol.GetNumBonds(), np.nan, np.float32)
    if mol.GetNumHeavyAtoms() > MAX_EMBEDDED_ATOMS:
        return "too_big"
    full = Chem.AddHs(mol)
    if not rdForceFieldHelpers.MMFFHasAllMoleculeParams(full):
        return "no_parameters"
    if not _embed(full):
        return "no_conformer"
    if rdForceFieldHelpers.MMFFOptimizeMolecule(full, maxIters=_RELAX_STEPS) < 0:
        return "no_parameters"
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
