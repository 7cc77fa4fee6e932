"""Encodings of pairs of atoms and of whole molecules, as flat arrays.

The pairs of a molecule of n atoms are the n^2 entries of a matrix, row by row, itself and both
orders included: an encoding may tell one from the other. (Labels of pairs have no order:
``graphs/levels.py``.) Those of all molecules stand one after the other: P of them.
"""

from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.config.encodings import (
    CommuteConfig,
    ElectrostaticConfig,
    HeatKernelConfig,
    Normalization,
    ShortestPathConfig,
    TransitionConfig,
)
from graphium.graphs.encodings.arrays import (
    FLOAT32,
    Array,
    full,
    library,
    moved,
    stable_order,
)
from graphium.graphs.encodings.compute import PairEncoding, pair_values
from graphium.graphs.encodings.laplacian import eigenpairs
from graphium.graphs.encodings.stacks import Members, Molecules, Stack
from graphium.graphs.mol_block import offsets


def pair_encoding(molecules: Molecules, config: PairEncoding, like: Array = FLOAT32) -> Array:
    """Return [P, K] an encoding of all pairs of atoms of each molecule.

    Pairs of atoms in different components have the value ``apart``. Beside the result, memory holds
    the matrices of one stack; the result itself is 4 MB for a column of a molecule of 1,000 atoms.
    """
    out = full((num_ordered_pairs(molecules), num_columns(config)), apart(config), like)
    for members in molecules.members():
        pairs = moved(pair_positions(molecules, members), like)
        for column, values in enumerate(pair_values(Stack(members, like), config)):
            out[pairs, column] = values
    return out


def num_columns(config: PairEncoding) -> int:
    """Return the values K that a pair of atoms has of one encoding."""
    match config:
        case HeatKernelConfig():
            return len(config.times)
        case TransitionConfig():
            return config.steps
        case ShortestPathConfig() | CommuteConfig() | ElectrostaticConfig():
            return 1
        case _:
            assert_never(config)


def apart(config: PairEncoding) -> float:
    """Return the value of two atoms that no path of bonds connects.

    0 where nothing gets across (heat, walks, current); -1, which no connected pair has, where the
    true value would be infinite (shortest path, commute time).
    """
    match config:
        case HeatKernelConfig() | TransitionConfig() | ElectrostaticConfig():
            return 0.0
        case ShortestPathConfig() | CommuteConfig():
            return -1.0
        case _:
            assert_never(config)


def graph_eigenvalues(
    molecules: Molecules, k: int, normalization: Normalization = "none", like: Array = FLOAT32
) -> Array:
    """Return [G, k] the lowest eigenvalues of the Laplacian of each whole molecule, ascending.

    They are those of its components together, so that as many are 0 as it has components; a
    molecule of n < k atoms has n of them, then zeros.
    """
    owner, values = [np.empty(0, np.int64)], [full((0,), 0.0, like)]
    of_atom = owners(molecules)
    for members in molecules.members():
        kept = min(k, members.atoms.shape[1])
        lowest, _ = eigenpairs(Stack(members, like), kept, normalization)
        owner.append(np.repeat(of_atom[members.atoms[:, 0]], kept))
        values.append(lowest.reshape(-1))
    lib = library(like)
    molecule, value = moved(np.concatenate(owner), like), lib.concatenate(values)
    ascending = stable_order(value)
    order = ascending[stable_order(molecule[ascending])]
    counts = np.bincount(np.concatenate(owner), minlength=len(molecules.num_atoms))
    place = moved(np.arange(counts.sum()) - np.repeat(offsets(counts)[:-1], counts), like)
    is_kept = place < k
    out = full((len(molecules.num_atoms), k), 0.0, like)
    out[molecule[order][is_kept], place[is_kept]] = value[order][is_kept]
    return out


def num_ordered_pairs(molecules: Molecules) -> int:
    """Return P."""
    return int((molecules.num_atoms.astype(np.int64) ** 2).sum())


def pair_positions(molecules: Molecules, members: Members) -> NDArray[np.int64]:
    """Return [c, n, n] the place among all P of each pair of atoms of one stack's components."""
    sizes = molecules.num_atoms.astype(np.int64)
    molecule = owners(molecules)[members.atoms[:, 0]]  # [c]
    place = members.atoms - offsets(sizes)[molecule][:, None]  # [c, n] inside the molecule
    first = offsets(sizes**2)[molecule][:, None, None]
    rows: NDArray[np.int64] = place[:, :, None] * sizes[molecule][:, None, None]
    return first + rows + place[:, None, :]


def owners(molecules: Molecules) -> NDArray[np.int64]:
    """Return [N] the molecule of each atom."""
    return np.repeat(np.arange(len(molecules.num_atoms)), molecules.num_atoms)
