"""Molecules unpacked to RAM, ready to be cut into batches of any composition."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.laplacian import laplacian
from graphium.graphs.encodings.random_walk import random_walk
from graphium.graphs.features import atom_features, bond_features
from graphium.graphs.mol_block import MolBlock


@dataclass(frozen=True, slots=True)
class PackedGraphs:
    """M molecules with the chosen features; flat arrays and offsets."""

    atom_offset: NDArray[np.int64]
    """[M + 1] first atom of each molecule."""
    bond_offset: NDArray[np.int64]
    """[M + 1] first bond of each molecule."""
    atom_code: NDArray[np.int32]
    """[N] row of ``atom_table`` of each atom."""
    bond_code: NDArray[np.int32]
    """[B] row of ``bond_table`` of each bond."""
    bond_ends: NDArray[np.uint16]
    """[B, 2] begin and end atom of each bond, counted inside its molecule."""
    atom_table: NDArray[np.float32]
    """[V, F] features of each distinct atom."""
    bond_table: NDArray[np.float32]
    """[W, D] features of each distinct bond."""
    encodings: dict[str, NDArray[np.float32]]
    """[N, K] positional encodings of atoms by name."""
    bond_encodings: dict[str, NDArray[np.float32]]
    """[B, K] values of single bonds by name: what no table of distinct bonds can hold."""

    @property
    def num_molecules(self) -> int:
        """M."""
        return len(self.atom_offset) - 1


def pack_block(block: MolBlock, features: FeaturesConfig) -> PackedGraphs:
    """Give every molecule of ``block`` the features and encodings that an experiment asks for."""
    return PackedGraphs(
        atom_offset=block.atom_offsets(),
        bond_offset=block.bond_offsets(),
        atom_code=block.atom_code.astype(np.int32),
        bond_code=block.bond_code.astype(np.int32),
        bond_ends=block.bond_ends,
        atom_table=atom_features(block.atom_table, features.atoms),
        bond_table=bond_features(block.bond_table, features.bonds),
        encodings=_encodings(block, features),
        bond_encodings={},
    )


def _encodings(block: MolBlock, features: FeaturesConfig) -> dict[str, NDArray[np.float32]]:
    encodings = {}
    sizes = block.num_atoms, block.num_bonds, block.bond_ends
    if features.random_walk_steps:
        encodings["random_walk"] = random_walk(*sizes, features.random_walk_steps)
    if features.laplacian_eigenvectors:
        values, vectors = laplacian(*sizes, features.laplacian_eigenvectors)
        encodings["laplacian_values"] = values
        encodings["laplacian_vectors"] = vectors
    return encodings
