"""From values of one level to values of another, for flat arrays of many molecules.

Levels: atoms (node, [N, K]), bonds (edge, [B, K]), ordered pairs of atoms (nodepair, [P, K], laid
out as in ``flat.py``), molecules (graph, [G, K]). Many values become four statistics, two become
sum and absolute difference (``transfer.py``); one value is given to all. Columns come in groups of
K, a group for each statistic. Everything is finite: where there is nothing to count (an atom or a
molecule without bonds) statistics are 0.

What a component is stays apart: a pair of atoms of two components takes no part in a statistic.
"""

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.encodings.arrays import Array, add_at, cast, full, library, lower_at, moved
from graphium.graphs.encodings.flat import num_ordered_pairs, owners, pair_positions
from graphium.graphs.encodings.stacks import Molecules
from graphium.graphs.encodings.transfer import (
    NUM_STATISTICS,
    pairs_to_nodes,
    sum_and_difference,
)
from graphium.graphs.mol_block import offsets


def node_to_edge(values: Array, molecules: Molecules) -> Array:
    """Return [B, 2 K] sum and absolute difference of the values at a bond's ends."""
    begin, end = moved(molecules.begin, values), moved(molecules.end, values)
    return _joined(sum_and_difference(values[begin], values[end]))


def node_to_nodepair(values: Array, molecules: Molecules) -> Array:
    """Return [P, 2 K] sum and absolute difference of the values of two atoms."""
    first, second = _ends_of_pairs(molecules)
    return _joined(sum_and_difference(values[moved(first, values)], values[moved(second, values)]))


def node_to_graph(values: Array, molecules: Molecules) -> Array:
    """Return [G, 4 K] statistics over the atoms of a molecule."""
    return _grouped(values, owners(molecules), len(molecules.num_atoms))


def edge_to_node(values: Array, molecules: Molecules) -> Array:
    """Return [N, 4 K] statistics over the bonds of an atom."""
    atoms = np.concatenate([molecules.begin, molecules.end])
    return _grouped(_joined([values, values], axis=0), atoms, molecules.total_atoms)


def edge_to_nodepair(values: Array, molecules: Molecules) -> Array:
    """Return [P, K] the values of bonds in both directions, and 0 where there is no bond."""
    out = full((num_ordered_pairs(molecules), values.shape[1]), 0.0, values)
    for pairs in _pairs_of_bonds(molecules):
        out[moved(pairs, values)] = values
    return out


def edge_to_graph(values: Array, molecules: Molecules) -> Array:
    """Return [G, 4 K] statistics over the bonds of a molecule."""
    return _grouped(values, owners(molecules)[molecules.begin], len(molecules.num_atoms))


def nodepair_to_node(values: Array, molecules: Molecules) -> Array:
    """Return [N, 8 K] statistics over the pairs of an atom with its component and itself.

    First those from the atom to the others (its row), then those from the others to it (its
    column); of symmetric values both are the same.
    """
    width = 2 * NUM_STATISTICS * values.shape[1]
    out = full((molecules.total_atoms, width), 0.0, values)
    for members in molecules.members():
        pairs = moved(pair_positions(molecules, members), values)
        columns = (values[pairs, column] for column in range(values.shape[1]))
        out[moved(members.atoms, values)] = pairs_to_nodes(columns, symmetric=False)
    return out


def nodepair_to_edge(values: Array, molecules: Molecules) -> Array:
    """Return [B, 2 K] sum and absolute difference of the values of a bond, forth and back."""
    forth, back = _pairs_of_bonds(molecules)
    return _joined(sum_and_difference(values[moved(forth, values)], values[moved(back, values)]))


def nodepair_to_graph(values: Array, molecules: Molecules) -> Array:
    """Return [G, 4 K] statistics over the pairs of a molecule that are in one component."""
    first, second = _ends_of_pairs(molecules)
    together = np.flatnonzero(molecules.component[first] == molecules.component[second])
    owner = owners(molecules)[first[together]]
    return _grouped(values[moved(together, values)], owner, len(molecules.num_atoms))


def graph_to_node(values: Array, molecules: Molecules) -> Array:
    """Return [N, K] each molecule's values at all of its atoms."""
    return values[moved(owners(molecules), values)]


def graph_to_edge(values: Array, molecules: Molecules) -> Array:
    """Return [B, K] each molecule's values at all of its bonds."""
    return values[moved(owners(molecules)[molecules.begin], values)]


def graph_to_nodepair(values: Array, molecules: Molecules) -> Array:
    """Return [P, K] each molecule's values at all of its pairs of atoms."""
    first, _ = _ends_of_pairs(molecules)
    return values[moved(owners(molecules)[first], values)]


def _ends_of_pairs(molecules: Molecules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return [P] the first and the second atom of each ordered pair, among all N."""
    sizes = molecules.num_atoms.astype(np.int64)
    of_molecule = np.repeat(sizes, sizes**2)  # [P] its number of atoms
    place = np.arange(len(of_molecule)) - np.repeat(offsets(sizes**2)[:-1], sizes**2)
    first_atom = np.repeat(offsets(sizes)[:-1], sizes**2)
    return first_atom + place // of_molecule, first_atom + place % of_molecule


def _pairs_of_bonds(molecules: Molecules) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return [B] the place among all P of each bond's two ordered pairs."""
    sizes = molecules.num_atoms.astype(np.int64)
    molecule = owners(molecules)[molecules.begin]
    first_pair, first_atom = offsets(sizes**2)[molecule], offsets(sizes)[molecule]
    begin, end = molecules.begin - first_atom, molecules.end - first_atom
    size = sizes[molecule]
    return first_pair + begin * size + end, first_pair + end * size + begin


def _grouped(values: Array, owner: NDArray[np.int64], count: int) -> Array:
    """Return [count, 4 K] statistics of the values [R, K] of each owner; 0 where it has none."""
    lib, rows = library(values), moved(owner, values)
    shape = (count, values.shape[1])
    counted = moved(np.bincount(owner, minlength=count), values)[:, None]
    number = cast(lib.clip(counted, 1, None), values)
    mean = add_at(full(shape, 0.0, values), rows, values) / number
    square = (values - mean[rows]) ** 2
    deviation = lib.sqrt(add_at(full(shape, 0.0, values), rows, square) / number)
    least = lower_at(full(shape, float("inf"), values), rows, values)
    greatest = -lower_at(full(shape, float("inf"), values), rows, -values)
    nothing = counted == 0
    least[nothing[:, 0]] = 0
    greatest[nothing[:, 0]] = 0
    return _joined([least, greatest, mean, deviation])


def _joined(parts: list[Array], axis: int = 1) -> Array:
    return library(parts[0]).concatenate(parts, axis)
