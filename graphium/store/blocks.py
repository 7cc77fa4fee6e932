"""Blocks of molecules put together, or some of their molecules taken out."""

from collections.abc import Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES

PIECES = 1 << 16
"""Molecules that are taken out at once."""

_T = TypeVar("_T", bound=np.generic)


def merge_blocks(blocks: Sequence[MolBlock], *, is_compact: bool = False) -> MolBlock:
    """Return all molecules in order, with one vocabulary.

    The merged vocabulary has each tuple that occurs once, sorted: it depends on the molecules
    only, never on how they were divided into blocks.

    Args:
        blocks: The molecules; their integers may be narrower than those of the result.
        is_compact: Whether every row of their tables is known to occur, as in merged blocks.
    """
    if not blocks:
        return _empty_block()
    atom_table, atom_code = _merge_codes(
        [block.atom_table for block in blocks],
        [block.atom_code for block in blocks],
        is_compact=is_compact,
    )
    bond_table, bond_code = _merge_codes(
        [block.bond_table for block in blocks],
        [block.bond_code for block in blocks],
        is_compact=is_compact,
    )
    return MolBlock(
        num_atoms=np.concatenate([block.num_atoms for block in blocks], dtype=np.int32),
        num_bonds=np.concatenate([block.num_bonds for block in blocks], dtype=np.int32),
        atom_code=atom_code,
        bond_ends=np.concatenate([block.bond_ends for block in blocks], dtype=np.uint16),
        bond_code=bond_code,
        atom_table=atom_table,
        bond_table=bond_table,
        join_hash=np.concatenate([block.join_hash for block in blocks]),
        split_hash=np.concatenate([block.split_hash for block in blocks]),
        atom_rank=_merge_ranks(blocks),
        positions=_merge_positions(blocks),
    )


def select_molecules(block: MolBlock, molecules: NDArray[np.int64]) -> MolBlock:
    """Return these molecules, in this order, with the same vocabulary."""
    atoms = (block.atom_offsets()[molecules], block.num_atoms[molecules])
    bonds = (block.bond_offsets()[molecules], block.num_bonds[molecules])
    return MolBlock(
        num_atoms=atoms[1],
        num_bonds=bonds[1],
        atom_code=_take_pieces(block.atom_code, *atoms),
        bond_ends=_take_pieces(block.bond_ends, *bonds),
        bond_code=_take_pieces(block.bond_code, *bonds),
        atom_table=block.atom_table,
        bond_table=block.bond_table,
        join_hash=block.join_hash[molecules],
        split_hash=block.split_hash[molecules],
        atom_rank=None if block.atom_rank is None else _take_pieces(block.atom_rank, *atoms),
        positions=None if block.positions is None else _take_pieces(block.positions, *atoms),
    )


def _take_pieces(
    values: NDArray[_T], starts: NDArray[np.int64], lengths: NDArray[np.integer]
) -> NDArray[_T]:
    """Return ``values[starts[i] : starts[i] + lengths[i]]`` of all i, one after another.

    Some after others: the index of all would be larger than what it takes out.
    """
    ends = offsets(lengths)
    out = np.empty((ends[-1], *values.shape[1:]), values.dtype)
    for first in range(0, len(starts), PIECES):
        some = slice(first, first + PIECES)
        last = min(first + PIECES, len(starts))
        out[ends[first] : ends[last]] = values[ragged_index(starts[some], lengths[some])]
    return out


def _merge_positions(blocks: Sequence[MolBlock]) -> NDArray[np.float32] | None:
    """Return the coordinates of all atoms, NaN where a block has none; None where none has any."""
    if all(block.positions is None for block in blocks):
        return None
    return np.concatenate(
        [
            np.full((len(block.atom_code), 3), np.nan, np.float32)
            if block.positions is None
            else block.positions
            for block in blocks
        ]
    )


def _merge_ranks(blocks: Sequence[MolBlock]) -> NDArray[np.uint16] | None:
    if all(block.atom_rank is None for block in blocks):
        return None
    return np.concatenate(
        [
            np.zeros(len(block.atom_code), np.uint16)
            if block.atom_rank is None
            else block.atom_rank
            for block in blocks
        ],
        dtype=np.uint16,
    )


def _merge_codes(
    tables: Sequence[NDArray[np.int16]], codes: Sequence[NDArray[np.uint16]], *, is_compact: bool
) -> tuple[NDArray[np.int16], NDArray[np.uint16]]:
    used = [
        np.arange(len(table)) if is_compact else _used_rows(code, len(table))
        for table, code in zip(tables, codes, strict=True)
    ]
    rows = np.concatenate([table[known] for table, known in zip(tables, used, strict=True)])
    merged, position = np.unique(rows, axis=0, return_inverse=True)
    if len(merged) > np.iinfo(np.uint16).max:
        raise OverflowError(f"{len(merged)} distinct atoms or bonds do not fit 16 bits")
    position = position.reshape(-1)
    out = np.empty(sum(map(len, codes)), np.uint16)
    first = start = 0
    for table, code, known in zip(tables, codes, used, strict=True):
        renumber = np.zeros(len(table), np.uint16)
        renumber[known] = position[first : first + len(known)]
        # "raise" would take a copy more; codes fit their table, seen above or by their digest.
        renumber.take(code, out=out[start : start + len(code)], mode="clip")
        first, start = first + len(known), start + len(code)
    return merged.astype(np.int16), out


def _used_rows(code: NDArray[np.uint16], rows: int) -> NDArray[np.int64]:
    """Return the rows of a table that occur, increasing; ``np.unique`` takes twice as long."""
    is_used = np.zeros(rows, bool)
    is_used[code] = True
    return np.flatnonzero(is_used)


def _empty_block() -> MolBlock:
    return MolBlock(
        num_atoms=np.zeros(0, np.int32),
        num_bonds=np.zeros(0, np.int32),
        atom_code=np.zeros(0, np.uint16),
        bond_ends=np.zeros((0, 2), np.uint16),
        bond_code=np.zeros(0, np.uint16),
        atom_table=np.zeros((0, len(ATOM_PROPERTIES)), np.int16),
        bond_table=np.zeros((0, len(BOND_PROPERTIES)), np.int16),
        join_hash=np.zeros((0, 2), np.uint64),
        split_hash=np.zeros((0, 2), np.uint64),
        atom_rank=None,
    )
