"""A chunk of featurised molecules as flat numpy arrays: what featurisation makes and a store keeps.

Which properties of an atom and a bond are kept is the list in ``properties.py``.

Ragged data are flat arrays beside lengths. An atom's whole tuple of properties is one row of a
small vocabulary (``atom_table``), so an atom is one code; the same for bonds. Each bond stands
once.
"""

from dataclasses import dataclass
from enum import IntEnum

import numpy as np
from numpy.typing import NDArray


class RowStatus(IntEnum):
    """What became of one row of a table."""

    OK = 0
    SYNTAX = 1
    VALENCE = 2
    KEKULIZE = 3
    EMPTY = 4
    TOO_BIG = 5
    TIMEOUT = 6
    NOT_ASCII = 7
    LABELS = 8
    """The molecule is fine; a list of labels does not fit its atoms, bonds or pairs of atoms."""
    CRASHED = 9
    """Reading it ended the process, or took more memory than a process may have."""


@dataclass(frozen=True, slots=True)
class MolBlock:
    """G molecules with N atoms and B bonds in all.

    Atoms of a molecule follow the order of its SMILES (RDKit's order); bonds too.
    """

    num_atoms: NDArray[np.int32]
    """[G] atoms of each molecule."""
    num_bonds: NDArray[np.int32]
    """[G] bonds of each molecule."""
    atom_code: NDArray[np.uint16]
    """[N] row of ``atom_table`` for each atom."""
    bond_ends: NDArray[np.uint16]
    """[B, 2] begin and end atom of each bond, counted inside its molecule."""
    bond_code: NDArray[np.uint16]
    """[B] row of ``bond_table`` for each bond."""
    atom_table: NDArray[np.int16]
    """[V, len(ATOM_PROPERTIES)] distinct atoms."""
    bond_table: NDArray[np.int16]
    """[W, len(BOND_PROPERTIES)] distinct bonds."""
    join_hash: NDArray[np.uint64]
    """[G, 2] order-free hash of the whole molecule's connectivity, equal for equal molecules. It
    only proposes who may be equal; the canonical form of ``molecules/identity.py`` decides. From a
    store it is [G, 1]: the first half, which proposes as well."""
    split_hash: NDArray[np.uint64]
    """[G, 2], or [G, 1], the same of the largest fragment. Both are [G, 0] where they were not
    read."""
    atom_rank: NDArray[np.uint16] | None
    """[N] canonical rank of each atom inside its molecule (a permutation of 0..n-1); only labels of
    atoms, bonds and pairs need them. None where there are none; 0 for molecules that came without
    into a block that has some."""

    positions: NDArray[np.float32] | None = None
    """[N, 3] coordinates of each atom in angstrom, where the store keeps them; NaN for all atoms of
    a molecule that has none. Only distances inside one component mean anything."""

    @property
    def num_molecules(self) -> int:
        """G."""
        return len(self.num_atoms)

    def atom_offsets(self) -> NDArray[np.int64]:
        """[G + 1] first atom of each molecule in the flat arrays."""
        return offsets(self.num_atoms)

    def bond_offsets(self) -> NDArray[np.int64]:
        """[G + 1] first bond of each molecule in the flat arrays."""
        return offsets(self.num_bonds)


def offsets(lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return [G + 1] positions where G consecutive pieces of these lengths begin, and the end."""
    out = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=out[1:])
    return out


def ragged_index(starts: NDArray[np.int64], lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the flat positions of pieces ``starts[i] : starts[i] + lengths[i]``, in order.

    >>> ragged_index(np.array([5, 0]), np.array([2, 3])).tolist()
    [5, 6, 0, 1, 2]
    """
    ends = np.cumsum(lengths)
    total = int(ends[-1]) if len(ends) else 0
    return np.repeat(starts - (ends - lengths), lengths) + np.arange(total)
