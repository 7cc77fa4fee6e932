"""Compiled twins of the slowest array code of featurisation; nothing here adds a result of its own.

Import it only where the seconds that numba takes to start are well spent (``fast_path.py``): each
function equals its numpy counterpart bit for bit, and everything works without numba.
"""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from graphium.graphs.mol_block import offsets
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.molecules.decode import (
    ATOM_FLAGS,
    ATOMS_AT,
    BOND_FLAGS,
    BONDS_TAG,
    FIELDS,
    HEADER,
    HYBRIDIZATION_DEFAULT,
    MAX_ATOMS,
    MAX_RING_BIT,
    RINGS_TAG,
    TRAILER,
    Buffer,
    Decoded,
)
from graphium.molecules.hashes import MULTIPLIERS, ROUNDS

_HEADER = np.frombuffer(HEADER, np.uint8)
_TRAILER = np.frombuffer(TRAILER, np.uint8)
_FIELD_COLUMNS = np.array([ATOM_PROPERTIES.index(name) for name in FIELDS])
_NUM_ATOM_COLUMNS, _NUM_BOND_COLUMNS = len(ATOM_PROPERTIES), len(BOND_PROPERTIES)
_SIGNED = np.array(
    [name in ("formal_charge", "explicit_valence", "implicit_valence") for name in FIELDS]
)
(
    _NUMBER, _ISOTOPE, _IMPLICIT_HYDROGENS, _DEGREE, _IMPLICIT_VALENCE, _HYBRIDIZATION, _AROMATIC,
    _RING_SIZES, _NUM_RINGS, _MIN_RING, _MAX_RING, _SINGLE, _DOUBLE, _TRIPLE, _AROMATIC_BONDS,
) = (
    ATOM_PROPERTIES.index(name)
    for name in (
        "atomic_number", "isotope", "implicit_hydrogens", "degree", "implicit_valence",
        "hybridization", "is_aromatic", "ring_sizes", "num_rings", "min_ring", "max_ring",
        "num_single_bonds", "num_double_bonds", "num_triple_bonds", "num_aromatic_bonds",
    )
)  # fmt: skip
_TYPE, _STEREO, _CONJUGATED, _IN_RING, _BEGIN, _END = (
    BOND_PROPERTIES.index(name)
    for name in (
        "bond_type", "stereo", "is_conjugated", "is_in_ring", "begin_atomic_number",
        "end_atomic_number",
    )
)  # fmt: skip


def decode(buffer: Buffer) -> Decoded:
    """Do what ``decode.decode`` does."""
    num_atoms, num_bonds = _sizes(buffer.content, buffer.start, buffer.length)
    atoms = np.zeros((int(num_atoms.sum()), _NUM_ATOM_COLUMNS), np.int16)
    bonds = np.zeros((int(num_bonds.sum()), _NUM_BOND_COLUMNS), np.int16)
    ends = np.zeros((len(bonds), 2), np.uint16)
    known = _read(
        buffer.content, buffer.start, buffer.length, offsets(num_atoms), offsets(num_bonds),
        atoms, ends, bonds,
    )  # fmt: skip
    if not known.all():
        atoms = atoms[np.repeat(known, num_atoms)]
        in_known = np.repeat(known, num_bonds)
        ends, bonds = ends[in_known], bonds[in_known]
        num_atoms, num_bonds = np.where(known, num_atoms, 0), np.where(known, num_bonds, 0)
    return Decoded(
        num_atoms.astype(np.int32), num_bonds.astype(np.int32), atoms, ends, bonds, ~known
    )


