"""Positional encodings of one batch, where they are not kept for all molecules."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import torch

from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.arrays import FLOAT32, Array
from graphium.graphs.encodings.compute import Encoded, encode
from graphium.graphs.encodings.stacks import Molecules, split_graph
from graphium.graphs.mol_batch import MolBatch
from graphium.graphs.padding import grow, without_padding


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


def lacking(
    features: FeaturesConfig, atoms: Collection[str], bonds: Collection[str]
) -> FeaturesConfig | None:
    """Return the features with only those encodings that a batch still lacks; None if it has all.

    Args:
        features: The ``features`` section.
        atoms: Names of the encodings of atoms that the batch has.
        bonds: Names of the encodings of bonds.
    """
    if features.encodings.compute == "ahead":
        return None
    kinds = [kind for kind in features.encodings.at("node") if _column(kind) not in atoms]
    kinds += [kind for kind in features.encodings.at("edge") if kind not in bonds]
    return features.with_encodings(kinds) if kinds else None


def to_device(batch: MolBatch, features: FeaturesConfig, device: torch.device) -> MolBatch:
    """Return the batch on ``device``, encoded there where that was not done before.

    A CPU runs what ``pack_block`` runs, with numpy. Another device computes with torch: it rounds
    differently, and may return another basis of eigenvectors of equal eigenvalues. Unverified on
    GPU.

    Args:
        batch: On the CPU; where nothing is to be encoded, it may be on ``device`` already.
        features: The ``features`` section.
        device: Where the network is.
    """
    todo = lacking(features, batch.encodings, batch.bond_encodings)
    moved = batch if batch.keys.device == device else batch.to(device)
    if todo is None:
        return moved
    return _with(moved, batch_encodings(without_padding(batch), todo, _like(device)))


def encode_on(batch: MolBatch, molecules: Molecules, features: FeaturesConfig) -> MolBatch:
    """Return a batch with more encodings, computed where it is.

    Args:
        batch: On any device.
        molecules: The same molecules, in the memory of the CPU.
        features: The ``features`` section with the encodings that the batch lacks.
    """
    return _with(batch, encode(molecules, features, _like(batch.keys.device)))


def _like(device: torch.device) -> Array:
    """Return the ``like`` of encodings on a device."""
    return FLOAT32 if device.type == "cpu" else torch.empty(0, device=device)


def _with(batch: MolBatch, encoded: Encoded) -> MolBatch:
    return replace(
        batch,
        encodings={**batch.encodings, **_tensors(encoded.atoms, batch.num_atoms)},
        bond_encodings={**batch.bond_encodings, **_tensors(encoded.bonds, batch.num_bonds)},
    )


def _column(kind: str) -> str:
    """Return the name in a batch of (the first part of) an encoding of atoms."""
    return "laplacian_vectors" if kind == "laplacian" else kind


def _tensors(encodings: Mapping[str, Array], num_rows: int) -> dict[str, torch.Tensor]:
    """Return the encodings as tensors, with zeros for padding."""
    tensors = {name: torch.as_tensor(values) for name, values in encodings.items()}
    return {
        name: values if len(values) == num_rows else grow(values, num_rows, 0)
        for name, values in tensors.items()
    }
