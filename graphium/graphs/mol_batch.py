"""What the network sees: a batch of molecules as tensors, with the labels that exist."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """The labelled rows of one task in one batch: R of the batch's molecules, atoms or bonds."""

    rows: Int[Tensor, " R"]
    """Positions of the labelled molecules (graph), atoms (node) or bonds (edge) in the batch."""
    values: Float[Tensor, "R L"]
    """Labels in their own units (class positions for classes); NaN where one is missing."""
    weights: Float[Tensor, " R"]
    """Sample weight of each row."""

    def to(self, device: torch.device | str) -> "TaskLabels":
        """Return a copy on ``device``."""
        return TaskLabels(
            self.rows.to(device, non_blocking=True),
            self.values.to(device, non_blocking=True),
            self.weights.to(device, non_blocking=True),
        )


@dataclass(frozen=True, slots=True)
class MolBatch:
    """G molecules as one graph with N atoms and E = 2 B directed bonds.

    Directed bond ``b`` runs as the table wrote bond ``b``; directed bond ``B + b`` runs back.
    """

    atom_table: Float[Tensor, "V F"]
    """Features of each distinct atom."""
    atom_code: Int[Tensor, " N"]
    """Row of ``atom_table`` of each atom."""
    bond_table: Float[Tensor, "W D"]
    """Features of each distinct bond."""
    bond_code: Int[Tensor, " B"]
    """Row of ``bond_table`` of each bond."""
    bond_index: Int[Tensor, "2 E"]
    """Source and target atom of each directed bond."""
    molecule: Int[Tensor, " N"]
    """Molecule that each atom belongs to, non-decreasing."""
    num_molecules: int
    """G."""
    encodings: Mapping[str, Float[Tensor, "N K"]]
    """Positional encodings of atoms by name (``random_walk``, ``laplacian_vectors``,
    ``laplacian_values``)."""
    keys: Int[Tensor, " G"]
    """Position of each molecule in the mix (or in the list that is predicted)."""
    labels: Mapping[str, TaskLabels]
    """Labels by task; every task of the experiment is here, some with no rows."""
    label_totals: Mapping[str, float]
    """Sum of the weights of all known labels of each task in the whole optimiser step: over all
    ranks and micro-batches, not only in this batch (see ``training/losses.py``)."""

    @property
    def num_atoms(self) -> int:
        """N."""
        return len(self.atom_code)

    @property
    def num_bonds(self) -> int:
        """B, each bond once."""
        return len(self.bond_code)

    def to(self, device: torch.device | str) -> "MolBatch":
        """Return a copy on ``device``."""

        def move(tensor: Tensor) -> Tensor:
            return tensor.to(device, non_blocking=True)

        return replace(
            self,
            atom_table=move(self.atom_table),
            atom_code=move(self.atom_code),
            bond_table=move(self.bond_table),
            bond_code=move(self.bond_code),
            bond_index=move(self.bond_index),
            molecule=move(self.molecule),
            encodings={name: move(value) for name, value in self.encodings.items()},
            keys=move(self.keys),
            labels={name: value.to(device) for name, value in self.labels.items()},
        )
