"""Carries labels of atoms, bonds and pairs from one SMILES of a molecule to another one of it."""

from collections.abc import Iterator
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.batching.isomorphism import AtomGraph, match_atoms
from graphium.config.data import Level
from graphium.graphs.levels import level_sizes, num_pairs, pair_ends, pair_number
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES

_ELEMENT, _CHARGE, _EXPLICIT, _IMPLICIT, _AROMATIC = map(
    ATOM_PROPERTIES.index,
    (
        "atomic_number",
        "formal_charge",
        "explicit_hydrogens",
        "implicit_hydrogens",
        "is_aromatic",
    ),
)
_BOND_TYPE = BOND_PROPERTIES.index("bond_type")


def align_pieces(
    block: MolBlock, rows: NDArray[np.int64], targets: NDArray[np.int64], level: Level
) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Say which atom, bond or pair of atoms of each row is which one of its target.

    Atoms with the same canonical rank correspond, if then elements, charges, hydrogens and all
    bonds agree. Otherwise (joins by coarser keys than canonical SMILES) the graphs are matched; a
    row is aligned only if elements agree and every bond of the one is a bond of the other.

    Args:
        block: All molecules.
        rows: [R] molecules whose labels are to be carried over...
        targets: [R] ...to the atom order of these molecules.
        level: What to align.

    Returns:
        [R] whether the row is aligned, and for each row in turn the position inside the row's
        molecule of each atom (bond, pair), in the target's order. Meaningless where not aligned.
    """
    lengths = level_sizes(level, block.num_atoms[rows], block.num_bonds[rows])
    starts = offsets(lengths)
    inner = np.arange(starts[-1]) - np.repeat(starts[:-1], lengths)  # as if nothing moved
    aligned = (block.num_atoms[rows] == block.num_atoms[targets]) & (
        block.num_bonds[rows] == block.num_bonds[targets]
    )
    moved = np.flatnonzero(aligned & (rows != targets))
    aligned[moved], atoms, bonds = _match(block, rows[moved], targets[moved])
    place = ragged_index(starts[moved], lengths[moved])
    match level:
        case "node":
            inner[place] = atoms
        case "edge":
            inner[place] = bonds
        case "nodepair":
            inner[place] = _pairs_of(atoms, block.num_atoms[rows[moved]])
        case "graph":
            pass  # a molecule has one label whatever the order of its atoms
        case _:
            assert_never(level)
    return aligned, inner


def _pairs_of(atoms: NDArray[np.int64], num_atoms: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return which pair of the row each pair of the target is, from which atom each atom is."""
    pairs = num_pairs(num_atoms.astype(np.int64))
    starts, sizes = offsets(pairs), np.repeat(num_atoms, pairs)
    ends = pair_ends(np.arange(starts[-1]) - np.repeat(starts[:-1], pairs), sizes)
    first_atom = np.repeat(offsets(num_atoms)[:-1], pairs)
    return pair_number(atoms[first_atom[:, None] + ends], sizes)


def _match(
    block: MolBlock, rows: NDArray[np.int64], targets: NDArray[np.int64]
) -> tuple[NDArray[np.bool_], NDArray[np.int64], NDArray[np.int64]]:
    """Match molecules of equal sizes: [R] success, and positions of all atoms and of all bonds."""
    num_atoms, num_bonds = block.num_atoms[rows], block.num_bonds[rows]
    first_atom, first_bond = offsets(num_atoms), offsets(num_bonds)
    piece_of_atom = np.repeat(np.arange(len(rows)), num_atoms)
    piece_of_bond = np.repeat(np.arange(len(rows)), num_bonds)

    rank, kind = _ranks_and_kinds(block, rows)
    target_rank, target_kind = _ranks_and_kinds(block, targets)
    atom_of_rank = np.empty(len(rank), np.int64)
    atom_of_rank[first_atom[piece_of_atom] + rank] = (
        np.arange(len(rank)) - first_atom[piece_of_atom]
    )
    atoms = atom_of_rank[first_atom[piece_of_atom] + target_rank]
    wrong = (kind[first_atom[piece_of_atom] + atoms] != target_kind).any(axis=1)
    mismatches = np.bincount(piece_of_atom, wrong, minlength=len(rows))

    key, bond_type = _bond_keys(block, rows, rank, first_atom, piece_of_bond)
    target_key, target_type = _bond_keys(block, targets, target_rank, first_atom, piece_of_bond)
    by_key, by_target_key = np.argsort(key, kind="stable"), np.argsort(target_key, kind="stable")
    bonds = np.empty(len(key), np.int64)
    bonds[by_target_key] = by_key - first_bond[piece_of_bond]
    wrong = (key[by_key] != target_key[by_target_key]) | (
        bond_type[by_key] != target_type[by_target_key]
    )
    mismatches += np.bincount(piece_of_bond, wrong, minlength=len(rows))
    is_matched = mismatches == 0
    for piece, found in _match_graphs(block, rows, targets, np.flatnonzero(~is_matched)):
        is_matched[piece] = True
        atoms[first_atom[piece] : first_atom[piece + 1]] = found[0]
        bonds[first_bond[piece] : first_bond[piece + 1]] = found[1]
    return is_matched, atoms, bonds


