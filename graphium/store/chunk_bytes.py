"""A featurised chunk as bytes, to be handed from a worker to its parent. Nothing is pickled."""

import io
from dataclasses import fields
from typing import Any

import numpy as np

from graphium.graphs.mol_block import MolBlock
from graphium.molecules.featurize import FeaturizedChunk

_BLOCK = "block."


def pack_chunk(chunk: FeaturizedChunk) -> bytes:
    """Return what ``unpack_chunk`` reads: each array by its name, in numpy's own format."""
    arrays: dict[str, Any] = {
        one.name: getattr(chunk, one.name) for one in fields(chunk) if one.name != "block"
    }
    arrays |= {f"{_BLOCK}{one.name}": getattr(chunk.block, one.name) for one in fields(MolBlock)}
    sink = io.BytesIO()
    np.savez(sink, **{name: array for name, array in arrays.items() if array is not None})
    return sink.getvalue()


def unpack_chunk(content: bytes) -> FeaturizedChunk:
    """Return the chunk again; an array that was absent is None."""
    with np.load(io.BytesIO(content), allow_pickle=False) as file:
        arrays: dict[str, Any] = {
            # A text comes back as an array without dimensions.
            name: array if (array := file[name]).ndim else array.item()
            for name in file.files
        }

    def known(kind: type, prefix: str = "") -> dict[str, Any]:
        return {one.name: arrays.get(f"{prefix}{one.name}") for one in fields(kind)}

    return FeaturizedChunk(
        **{**known(FeaturizedChunk), "block": MolBlock(**known(MolBlock, _BLOCK))}
    )
