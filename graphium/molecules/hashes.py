"""Order-free 128-bit hashes of molecules, for a whole chunk at once.

The hashes are Weisfeiler-Lehman colours of the heavy-atom graph. They read atomic numbers, formal
charges, aromaticity and bond orders; they do not read stereo, isotopes, atom maps nor hydrogens
(whether a hydrogen is an atom of the graph depends on isotope labels and notation). So they are
coarser than the keys of ``identity.py``: equal keys have equal hashes, and what else shares a hash
(stereoisomers, some tautomers, radicals) is told apart by the keys. The two 64-bit lanes differ in
every mixing constant. Both hashes of a molecule of one fragment are equal, so that a store keeps
one.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from graphium.graphs.mol_block import offsets
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.molecules.compiled import Kernels
from graphium.molecules.getters import ChunkProperties

ROUNDS = 8
"""Bonds that an atom's colour reaches."""

Lanes = NDArray[np.uint64]
"""[2, ...] the two halves of 128-bit values."""

MULTIPLIERS = np.array(
    [
        [0xFF51AFD7ED558CCD, 0xC4CEB9FE1A85EC53],  # murmur3
        [0xBF58476D1CE4E5B9, 0x94D049BB133111EB],  # splitmix64
    ],
    np.uint64,
)[:, :, None]
_SALT = np.array([0x9E3779B97F4A7C15, 0xD1B54A32D192ED03], np.uint64)[:, None]
_SHIFT = np.uint64(32)

_PLAIN_ORDERS = (1, 2, 3, 4, 12)  # single to quadruple, aromatic; all others count as one


@dataclass(frozen=True, slots=True)
class _HeavyGraph:
    """The atoms of a chunk that take part: heavy ones, and hydrogens without a heavy neighbour."""

    molecule: NDArray[np.int64]
    """[A] molecule of each atom, non-decreasing."""
    position: NDArray[np.int64]
    """[A] position inside its molecule."""
    is_heavy: NDArray[np.bool_]
    """[A] neither hydrogen nor a dummy, as RDKit counts."""
    color: Lanes
    """[2, A] what the atom is."""
    ends: NDArray[np.int64]
    """[D, 2] bonds between them, as rows of this table."""
    bond_color: Lanes
    """[2, D] what the bond is."""