def _match_graphs(
    block: MolBlock,
    rows: NDArray[np.int64],
    targets: NDArray[np.int64],
    pieces: NDArray[np.int64],
) -> Iterator[tuple[int, tuple[list[int], list[int]]]]:
    """Yield those pieces whose graphs match, with the row's atom and bond for each of the target's.

    Takes a millisecond each, so it is for the few whose ranks tell nothing.
    """
    if not len(pieces):
        return
    atom_offset, bond_offset = block.atom_offsets(), block.bond_offsets()

    def graph(molecule: int) -> AtomGraph:
        codes = block.atom_code[atom_offset[molecule] : atom_offset[molecule + 1]]
        bonds = slice(bond_offset[molecule], bond_offset[molecule + 1])
        return AtomGraph(
            [tuple(kind) for kind in _kinds(block, codes).tolist()],
            [(first, second) for first, second in block.bond_ends[bonds].tolist()],
            block.bond_table[block.bond_code[bonds], _BOND_TYPE].tolist(),
        )

    for piece in pieces.tolist():
        row, target = graph(rows[piece]), graph(targets[piece])
        atoms = match_atoms(row, target)
        if atoms is not None:
            bond_at = {frozenset(ends): bond for bond, ends in enumerate(row.ends)}
            bonds = [bond_at[frozenset((atoms[a], atoms[b]))] for a, b in target.ends]
            yield piece, (atoms, bonds)


def _ranks_and_kinds(
    block: MolBlock, molecules: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    atoms = ragged_index(block.atom_offsets()[molecules], block.num_atoms[molecules])
    assert block.atom_rank is not None, "a store with labels of atoms has their ranks"
    return block.atom_rank[atoms].astype(np.int64), _kinds(block, block.atom_code[atoms])


def _kinds(block: MolBlock, codes: NDArray[np.uint16]) -> NDArray[np.int16]:
    """Return [N, 4] element, charge, hydrogens that are no atoms, and aromaticity."""
    rows = block.atom_table[codes]
    hydrogens = rows[:, _EXPLICIT] + rows[:, _IMPLICIT]
    return np.stack([rows[:, _ELEMENT], rows[:, _CHARGE], hydrogens, rows[:, _AROMATIC]], axis=1)


def _bond_keys(
    block: MolBlock,
    molecules: NDArray[np.int64],
    rank: NDArray[np.int64],
    first_atom: NDArray[np.int64],
    piece: NDArray[np.int64],
) -> tuple[NDArray[np.int64], NDArray[np.int16]]:
    """Return a number for each bond, equal in one piece for equal end ranks, and its type."""
    bonds = ragged_index(block.bond_offsets()[molecules], block.num_bonds[molecules])
    ends = np.sort(rank[first_atom[piece][:, None] + block.bond_ends[bonds]], axis=1)
    keys: NDArray[np.int64] = (piece << 32) | (ends[:, 0] << 16) | ends[:, 1]
    return keys, block.bond_table[block.bond_code[bonds], _BOND_TYPE]
