"""Positional encodings of one batch, where they are not kept for all molecules."""

from dataclasses import replace

import torch

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.arrays import FLOAT32
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.stacks import split_graph
from graphium.graphs.mol_batch import MolBatch


def to_device_with_encodings(
    batch: MolBatch, features: FeaturesConfig, device: torch.device
) -> MolBatch:
    """Return a copy on ``device`` with the encodings that an experiment asks for.

    Which atoms form a component is found on the CPU; the matrices are made and decomposed on
    ``device``. A CPU computes what ``pack_block`` would have, with numpy, to the last bit; another
    device rounds differently, and may return another basis of eigenvectors of equal eigenvalues.
    Unverified on GPU.

    Args:
        batch: On the CPU.
        features: The ``features`` section.
        device: Where the network is.
    """
    num_atoms = torch.bincount(batch.molecule, minlength=batch.num_molecules).numpy()
    begin, end = batch.bond_index[:, : batch.num_bonds].numpy()
    molecules = split_graph(num_atoms, begin, end)
    like = FLOAT32 if device.type == "cpu" else torch.empty(0, device=device)
    encoded = encode(molecules, features, like)
    moved = batch.to(device)
    return replace(
        moved,
        encodings={
            **moved.encodings,
            **{name: torch.as_tensor(values) for name, values in encoded.atoms.items()},
        },
        bond_encodings={
            **moved.bond_encodings,
            **{name: torch.as_tensor(values) for name, values in encoded.bonds.items()},
        },
    )
