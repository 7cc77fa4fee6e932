"""The encodings that an experiment chooses, of many molecules at once."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import assert_never

from graphium.config.encodings import (
    AnyEncoding,
    CommuteConfig,
    ElectrostaticConfig,
    HeatKernelConfig,
    LaplacianConfig,
    RandomWalkConfig,
    ShortestPathConfig,
    TransitionConfig,
)
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.arrays import FLOAT32, Array, full, library
from graphium.graphs.encodings.distance import path_lengths
from graphium.graphs.encodings.heat_kernel import heat_kept, heat_kernel
from graphium.graphs.encodings.laplacian import eigenpairs
from graphium.graphs.encodings.random_walk import return_probabilities, transition_probabilities
from graphium.graphs.encodings.resistance import commute_times, potentials
from graphium.graphs.encodings.stacks import Molecules, Stack
from graphium.graphs.encodings.transfer import nodes_to_bonds, pairs_to_bonds, pairs_to_nodes
from graphium.graphs.encodings.widths import (
    atom_encoding_widths,
    bond_columns,
)

ENCODINGS_VERSION = 1
"""Raised when the numbers of an encoding change, so that none is read that was kept before."""

PairEncoding = (
    HeatKernelConfig | TransitionConfig | ShortestPathConfig | CommuteConfig | ElectrostaticConfig
)
"""Encodings whose natural level is the pair of atoms."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """Encodings by name."""

    atoms: dict[str, Array]
    """[N, K]"""
    bonds: dict[str, Array]
    """[B, K]"""


def encode(molecules: Molecules, features: FeaturesConfig, like: Array = FLOAT32) -> Encoded:
    """Return the encodings of an experiment.

    Stack by stack: beside the results, memory holds the matrices of one stack.

    Args:
        molecules: The molecules.
        features: Which encodings.
        like: Library, type and device of the results.
    """
    encodings = features.encodings
    of_atoms, of_bonds = encodings.at("node"), encodings.at("edge")
    atoms = {
        name: full((molecules.total_atoms, width), 0.0, like)
        for name, width in atom_encoding_widths(encodings).items()
    }
    bonds = {
        name: full((molecules.total_bonds, bond_columns(config)), 0.0, like)
        for name, config in of_bonds.items()
    }
    if not atoms and not bonds:
        return Encoded(atoms, bonds)
    for stack in molecules.stacks(like):
        for name, config in of_atoms.items():
            for column, values in atom_values(stack, name, config):
                atoms[column][stack.atoms] = values
        for name, config in of_bonds.items():
            if len(stack.bonds):
                bonds[name][stack.bonds] = bond_values(stack, config)
    return Encoded(atoms, bonds)


def atom_values(stack: Stack, name: str, config: AnyEncoding) -> Iterator[tuple[str, Array]]:
    """Yield the names in a batch, and the values [c, n, K], of one encoding of atoms."""
    match config:
        case RandomWalkConfig():
            yield name, return_probabilities(stack, config.steps)
        case LaplacianConfig():
            values, vectors = eigenpairs(stack, config.k, config.normalization)
            yield "laplacian_values", values[:, None, :]
            yield "laplacian_vectors", vectors
        case HeatKernelConfig():
            yield name, heat_kept(stack, config.times)
        case TransitionConfig() | ShortestPathConfig() | CommuteConfig() | ElectrostaticConfig():
            pairs = pair_values(stack, config)
            yield name, pairs_to_nodes(pairs, symmetric=is_symmetric(config))
        case _:
            assert_never(config)


def bond_values(stack: Stack, config: AnyEncoding) -> Array:
    """Return the values [m, K] of one encoding of bonds, the same whichever way each is written."""
    match config:
        case RandomWalkConfig():
            return nodes_to_bonds(stack, return_probabilities(stack, config.steps))
        case LaplacianConfig():
            values, vectors = eigenpairs(stack, config.k, config.normalization)
            lib = library(vectors)
            first, second = stack.at_ends(vectors)
            whole = values[stack.component]
            # Absolute, so that the sign of an eigenvector changes nothing.
            return lib.concatenate([whole, lib.abs(first + second), lib.abs(first - second)], 1)
        case ShortestPathConfig():  # of a bond it is always 1: its ends' distances are used
            paths = pair_values(stack, config)
            return nodes_to_bonds(stack, pairs_to_nodes(paths, symmetric=True))
        case HeatKernelConfig() | TransitionConfig() | CommuteConfig() | ElectrostaticConfig():
            pairs = pair_values(stack, config)
            return pairs_to_bonds(stack, pairs, symmetric=is_symmetric(config))
        case _:
            assert_never(config)


def pair_values(stack: Stack, config: PairEncoding) -> Iterable[Array]:
    """Return the values [c, n, n] of pairs of atoms of one component, for each of K columns."""
    match config:
        case HeatKernelConfig():
            return heat_kernel(stack, config.times)
        case TransitionConfig():
            return transition_probabilities(stack, config.steps)
        case ShortestPathConfig():
            return (path_lengths(stack, config.max_distance),)
        case CommuteConfig():
            return (commute_times(stack),)
        case ElectrostaticConfig():
            return (potentials(stack),)
        case _:
            assert_never(config)


def is_symmetric(config: PairEncoding) -> bool:
    """Return whether the value from i to j is always that from j to i."""
    match config:
        case HeatKernelConfig() | ShortestPathConfig() | CommuteConfig():
            return True
        case TransitionConfig() | ElectrostaticConfig():
            return False
        case _:
            assert_never(config)
