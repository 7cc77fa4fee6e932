"""Positional encodings of one batch, where they are not kept for all molecules."""

from collections.abc import Mapping
from dataclasses import replace

import torch

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.arrays import FLOAT32, Array
from graphium.graphs.encodings.compute import Encoded, encode
from graphium.graphs.encodings.stacks import split_graph
from graphium.graphs.mol_batch import MolBatch


def batch_encodings(batch: MolBatch, features: FeaturesConfig, like: Array) -> Encoded:
    """Return the encodings that an experiment asks for, of the molecules of one batch.

    Args:
        batch: On the CPU, where it is found which atoms form a component.
        features: The ``features`` section.
        like: Library, type and device of the results, where matrices are made and decomposed.
    """
    num_atoms = torch.bincount(batch.molecule, minlength=batch.num_molecules).numpy()
    begin, end = batch.bond_index[:, : batch.num_bonds].numpy()
    return encode(split_graph(num_atoms, begin, end), features, like)


def to_device(batch: MolBatch, features: FeaturesConfig, device: torch.device) -> MolBatch:
    """Return a copy on ``device``, encoded there where that was not done ahead.

    A CPU runs what ``pack_block`` runs, with numpy. Another device computes with torch: it rounds
    differently, and may return another basis of eigenvectors of equal eigenvalues. Unverified on
    GPU.

    Args:
        batch: On the CPU.
        features: The ``features`` section.
        device: Where the network is.
    """
    if features.encodings.compute == "ahead":
        return batch.to(device)
    like = FLOAT32 if device.type == "cpu" else torch.empty(0, device=device)
    encoded = batch_encodings(batch, features, like)
    moved = batch.to(device)
    return replace(
        moved,
        encodings={**moved.encodings, **_tensors(encoded.atoms)},
        bond_encodings={**moved.bond_encodings, **_tensors(encoded.bonds)},
    )


def _tensors(encodings: Mapping[str, Array]) -> dict[str, torch.Tensor]:
    return {name: torch.as_tensor(values) for name, values in encodings.items()}