@njit(cache=True, nogil=True)
def _sizes(
    content: NDArray[np.uint8], start: NDArray[np.int64], length: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    num_atoms = np.zeros(len(start), np.int64)
    num_bonds = np.zeros(len(start), np.int64)
    for m in range(len(start)):
        at = start[m]
        if length[m] < ATOMS_AT or content[at + 28] != 0x80 or content[at + 29] != 1:
            continue
        if (content[at : at + len(_HEADER)] != _HEADER).any():
            continue
        atoms, bonds = _int32(content, at + 20), _int32(content, at + 24)
        if 0 <= atoms <= MAX_ATOMS and 0 <= bonds <= length[m]:
            num_atoms[m], num_bonds[m] = atoms, bonds
    return num_atoms, num_bonds


@njit(cache=True, nogil=True)
def _int32(content: NDArray[np.uint8], at: int) -> np.int64:
    value = np.int64(0)
    for k in range(4):
        value |= np.int64(content[at + k]) << (8 * k)
    return value - np.int64(2**32) if value >= 2**31 else value


@njit(cache=True, nogil=True)
def _read(
    content: NDArray[np.uint8],
    start: NDArray[np.int64],
    length: NDArray[np.int64],
    atom_first: NDArray[np.int64],
    bond_first: NDArray[np.int64],
    atoms: NDArray[np.int16],
    ends: NDArray[np.uint16],
    bonds: NDArray[np.int16],
) -> NDArray[np.bool_]:
    """Fill the columns of all molecules; returns [S] which ones are known through and through."""
    known = np.zeros(len(start), np.bool_)
    in_ring = np.zeros((MAX_ATOMS + 1, MAX_ATOMS + 1), np.bool_)
    for m in range(len(start)):
        if atom_first[m + 1] == atom_first[m]:  # nothing is written without atoms
            continue
        stop = start[m] + length[m] - len(_TRAILER)
        own_atoms = atoms[atom_first[m] : atom_first[m + 1]]
        own_bonds = bonds[bond_first[m] : bond_first[m + 1]]
        own_ends = ends[bond_first[m] : bond_first[m + 1]]
        at = _read_atoms(content, start[m] + ATOMS_AT, stop, own_atoms)
        if at < 0 or content[at] != BONDS_TAG:
            continue
        at = _read_bonds(content, at + 1, stop, own_atoms, own_ends, own_bonds)
        if at < 0 or content[at] != RINGS_TAG:
            continue
        at = _read_rings(content, at + 1, stop, own_atoms, own_ends, own_bonds, in_ring)
        known[m] = at == stop and (content[at : at + len(_TRAILER)] == _TRAILER).all()
        if not known[m]:
            in_ring[:] = False
    return known


@njit(cache=True, nogil=True)
def _read_atoms(content: NDArray[np.uint8], at: int, stop: int, atoms: NDArray[np.int16]) -> int:
    """Return what follows the last atom, or -1 where one is unknown."""
    for a in range(len(atoms)):
        if at >= stop:
            return -1
        flags, fields, more = content[at + 1], content[at + 2], content[at + 3]
        if (flags & ~ATOM_FLAGS) or (fields & 1) or (more & 0xFE):
            return -1
        if content[at + 4] or content[at + 5]:
            return -1
        row = atoms[a]
        row[_NUMBER] = content[at]
        row[_AROMATIC] = flags >> 6
        row[_HYBRIDIZATION] = HYBRIDIZATION_DEFAULT
        at += 6
        for k in range(len(_FIELD_COLUMNS)):
            if fields >> (k + 1) & 1:
                value = np.int16(content[at])
                if _SIGNED[k] and value > 127:
                    value -= 256
                row[_FIELD_COLUMNS[k]] = value
                at += 1
        row[_IMPLICIT_HYDROGENS] = row[_IMPLICIT_VALENCE]
        if more & 1:
            isotope = _int32(content, at)
            if isotope < 0 or isotope >= 2**15:
                return -1
            row[_ISOTOPE] = isotope
            at += 4
    return at


@njit(cache=True, nogil=True)
def _read_bonds(
    content: NDArray[np.uint8],
    at: int,
    stop: int,
    atoms: NDArray[np.int16],
    ends: NDArray[np.uint16],
    bonds: NDArray[np.int16],
) -> int:
    """Return what follows the last bond, or -1 where one is unknown."""
    for b in range(len(bonds)):
        if at >= stop:
            return -1
        begin, end, flags = content[at], content[at + 1], content[at + 2]
        if (flags & ~BOND_FLAGS) or begin >= len(atoms) or end >= len(atoms):
            return -1
        at += 3
        kind = np.int16(1)
        if flags & 8:
            kind = np.int16(content[at])
            at += 1
        if flags & 4:
            at += 1
        if flags & 2:
            bonds[b, _STEREO] = content[at]
            at += 2 + content[at + 1]
        ends[b, 0], ends[b, 1] = begin, end
        bonds[b, _TYPE] = kind
        bonds[b, _CONJUGATED] = flags >> 5 & 1
        first, second = atoms[begin, _NUMBER], atoms[end, _NUMBER]
        bonds[b, _BEGIN], bonds[b, _END] = min(first, second), max(first, second)
        _count_bond(atoms[begin], kind)
        _count_bond(atoms[end], kind)
    return at


@njit(cache=True, nogil=True)
def _count_bond(atom: NDArray[np.int16], kind: np.int16) -> None:
    atom[_DEGREE] += 1
    if kind == 1:
        atom[_SINGLE] += 1
    elif kind == 2:
        atom[_DOUBLE] += 1
    elif kind == 3:
        atom[_TRIPLE] += 1
    elif kind == 12:
        atom[_AROMATIC_BONDS] += 1


@njit(cache=True, nogil=True)
def _read_rings(
    content: NDArray[np.uint8],
    at: int,
    stop: int,
    atoms: NDArray[np.int16],
    ends: NDArray[np.uint16],
    bonds: NDArray[np.int16],
    in_ring: NDArray[np.bool_],
) -> int:
    """Return what follows the last ring, or -1; ``in_ring`` is all False before and after."""
    num_rings = _int32(content, at)
    at += 4
    for _ in range(num_rings):
        if at >= stop:
            return -1
        size = np.int64(content[at])
        at += 1
        for k in range(size):
            if content[at + k] >= len(atoms):
                return -1
        for k in range(size):
            member = content[at + k]
            following = content[at + (k + 1) % size]
            in_ring[member, following] = True
            in_ring[following, member] = True
            _count_ring(atoms[member], size)
        at += int(size)
    if num_rings > 0:
        _mark_bonds(ends, bonds, in_ring)
    return at


@njit(cache=True, nogil=True)
def _count_ring(atom: NDArray[np.int16], size: np.int64) -> None:
    atom[_NUM_RINGS] += 1
    atom[_MAX_RING] = max(atom[_MAX_RING], size)
    if atom[_MIN_RING] == 0 or size < atom[_MIN_RING]:
        atom[_MIN_RING] = size
    if size <= MAX_RING_BIT:
        atom[_RING_SIZES] |= 1 << (size - 3)


@njit(cache=True, nogil=True)
def _mark_bonds(
    ends: NDArray[np.uint16], bonds: NDArray[np.int16], in_ring: NDArray[np.bool_]
) -> None:
    for b in range(len(bonds)):
        bonds[b, _IN_RING] = in_ring[ends[b, 0], ends[b, 1]]
    for b in range(len(bonds)):
        in_ring[ends[b, 0], ends[b, 1]] = False
        in_ring[ends[b, 1], ends[b, 0]] = False


@njit(cache=True, nogil=True)
def number_rows(words: NDArray[np.uint64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return [N] numbers of equal rows, by first occurrence, and the first row of each number."""
    size = 1024
    slot = np.full(size, -1, np.int64)
    number = np.empty(len(words), np.int64)
    first = np.empty(len(words), np.int64)
    count = 0
    for n in range(len(words)):
        at = _slot_of(words[n], size)
        while slot[at] >= 0 and not _are_equal(words[first[slot[at]]], words[n]):
            at = (at + 1) & (size - 1)
        if slot[at] < 0:
            slot[at] = count
            first[count] = n
            count += 1
            if 2 * count > size:  # never more than half full
                size *= 4
                slot = np.full(size, -1, np.int64)
                for k in range(count):
                    free = _slot_of(words[first[k]], size)
                    while slot[free] >= 0:
                        free = (free + 1) & (size - 1)
                    slot[free] = k
                number[n] = count - 1
                continue
        number[n] = slot[at]
    return number, first[:count].copy()


@njit(cache=True, nogil=True)
def _are_equal(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> bool:
    equal = True
    for k in range(len(one)):
        equal = equal and one[k] == other[k]
    return equal


@njit(cache=True, nogil=True)
def _slot_of(row: NDArray[np.uint64], size: int) -> np.int64:
    mixed = np.uint64(0)
    for word in row:
        mixed = (mixed ^ word) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
    return np.int64(mixed & np.uint64(size - 1))


@njit(cache=True, nogil=True)
def refine(
    color: NDArray[np.uint64],
    ends: NDArray[np.int64],
    bond_color: NDArray[np.uint64],
) -> NDArray[np.uint64]:
    """Do what ``hashes._refine`` does."""
    out = color.copy()
    total = np.empty(color.shape[1], np.uint64)
    for lane in range(len(color)):
        first, second = MULTIPLIERS[lane, 0, 0], MULTIPLIERS[lane, 1, 0]
        own = out[lane]
        for _ in range(ROUNDS):
            total[:] = 0
            for b in range(len(ends)):
                i, j = ends[b, 0], ends[b, 1]
                bond = bond_color[lane, b]
                total[j] += _mix(own[i] + bond, first, second)
                total[i] += _mix(own[j] + bond, first, second)
            for a in range(len(own)):
                own[a] = _mix(own[a] * np.uint64(3) + total[a], first, second)
    return out


@njit(cache=True, nogil=True)
def _mix(value: np.uint64, first: np.uint64, second: np.uint64) -> np.uint64:
    half = np.uint64(32)
    value = (value ^ (value >> half)) * first
    value = (value ^ (value >> half)) * second
    return value ^ (value >> half)


@njit(cache=True, nogil=True)
def components(size: int, ends: NDArray[np.int64]) -> tuple[int, NDArray[np.int64]]:
    """Do what ``hashes._components`` does; numbers follow the first atoms."""
    root = np.arange(size)
    for b in range(len(ends)):
        one, other = _root_of(root, ends[b, 0]), _root_of(root, ends[b, 1])
        root[max(one, other)] = min(one, other)
    number = np.empty(size, np.int64)
    count = 0
    for a in range(size):
        top = _root_of(root, a)
        if top == a:
            number[a] = count
            count += 1
        else:
            number[a] = number[top]  # the lowest atom of a component is its root
    return count, number


@njit(cache=True, nogil=True)
def _root_of(root: NDArray[np.int64], at: int) -> int:
    while root[at] != at:
        root[at] = root[root[at]]
        at = root[at]
    return at


@njit(cache=True, nogil=True)
def sum_by(
    values: NDArray[np.uint64], group: NDArray[np.int64], num_groups: int
) -> NDArray[np.uint64]:
    """Do what ``hashes._sum_by`` does."""
    out = np.zeros((len(values), num_groups), np.uint64)
    for lane in range(len(values)):
        for k in range(len(group)):
            out[lane, group[k]] += values[lane, k]
    return out