def hash_chunk(
    properties: ChunkProperties,
    atoms_of_largest: Callable[[int], Sequence[int]],
    kernels: Kernels | None = None,
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the join and split hashes of G molecules, each [G, 2].

    Args:
        properties: The molecules.
        atoms_of_largest: Molecule to the atoms of the fragment that its split key speaks of. Asked
            only where several different fragments are the largest.
        kernels: Compiled code, where it is worth its start; the result is the same.
    """
    graph = _heavy_graph(properties)
    num_molecules = len(properties.num_atoms)
    components: Callable[[int, NDArray[np.int64]], tuple[int, NDArray[Any]]] = _components
    refine: Callable[[Lanes, NDArray[np.int64], Lanes], Lanes] = _refine
    sum_by: Callable[[Lanes, NDArray[Any], int], Lanes] = _sum_by
    if kernels is not None:
        components, refine, sum_by = kernels.components, kernels.refine, kernels.sum_by
    num_fragments, fragment = components(len(graph.molecule), graph.ends)
    owner = np.zeros(num_fragments, np.int64)
    owner[fragment] = graph.molecule
    heavy = np.bincount(fragment, weights=graph.is_heavy, minlength=num_fragments)

    refined = refine(graph.color, graph.ends, graph.bond_color)
    color = _mix(sum_by(_mix(refined + _SALT), fragment, num_fragments))
    join = _mix(sum_by(_mix(color ^ _SALT), owner, num_molecules))

    largest, is_tied = _largest(owner, heavy, color, num_molecules)
    for molecule in np.flatnonzero(is_tied):
        members = np.isin(graph.position, atoms_of_largest(int(molecule)))
        largest[molecule] = fragment[members & (graph.molecule == molecule)][0]
    split = color[:, largest]
    has_several = np.bincount(owner, minlength=num_molecules) > 1
    join = np.where(has_several, join, split)
    return np.ascontiguousarray(join.T), np.ascontiguousarray(split.T)


def _heavy_graph(properties: ChunkProperties) -> _HeavyGraph:
    num_atoms = properties.num_atoms
    atom_start = offsets(num_atoms)[:-1]
    molecule = np.repeat(np.arange(len(num_atoms)), num_atoms)
    ends = properties.bond_ends + np.repeat(atom_start, properties.num_bonds)[:, None]
    number = _column(properties.atom_table, "atomic_number")[properties.atom_code]
    color, bond_color = _atom_colors(properties.atom_table), _bond_colors(properties.bond_table)
    if not (number == 1).any():
        return _HeavyGraph(
            molecule=molecule,
            position=np.arange(len(number)) - atom_start[molecule],
            is_heavy=number > 1,
            color=color[:, properties.atom_code],
            ends=ends,
            bond_color=bond_color[:, properties.bond_code],
        )

    is_terminal_hydrogen = (number == 1) & (np.bincount(ends.ravel(), minlength=len(number)) == 1)
    beside_heavy = is_terminal_hydrogen[ends] & (number[ends[:, ::-1]] != 1)  # [B, 2]
    kept = np.ones(len(number), bool)
    kept[ends[beside_heavy]] = False
    bond_kept = kept[ends].all(axis=1)
    new_position = np.cumsum(kept) - 1

    return _HeavyGraph(
        molecule=molecule[kept],
        position=(np.arange(len(number)) - atom_start[molecule])[kept],
        is_heavy=number[kept] > 1,
        color=color[:, properties.atom_code[kept]],
        ends=new_position[ends[bond_kept]],
        bond_color=bond_color[:, properties.bond_code[bond_kept]],
    )


def _atom_colors(table: NDArray[np.int16]) -> Lanes:
    number = _column(table, "atomic_number")
    charge = _column(table, "formal_charge") + 2**15
    packed = number + (charge << 8) + (_column(table, "is_aromatic") << 24)
    return _mix(packed.astype(np.uint64) + _SALT)


def _bond_colors(table: NDArray[np.int16]) -> Lanes:
    kind = table[:, BOND_PROPERTIES.index("bond_type")].astype(np.int64)
    kind = np.where(np.isin(kind, _PLAIN_ORDERS), kind, 0)
    return _mix(kind.astype(np.uint64) ^ _SALT)


def _column(table: NDArray[np.int16], name: str) -> NDArray[np.int64]:
    return table[:, ATOM_PROPERTIES.index(name)].astype(np.int64)


def _refine(color: Lanes, ends: NDArray[np.int64], bond_color: Lanes) -> Lanes:
    """Return [2, A] colours after ``ROUNDS`` rounds of looking at the neighbours."""
    source = np.concatenate([ends[:, 0], ends[:, 1]])
    target = np.concatenate([ends[:, 1], ends[:, 0]])
    order = np.argsort(target, kind="stable")
    source, target = source[order], target[order]
    bond = np.concatenate([bond_color, bond_color], axis=1)[:, order]
    for _ in range(ROUNDS):
        messages = _mix(color[:, source] + bond)
        color = _mix(color * np.uint64(3) + _sum_sorted(messages, target, color.shape[1]))
    return color


def _components(size: int, ends: NDArray[np.int64]) -> tuple[int, NDArray[np.int32]]:
    """Return the number of connected components and the component of each atom."""
    links = coo_array((np.ones(len(ends), bool), (ends[:, 0], ends[:, 1])), shape=(size, size))
    count, component = connected_components(links, directed=False)
    return count, component


def _largest(
    owner: NDArray[np.int64], heavy: NDArray[np.number], color: Lanes, num_molecules: int
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return a largest fragment of each molecule, and where another one is as large."""
    order = np.lexsort((-heavy, owner))
    largest = order[np.searchsorted(owner[order], np.arange(num_molecules))]
    rival = largest[owner]
    differs = (heavy == heavy[rival]) & (color != color[:, rival]).any(axis=0)
    is_tied = np.zeros(num_molecules, bool)
    is_tied[owner[differs]] = True
    return largest, is_tied


def _sum_by(values: Lanes, group: NDArray[np.integer], num_groups: int) -> Lanes:
    """Return [2, num_groups] sums modulo 2**64 of the values of each group."""
    order = np.argsort(group, kind="stable")
    return _sum_sorted(values[:, order], group[order], num_groups)


def _sum_sorted(values: Lanes, group: NDArray[np.integer], num_groups: int) -> Lanes:
    """Return the same for groups that stand together, in rising order."""
    total = np.zeros((len(values), values.shape[1] + 1), np.uint64)
    np.cumsum(values, axis=1, out=total[:, 1:])
    bounds = offsets(np.bincount(group, minlength=num_groups))
    return total[:, bounds[1:]] - total[:, bounds[:-1]]


def _mix(values: Lanes) -> Lanes:
    """Return each lane's values scattered over 64 bits by its own multipliers."""
    values = values ^ (values >> _SHIFT)
    values = values * MULTIPLIERS[:, 0]
    values = values ^ (values >> _SHIFT)
    values = values * MULTIPLIERS[:, 1]
    return values ^ (values >> _SHIFT)
