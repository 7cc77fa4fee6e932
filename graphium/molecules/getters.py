"""Properties of atoms and bonds through RDKit's own getters: slow, readable, and the reference.

Everything that a faster path computes must equal this page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem

from graphium.molecules.vocabulary import encode_rows

CIP_CODES = {"R": 1, "S": 2, "r": 3, "s": 4}
"""Numbers of ``AtomRow.cip_code``."""
_EXPLICIT, _IMPLICIT = Chem.ValenceType.EXPLICIT, Chem.ValenceType.IMPLICIT
_SINGLE, _DOUBLE = int(Chem.BondType.SINGLE), int(Chem.BondType.DOUBLE)
_TRIPLE, _AROMATIC = int(Chem.BondType.TRIPLE), int(Chem.BondType.AROMATIC)


class AtomRow(NamedTuple):
    """One row of ``MolBlock.atom_table``; fields as in ``ATOM_PROPERTIES``."""

    atomic_number: int
    formal_charge: int
    isotope: int
    radical_electrons: int
    explicit_hydrogens: int
    implicit_hydrogens: int
    degree: int
    explicit_valence: int
    implicit_valence: int
    hybridization: int
    chiral_tag: int
    cip_code: int
    is_aromatic: int
    ring_sizes: int
    num_rings: int
    min_ring: int
    max_ring: int
    num_single_bonds: int
    num_double_bonds: int
    num_triple_bonds: int
    num_aromatic_bonds: int


class BondRow(NamedTuple):
    """One row of ``MolBlock.bond_table``; fields as in ``BOND_PROPERTIES``."""

    bond_type: int
    stereo: int
    is_conjugated: int
    is_in_ring: int
    begin_atomic_number: int
    end_atomic_number: int


@dataclass(frozen=True, slots=True)
class ChunkProperties:
    """Properties of the atoms and bonds of G molecules; fields as in ``MolBlock``."""

    num_atoms: NDArray[np.int32]
    num_bonds: NDArray[np.int32]
    atom_code: NDArray[np.uint16]
    bond_ends: NDArray[np.uint16]
    bond_code: NDArray[np.uint16]
    atom_table: NDArray[np.int16]
    bond_table: NDArray[np.int16]


class MoleculeRows(NamedTuple):
    """One molecule: a row for each atom and bond, and the atoms that each bond joins."""

    atoms: list[AtomRow]
    bonds: list[BondRow]
    ends: list[tuple[int, int]]


class RowArrays(NamedTuple):
    """The rows of some molecules, one molecule after another."""

    num_atoms: NDArray[np.int32]
    """[G]"""
    num_bonds: NDArray[np.int32]
    """[G]"""
    atoms: NDArray[np.int16]
    """[N, len(ATOM_PROPERTIES)]"""
    bonds: NDArray[np.int16]
    """[B, len(BOND_PROPERTIES)]"""
    ends: NDArray[np.uint16]
    """[B, 2]"""


def properties_of_chunk(mols: Sequence[Chem.Mol]) -> ChunkProperties:
    """Return the properties of all atoms and bonds, each distinct row once and in rising order."""
    rows = as_arrays([molecule_rows(mol) for mol in mols])
    atom_table, atom_code = encode_rows(rows.atoms)
    bond_table, bond_code = encode_rows(rows.bonds)
    return ChunkProperties(
        rows.num_atoms, rows.num_bonds, atom_code, rows.ends, bond_code, atom_table, bond_table
    )


def as_arrays(rows: Sequence[MoleculeRows]) -> RowArrays:
    """Return the rows as arrays."""
    atoms = [row for one in rows for row in one.atoms]
    bonds = [row for one in rows for row in one.bonds]
    ends = [pair for one in rows for pair in one.ends]
    return RowArrays(
        np.array([len(one.atoms) for one in rows], np.int32),
        np.array([len(one.bonds) for one in rows], np.int32),
        np.array(atoms, np.int16).reshape(-1, len(AtomRow._fields)),
        np.array(bonds, np.int16).reshape(-1, len(BondRow._fields)),
        np.array(ends, np.uint16).reshape(-1, 2),
    )


def molecule_rows(mol: Chem.Mol) -> MoleculeRows:
    """Return the properties of each atom and bond."""
    atoms = list(mol.GetAtoms())
    numbers = [atom.GetAtomicNum() for atom in atoms]
    bond_types: list[list[int]] = [[] for _ in atoms]
    bonds: list[BondRow] = []
    ends: list[tuple[int, int]] = []
    for bond in mol.GetBonds():
        begin, end = bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()
        row = _bond_row(bond, numbers[begin], numbers[end])
        bond_types[begin].append(row.bond_type)
        bond_types[end].append(row.bond_type)
        bonds.append(row)
        ends.append((begin, end))
    ring_sizes: list[list[int]] = [[] for _ in atoms]
    for ring in mol.GetRingInfo().AtomRings():
        for member in ring:
            ring_sizes[member].append(len(ring))
    rows = [_atom_row(*parts) for parts in zip(atoms, bond_types, ring_sizes, strict=True)]
    return MoleculeRows(rows, bonds, ends)


def _atom_row(atom: Chem.Atom, bond_types: list[int], ring_sizes: list[int]) -> AtomRow:
    tag = int(atom.GetChiralTag())
    cip = atom.GetProp("_CIPCode") if tag and atom.HasProp("_CIPCode") else None
    return AtomRow(
        atomic_number=atom.GetAtomicNum(),
        formal_charge=atom.GetFormalCharge(),
        isotope=atom.GetIsotope(),
        radical_electrons=atom.GetNumRadicalElectrons(),
        explicit_hydrogens=atom.GetNumExplicitHs(),
        implicit_hydrogens=atom.GetNumImplicitHs(),
        degree=len(bond_types),
        explicit_valence=atom.GetValence(_EXPLICIT),
        implicit_valence=atom.GetValence(_IMPLICIT),
        hybridization=int(atom.GetHybridization()),
        chiral_tag=tag,
        cip_code=CIP_CODES[cip] if cip else 0,
        is_aromatic=int(atom.GetIsAromatic()),
        ring_sizes=_bits(ring_sizes),
        num_rings=len(ring_sizes),
        min_ring=min(ring_sizes, default=0),
        max_ring=max(ring_sizes, default=0),
        num_single_bonds=bond_types.count(_SINGLE),
        num_double_bonds=bond_types.count(_DOUBLE),
        num_triple_bonds=bond_types.count(_TRIPLE),
        num_aromatic_bonds=bond_types.count(_AROMATIC),
    )


def _bits(ring_sizes: list[int]) -> int:
    """Return bit k for a ring of k + 3 atoms, k < 12."""
    bits = 0
    for size in ring_sizes:
        bits |= 1 << (size - 3) if size < 15 else 0
    return bits


def _bond_row(bond: Chem.Bond, first: int, second: int) -> BondRow:
    return BondRow(
        bond_type=int(bond.GetBondType()),
        stereo=int(bond.GetStereo()),
        is_conjugated=int(bond.GetIsConjugated()),
        is_in_ring=int(bond.IsInRing()),
        begin_atomic_number=min(first, second),
        end_atomic_number=max(first, second),
    )
