"""Molecules unpacked to RAM, ready to be cut into batches of any composition."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.compute import Encoded, encode
from graphium.graphs.encodings.conformer import conformer_encodings
from graphium.graphs.encodings.stacks import split_molecules
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


def pack_block(
    block: MolBlock,
    features: FeaturesConfig,
    *,
    with_encodings: bool = True,
    encoded: Encoded | None = None,
) -> PackedGraphs:
    """Give every molecule of ``block`` the features and encodings that an experiment asks for.

    Args:
        block: The molecules.
        features: The ``features`` section.
        with_encodings: Compute positional encodings; False where each batch gets its own
            (``step_encodings.py``). What follows from coordinates is computed here in any case.
        encoded: Encodings that are there already (``stored_encodings.py``).

    Raises:
        DataError: Conformer features are asked for, and the molecules have no coordinates.
    """
    if not with_encodings:
        encoded = Encoded({}, {})
    elif encoded is None:
        encoded = encode(
            split_molecules(block.num_atoms, block.num_bonds, block.bond_ends), features
        )
    conformer_atoms, conformer_bonds = conformer_encodings(block, features)
    return PackedGraphs(
        atom_offset=block.atom_offsets(),
        bond_offset=block.bond_offsets(),
        atom_code=block.atom_code.astype(np.int32),
        bond_code=block.bond_code.astype(np.int32),
        bond_ends=block.bond_ends,
        atom_table=atom_features(block.atom_table, features.atoms),
        bond_table=bond_features(block.bond_table, features.bonds),
        encodings={**encoded.atoms, **conformer_atoms},
        bond_encodings={**encoded.bonds, **conformer_bonds},
    )
