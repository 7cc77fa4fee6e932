"""What surrounds each atom and bond, as rows of numbers: the input of node and edge baselines.

An atom's row holds its own numbers (charge, rings, valences, constants of its element), their sums
over its neighbours and over walks of two bonds, and hashed Morgan environments of radius 1 and 2. A
bond's row holds its own numbers, and the sums of the rows of its ends and the absolute differences
of their numbers, so that its direction does not matter.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdFingerprintGenerator

from graphium.config.data import Hydrogens
from graphium.config.features import AtomFeature, BondFeature
from graphium.graphs.features import atom_features, bond_features
from graphium.graphs.mol_block import MolBlock
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.identity import accepted_mol

_ATOM_NUMBERS: list[AtomFeature] = [
    "formal-charge", "aromatic", "num-ring", "min-ring", "mass", "covalent-radius",
    "electronegativity", "first-ionization", "is-carbon", "degree-float", "total-valence-float",
    "implicit-valence-float", "double-bond", "triple-bond", "aromatic-bond", "hybridization",
]  # fmt: skip
_BOND_NUMBERS: list[BondFeature] = [
    "bond-type", "stereo", "in-ring", "conjugated", "estimated-bond-length",
]  # fmt: skip
_CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Environments:
    """Rows of the atoms (or bonds) of all molecules, one molecule after the other."""

    values: NDArray[np.float32]
    """[N, D] (or [B, D]) numbers that a forest can be fitted to."""
    groups: NDArray[np.int64]
    """[N] (or [B]) number of the simple kind: element, degree and hybridisation of an atom; type
    and elements at the ends of a bond. Sixteen bits each, so that ``groups >> 16`` leaves out the
    last and ``groups >> 32`` the last two."""


def atom_environments(
    smiles: Sequence[str], bits: int = 64, hydrogens: Hydrogens = "implicit"
) -> Environments:
    """Return a row for each atom of the molecules, in RDKit's order.

    Args:
        smiles: G molecules.
        bits: Columns for the hashed environments of each radius.
        hydrogens: Which hydrogens are atoms.

    Raises:
        DataError: A SMILES is not accepted by ``parse_smiles``.
    """
    starts = range(0, len(smiles), _CHUNK)
    chunks = [_atom_chunk(smiles[i : i + _CHUNK], bits, hydrogens) for i in starts]
    return _stack([chunk for chunk, _ in chunks])


def bond_environments(
    smiles: Sequence[str], bits: int = 64, hydrogens: Hydrogens = "implicit"
) -> Environments:
    """Return a row for each bond of the molecules, in RDKit's order; see ``atom_environments``."""
    starts = range(0, len(smiles), _CHUNK)
    return _stack([_bond_chunk(smiles[i : i + _CHUNK], bits, hydrogens) for i in starts])


def _stack(chunks: Sequence[Environments]) -> Environments:
    if not chunks:
        return Environments(np.zeros((0, 0), np.float32), np.zeros(0, np.int64))
    return Environments(
        np.concatenate([chunk.values for chunk in chunks]),
        np.concatenate([chunk.groups for chunk in chunks]),
    )


def _atom_chunk(
    smiles: Sequence[str], bits: int, hydrogens: Hydrogens
) -> tuple[Environments, MolBlock]:
    mols = [accepted_mol(text, hydrogens) for text in smiles]
    block = featurize_chunk(smiles, hydrogens, ranks=False).block
    own = atom_features(block.atom_table, _ATOM_NUMBERS)[block.atom_code]
    ends = _global_ends(block)
    near = _sum_of_neighbours(own, ends)
    far = _sum_of_neighbours(near, ends)
    hashed = np.concatenate([_hashed_environments(mol, bits) for mol in mols])
    values = np.concatenate([own, near, far, hashed], axis=1, dtype=np.float32)
    return Environments(
        values, _group_numbers(block.atom_table, _ATOM_GROUP)[block.atom_code]
    ), block


def _bond_chunk(smiles: Sequence[str], bits: int, hydrogens: Hydrogens) -> Environments:
    atoms, block = _atom_chunk(smiles, bits, hydrogens)
    begin, end = (atoms.values[side] for side in _global_ends(block).T)
    own = bond_features(block.bond_table, _BOND_NUMBERS)[block.bond_code]
    num_hashed = 2 * bits
    differences = np.abs(begin - end)[:, :-num_hashed]
    values = np.concatenate([own, begin + end, differences], axis=1, dtype=np.float32)
    return Environments(values, _group_numbers(block.bond_table, _BOND_GROUP)[block.bond_code])


_ATOM_GROUP = [ATOM_PROPERTIES.index(name) for name in ("atomic_number", "degree", "hybridization")]
_BOND_GROUP = [
    BOND_PROPERTIES.index(name)
    for name in ("bond_type", "begin_atomic_number", "end_atomic_number")
]


def _group_numbers(table: NDArray[np.int16], columns: Sequence[int]) -> NDArray[np.int64]:
    """Return one number for each combination of these columns, the same in every chunk."""
    first, second, third = table[:, columns].T.astype(np.int64)
    numbers: NDArray[np.int64] = first * 2**32 + second * 2**16 + third
    return numbers


def _global_ends(block: MolBlock) -> NDArray[np.int64]:
    """Return [B, 2] atoms of each bond, counted over the whole block."""
    first_atom = np.repeat(block.atom_offsets()[:-1], block.num_bonds)
    ends: NDArray[np.int64] = first_atom[:, None] + block.bond_ends
    return ends


def _sum_of_neighbours(values: NDArray[np.float32], ends: NDArray[np.int64]) -> NDArray[np.float32]:
    out = np.zeros_like(values)
    np.add.at(out, ends[:, 0], values[ends[:, 1]])
    np.add.at(out, ends[:, 1], values[ends[:, 0]])
    return out


def _hashed_environments(mol: Chem.Mol, bits: int) -> NDArray[np.uint8]:
    """Return [n, 2 * bits]: one bit for each atom's Morgan environment of radius 1 and of 2."""
    generator = rdFingerprintGenerator.GetMorganGenerator(
        radius=2, includeRedundantEnvironments=True
    )
    extra = rdFingerprintGenerator.AdditionalOutput()
    extra.AllocateBitInfoMap()
    generator.GetSparseCountFingerprint(mol, additionalOutput=extra)
    out = np.zeros((mol.GetNumAtoms(), 2 * bits), np.uint8)
    for environment, places in extra.GetBitInfoMap().items():
        for atom, radius in places:
            if radius:
                out[atom, (radius - 1) * bits + environment % bits] = 1
    return out
