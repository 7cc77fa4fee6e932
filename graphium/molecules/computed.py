"""Labels that RDKit computes while a store is prepared, for demonstrations and pre-training.

All follow from the molecule alone and are deterministic. Charges and bond lengths cannot be read
off the input graph: charges depend on the whole neighbourhood, bond lengths on a three-dimensional
conformer. Descriptors, fingerprint bits and keys are functions of the graph that a network must
learn to count and combine.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem, rdBase
from rdkit.Chem import (
    rdDistGeom,
    rdFingerprintGenerator,
    rdForceFieldHelpers,
    rdPartialCharges,
)

from graphium.config.data import (
    ComputedLabel,
    ConformersConfig,
    FingerprintConfig,
    Hydrogens,
    Level,
)
from graphium.molecules.conformers import embed
from graphium.molecules.descriptors import MAX_DESCRIBED_ATOMS, descriptor_names, descriptors
from graphium.molecules.fingerprints import NUM_MACCS_KEYS, maccs_keys
from graphium.molecules.given import Positions, place_atoms
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
class ComputeRequest:
    """What to compute of every molecule."""

    kinds: tuple[ComputedLabel, ...] = ()
    fingerprint: FingerprintConfig = field(default_factory=FingerprintConfig)
    """Size and radius of ``morgan_bits``."""
    conformers: ConformersConfig | None = None
    """How to embed molecules, where coordinates are asked for."""
    hydrogens: Hydrogens = "implicit"
    """Which hydrogens are atoms; what describes a whole molecule does not depend on it."""


@dataclass(frozen=True, slots=True)
class Computed:
    """What was computed for G molecules."""

    labels: dict[ComputedLabel, list[NDArray[Any]]]
    """Kind -> [G] arrays: of a wide kind [L] (uint8 of a binary one), else one label for each atom
    bond or pair of atoms of the molecule. NaN is missing."""
    positions: list[NDArray[np.float32]]
    """[G] coordinates of the atoms [n, 3] in angstrom, NaN where there are none; empty where none
    were asked for."""
    missing: dict[str, dict[str, int]]
    """Kind (or ``positions``) -> reason -> molecules of which one or all values are missing."""


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
        case "conformer_distance":
            return LabelKind("nodepair", "angstrom", is_wide=False)
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


def compute(
    request: ComputeRequest, smiles: Iterable[str], given: Sequence[Positions] | None = None
) -> Computed:
    """Compute what is asked for; each molecule is parsed once (twice with more hydrogens).

    Args:
        request: What to compute.
        smiles: G accepted molecules; values follow the order of RDKit's atoms and bonds. All is
            done with one molecule before the next one is taken.
        given: [G] coordinates of the atoms that each SMILES writes, where conformers are given.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    names = [*request.kinds, *(["positions"] if request.conformers else [])]
    missing: dict[str, Counter[str]] = {name: Counter() for name in names}
    out = Computed({kind: [] for kind in request.kinds}, [], {})
    options = request.fingerprint
    generator = rdFingerprintGenerator.GetMorganGenerator(options.radius, fpSize=options.bits)
    with rdBase.BlockLogs():
        for number, text in enumerate(smiles):
            mol = accepted_mol(text)
            graph = mol
            if request.hydrogens != "implicit":
                graph = accepted_mol(text, request.hydrogens)
            found: NDArray[np.float32] | str = "not_asked"
            if request.conformers is not None:
                if request.conformers.kind == "given":
                    known = "no_coordinates" if given is None else given[number]
                    found = place_atoms(text, graph.GetNumAtoms(), known, request.hydrogens)
                else:
                    found = embed(graph, request.conformers)
                missing["positions"].update([found] if isinstance(found, str) else [])
                unknown = np.full((graph.GetNumAtoms(), 3), np.nan, np.float32)
                out.positions.append(unknown if isinstance(found, str) else found)
            for kind in request.kinds:
                of = mol if describe(kind).is_wide else graph
                values, reason = _compute(kind, of, found, generator)
                out.labels[kind].append(values)
                missing[kind].update([reason] if reason else [])
    out.missing.update({name: dict(counts) for name, counts in missing.items()})
    return out


def _compute(
    kind: ComputedLabel,
    mol: Chem.Mol,
    conformer: NDArray[np.float32] | str,
    generator: "rdFingerprintGenerator.FingerprintGenerator64",
) -> tuple[NDArray[Any], str]:
    """Return the labels of one molecule, and why some are missing, if they are."""
    match kind:
        case "descriptors":
            values = descriptors(mol)
            is_big = mol.GetNumHeavyAtoms() > MAX_DESCRIBED_ATOMS
            return values, "too_big" if is_big else "not_finite" if _has_gaps(values) else ""
        case "morgan_bits":
            return generator.GetFingerprintAsNumPy(mol).astype(np.uint8), ""
        case "maccs_keys":
            return maccs_keys(mol), ""
        case "gasteiger_charge":
            charges = gasteiger_charges(mol)
            return charges, "no_parameters" if _has_gaps(charges) else ""
        case "mmff_bond_length":
            lengths = mmff_bond_lengths(mol)
            if isinstance(lengths, str):
                return np.full(mol.GetNumBonds(), np.nan, np.float32), lengths
            return lengths, ""
        case "conformer_distance":
            if isinstance(conformer, str):
                size = mol.GetNumAtoms()
                return np.full(size * (size - 1) // 2, np.nan, np.float32), conformer
            return conformer_distances(mol, conformer), ""
        case _:
            assert_never(kind)


def _has_gaps(values: NDArray[np.float32]) -> bool:
    return bool(np.isnan(values).any())


def conformer_distances(mol: Chem.Mol, positions: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return [n (n - 1) / 2] distances of pairs of atoms, in the units of ``positions`` [n, 3].

    Pairs are in the order (0, 1), (0, 2), ..., (n - 2, n - 1); NaN for two atoms that no path of
    bonds connects, because fragments are embedded each by itself.
    """
    first, second = np.triu_indices(mol.GetNumAtoms(), 1)
    between = np.linalg.norm(positions[first] - positions[second], axis=1)
    out = np.asarray(between, np.float32)
    fragment = np.empty(mol.GetNumAtoms(), np.int64)
    for number, atoms in enumerate(Chem.GetMolFrags(mol)):
        fragment[list(atoms)] = number
    out[fragment[first] != fragment[second]] = np.nan
    return out


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
