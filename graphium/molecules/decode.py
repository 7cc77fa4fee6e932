"""Reads ``Mol.ToBinary()`` of many molecules at once: all atoms, bonds and rings as flat arrays.

RDKit's getters cost a call for each atom and property; its own serialisation holds the same facts
and is made in one call for each molecule. The layout is RDKit's private matter, so everything that
is not exactly as expected refuses the molecule (which then takes the getters), and ``fast_path.py``
allows only versions of RDKit for which the equality with the getters has been shown.

One molecule, as format 16 writes it (all numbers little-endian; one byte each unless said)::

    header    20 bytes; number of atoms, of bonds (4 each); 0x80; 0x01
    atoms     atomic number; flags; which fields follow (4); those fields
    0x0b
    bonds     begin; end; flags; type; direction; stereo, number of stereo atoms, those atoms
    0x42      number of rings (4); for each its size and its atoms
    trailer   10 bytes

Records have different lengths, so the molecules are walked side by side: the first record of each,
then the second of each that has two. ``kernels.py`` walks one molecule after another, compiled.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.mol_block import offsets, ragged_index
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES

HEADER = bytes([0xEF, 0xBE, 0xAD, 0xDE, 0, 0, 0, 0, 16, 0, 0, 0])
"""Magic number and the major version of the format; minor version and patch are free."""
HEADER_BYTES = 20
ATOMS_AT = 30
"""First byte of the first atom."""
BONDS_TAG, RINGS_TAG = 0x0B, 0x42
TRAILER = bytes([23, 4, 0, 0, 0, 0, 0, 0, 0, 22])
"""No conformers, no groups of stereo centres, no properties; end."""
MAX_ATOMS = 255
"""Larger molecules are written with wider numbers."""

ATOM_FLAGS = 0x60
"""Flags an atom may have: aromatic (0x40), no implicit hydrogens (0x20)."""
BOND_FLAGS = 0x6E
"""Flags a bond may have: aromatic, conjugated, and that type, direction or stereo follow."""
ISOTOPE = 0x100
"""Field of 4 bytes; fields 0x02 to 0x80 have one byte each, in this order."""
FIELDS = (
    "formal_charge", "chiral_tag", "hybridization", "explicit_hydrogens", "explicit_valence",
    "implicit_valence", "radical_electrons",
)  # fmt: skip
HYBRIDIZATION_DEFAULT = 4
"""sp3; every other field that does not follow is 0."""
STEREO_FLAG, DIRECTION_FLAG, TYPE_FLAG, CONJUGATED_FLAG, AROMATIC_FLAG = 2, 4, 8, 0x20, 0x40
MAX_RING_BIT = 14
"""Largest ring with a bit of its own in ``ring_sizes``."""

Bytes = NDArray[np.uint8]
Positions = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Decoded:
    """S molecules; a refused one has no atoms and no bonds here."""

    num_atoms: NDArray[np.int32]
    """[S] atoms of each molecule."""
    num_bonds: NDArray[np.int32]
    """[S] bonds of each molecule."""
    atoms: NDArray[np.int16]
    """[N, len(ATOM_PROPERTIES)] but for ``cip_code``, which is 0: it is no part of the layout."""
    ends: NDArray[np.uint16]
    """[B, 2] begin and end atom of each bond, counted inside its molecule."""
    bonds: NDArray[np.int16]
    """[B, len(BOND_PROPERTIES)]."""
    is_refused: NDArray[np.bool_]
    """[S] not read, because something in it is unknown."""


@dataclass(frozen=True, slots=True)
class Buffer:
    """The serialised molecules, one after another."""

    content: Bytes
    """All bytes, and some zeros so that reading a few bytes beyond the end does no harm."""
    start: Positions
    """[S] first byte of each molecule."""
    length: Positions
    """[S] bytes of each molecule."""

    @property
    def last(self) -> int:
        """Highest position from which a record may be read."""
        return len(self.content) - _PADDING


_PADDING = 64


def join_blobs(blobs: Sequence[bytes]) -> Buffer:
    """Return one buffer for all molecules."""
    length = np.fromiter(map(len, blobs), np.int64, len(blobs))
    content = np.frombuffer(b"".join(blobs) + bytes(_PADDING), np.uint8)
    return Buffer(content, offsets(length)[:-1], length)


def decode(buffer: Buffer) -> Decoded:
    """Read S serialised molecules (``Mol.ToBinary(0)``)."""
    num_atoms, num_bonds, known = _sizes(buffer)
    atom_at, after_atoms = _walk(
        buffer, buffer.start + ATOMS_AT, num_atoms, lambda at: _atom_length(buffer.content, at)
    )
    bond_at, after_bonds = _walk(
        buffer, after_atoms + 1, num_bonds, lambda at: _bond_length(buffer.content, at)
    )
    num_rings = np.where(known, _int32(buffer.content, after_bonds + 1), 0)
    known &= (num_rings >= 0) & (num_rings <= buffer.length)
    num_rings = np.where(known, num_rings, 0)
    ring_at, after_rings = _walk(
        buffer, after_bonds + 5, num_rings, lambda at: 1 + buffer.content[at].astype(np.int64)
    )
    known &= buffer.content[after_atoms] == BONDS_TAG
    known &= buffer.content[after_bonds] == RINGS_TAG
    known &= _ends_well(buffer, after_rings)
    known &= _all(
        _has_own_members(buffer.content, ring_at, np.repeat(num_atoms, num_rings)), num_rings
    )
    known &= _all(_is_known_atom(buffer.content, atom_at), num_atoms)
    known &= _all(
        _is_known_bond(buffer.content, bond_at, np.repeat(num_atoms, num_bonds)), num_bonds
    )
    atom_at, bond_at, ring_at = (
        at[np.repeat(known, counts)]
        for at, counts in ((atom_at, num_atoms), (bond_at, num_bonds), (ring_at, num_rings))
    )
    num_atoms, num_bonds, num_rings = (
        np.where(known, counts, 0) for counts in (num_atoms, num_bonds, num_rings)
    )
    atoms = _atom_columns(buffer.content, atom_at)
    ends, bonds, place = _bond_columns(buffer.content, bond_at, num_atoms, num_bonds, atoms)
    _add_rings(buffer.content, ring_at, num_atoms, num_rings, atoms, bonds, place)
    return Decoded(
        num_atoms.astype(np.int32), num_bonds.astype(np.int32), atoms, ends, bonds, ~known
    )


def _sizes(buffer: Buffer) -> tuple[Positions, Positions, NDArray[np.bool_]]:
    """Return [S] atoms and bonds, 0 where the header is not as expected, and where it is."""
    header = buffer.content[buffer.start[:, None] + np.arange(ATOMS_AT)]  # [S, 30]
    known = (header[:, : len(HEADER)] == np.frombuffer(HEADER, np.uint8)).all(axis=1)
    known &= (header[:, 28] == 0x80) & (header[:, 29] == 1)
    counts = np.ascontiguousarray(header[:, 20:28]).view("<i4").astype(np.int64)
    known &= (counts[:, 0] > 0) & (counts[:, 0] <= MAX_ATOMS)
    known &= (counts[:, 1] >= 0) & (counts[:, 1] <= buffer.length)
    return np.where(known, counts[:, 0], 0), np.where(known, counts[:, 1], 0), known


def _walk(
    buffer: Buffer, first: Positions, counts: Positions, length: Callable[[Positions], Positions]
) -> tuple[Positions, Positions]:
    """Return the positions of all records, molecule by molecule, and [S] what follows the last."""
    order = np.argsort(-counts, kind="stable")
    here = np.minimum(first[order], buffer.last)
    place = offsets(counts)[:-1][order]
    out = np.empty(int(counts.sum()), np.int64)
    longest = int(counts.max(initial=0))
    active = np.searchsorted(-counts[order], -np.arange(1, longest + 1), side="right")
    for step, number in enumerate(active.tolist()):
        at = here[:number]
        out[place[:number] + step] = at
        here[:number] = np.minimum(at + length(at), buffer.last)  # whatever is read stays inside
    after = np.empty_like(here)
    after[order] = here
    return out, after


def _all(is_known: NDArray[np.bool_], counts: Positions) -> NDArray[np.bool_]:
    """Return [S] whether all records of a molecule are known."""
    unknown = np.repeat(np.arange(len(counts)), counts)[~is_known]
    all_known: NDArray[np.bool_] = np.bincount(unknown, minlength=len(counts)) == 0
    return all_known


def _int32(content: Bytes, at: Positions) -> Positions:
    value: Positions = content[at[:, None] + np.arange(4)].view("<i4")[:, 0].astype(np.int64)
    return value


def _ends_well(buffer: Buffer, at: Positions) -> NDArray[np.bool_]:
    trailer = buffer.content[at[:, None] + np.arange(len(TRAILER))]
    is_trailer: NDArray[np.bool_] = (trailer == np.frombuffer(TRAILER, np.uint8)).all(axis=1)
    is_trailer &= at + len(TRAILER) == buffer.start + buffer.length
    return is_trailer


_BITS = (np.arange(256)[:, None] >> np.arange(1, 8)) & 1  # [256, 7] which one-byte fields follow
_NUM_FIELDS = _BITS.sum(axis=1)
_FIELD_AT = 6 + np.cumsum(_BITS, axis=1) - _BITS  # [256, 7] where, counted from the atom


def _atom_length(content: Bytes, at: Positions) -> Positions:
    length: Positions = 6 + _NUM_FIELDS[content[at + 2]] + 4 * (content[at + 3] & 1)
    return length


def _is_known_atom(content: Bytes, at: Positions) -> NDArray[np.bool_]:
    unknown = (content[at + 1] & ~np.uint8(ATOM_FLAGS)) | (content[at + 2] & 1)
    unknown |= (content[at + 3] & 0xFE) | content[at + 4] | content[at + 5]
    isotope = np.flatnonzero(content[at + 3] & 1)
    if len(isotope):
        value = _int32(content, at[isotope] + 6 + _NUM_FIELDS[content[at[isotope] + 2]])
        unknown[isotope] |= (value < 0) | (value >= 2**15)
    is_known: NDArray[np.bool_] = unknown == 0
    return is_known


def _atom_columns(content: Bytes, at: Positions) -> NDArray[np.int16]:
    atoms = np.zeros((len(at), len(ATOM_PROPERTIES)), np.int16)
    column = {name: atoms[:, k] for k, name in enumerate(ATOM_PROPERTIES)}
    which = content[at + 2]
    column["atomic_number"][:] = content[at]
    column["is_aromatic"][:] = content[at + 1] >> 6
    for k, name in enumerate(FIELDS):
        value = content[at + _FIELD_AT[which, k]].astype(np.int16)
        default = HYBRIDIZATION_DEFAULT if name == "hybridization" else 0
        column[name][:] = np.where(_BITS[which, k], value, default)
    for name in ("formal_charge", "explicit_valence", "implicit_valence"):
        column[name][:] = column[name].astype(np.int8)  # signed
    column["implicit_hydrogens"][:] = column["implicit_valence"]
    isotope = np.flatnonzero(content[at + 3] & 1)
    if len(isotope):
        column["isotope"][isotope] = _int32(content, at[isotope] + 6 + _NUM_FIELDS[which[isotope]])
    return atoms


def _bond_length(content: Bytes, at: Positions) -> Positions:
    flags = content[at + 2].astype(np.int64)
    length = 3 + ((flags >> 3) & 1) + ((flags >> 2) & 1)
    stereo = np.flatnonzero(flags & STEREO_FLAG)
    if len(stereo):
        length[stereo] += 2 + content[at[stereo] + length[stereo] + 1]
    return length


def _is_known_bond(content: Bytes, at: Positions, num_atoms: Positions) -> NDArray[np.bool_]:
    is_known: NDArray[np.bool_] = np.maximum(content[at], content[at + 1]) < num_atoms
    is_known &= (content[at + 2] & ~np.uint8(BOND_FLAGS)) == 0
    return is_known


def _has_own_members(content: Bytes, at: Positions, num_atoms: Positions) -> NDArray[np.bool_]:
    """Return [R] whether each ring consists of atoms of its molecule; at least one byte is read."""
    if not len(at):
        return np.zeros(0, np.bool_)
    sizes = content[at].astype(np.int64) + 1  # with the size itself, so that no piece is empty
    members = content[np.minimum(ragged_index(at, sizes), len(content) - 1)]
    members[offsets(sizes)[:-1]] = 0
    is_known: NDArray[np.bool_] = np.maximum.reduceat(members, offsets(sizes)[:-1]) < num_atoms
    return is_known


def _bond_columns(
    content: Bytes,
    at: Positions,
    num_atoms: Positions,
    num_bonds: Positions,
    atoms: NDArray[np.int16],
) -> tuple[NDArray[np.uint16], NDArray[np.int16], Positions]:
    """Return ends, columns, and [B, 2] ends among all atoms; counts the bonds of each atom."""
    bonds = np.zeros((len(at), len(BOND_PROPERTIES)), np.int16)
    column = {name: bonds[:, k] for k, name in enumerate(BOND_PROPERTIES)}
    ends = content[at[:, None] + np.arange(2)].astype(np.uint16)
    flags = content[at + 2]
    after = at + 3
    kind = np.where(flags & TYPE_FLAG, content[after], 1)
    after = after + ((flags >> 3) & 1) + ((flags >> 2) & 1)
    column["bond_type"][:] = kind
    column["stereo"][:] = np.where(flags & STEREO_FLAG, content[after], 0)
    column["is_conjugated"][:] = (flags & CONJUGATED_FLAG) > 0
    place = ends + np.repeat(offsets(num_atoms)[:-1], num_bonds)[:, None]  # [B, 2]
    numbers = np.sort(atoms[:, 0][place], axis=1)
    column["begin_atomic_number"][:], column["end_atomic_number"][:] = numbers.T
    for name, which in (
        ("degree", None), ("num_single_bonds", 1), ("num_double_bonds", 2),
        ("num_triple_bonds", 3), ("num_aromatic_bonds", 12),
    ):  # fmt: skip
        chosen = place if which is None else place[kind == which]
        count = np.bincount(chosen.ravel(), minlength=len(atoms))
        atoms[:, ATOM_PROPERTIES.index(name)] = count
    return ends, bonds, place


def _add_rings(
    content: Bytes,
    at: Positions,
    num_atoms: Positions,
    num_rings: Positions,
    atoms: NDArray[np.int16],
    bonds: NDArray[np.int16],
    place: Positions,
) -> None:
    """Fill the columns that speak of rings; [R] rings at these positions."""
    if not len(at):
        return
    sizes = content[at].astype(np.int64)
    first_atom = np.repeat(offsets(num_atoms)[:-1], num_rings)
    members = content[ragged_index(at + 1, sizes)] + np.repeat(first_atom, sizes)
    size = np.repeat(sizes, sizes)

    by_atom = np.lexsort((size, members))  # of one atom side by side, the smallest ring first
    atom, first, count = np.unique(members[by_atom], return_index=True, return_counts=True)
    in_order = size[by_atom]
    bits = np.where(in_order <= MAX_RING_BIT, 1 << np.maximum(in_order - 3, 0), 0)
    for name, values in (
        ("num_rings", count),
        ("min_ring", in_order[first]),
        ("max_ring", in_order[first + count - 1]),
        ("ring_sizes", np.bitwise_or.reduceat(bits, first)),
    ):
        atoms[atom, ATOM_PROPERTIES.index(name)] = values

    # A bond is in a ring when its ends follow each other in one.
    starts = offsets(sizes)
    following = np.arange(1, len(members) + 1)
    following[starts[1:] - 1] = starts[:-1]
    ring_bonds = _pair_keys(np.column_stack([members, members[following]]), len(atoms))
    is_in_ring = np.isin(_pair_keys(place, len(atoms)), ring_bonds)
    bonds[:, BOND_PROPERTIES.index("is_in_ring")] = is_in_ring


def _pair_keys(pairs: Positions, num_atoms: int) -> Positions:
    """Return one number for each unordered pair of atoms."""
    keys: Positions = pairs.min(axis=1) * num_atoms + pairs.max(axis=1)
    return keys
