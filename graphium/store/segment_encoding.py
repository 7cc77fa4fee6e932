"""One segment of an encoding: graphs of a store in, one zarr group and its record out (worker)."""

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.config.encodings import EncodingsConfig
from graphium.config.features import FeaturesConfig
from graphium.errors import DataError
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.stacks import split_molecules
from graphium.graphs.mol_block import offsets
from graphium.store.arrays import array_sha256, write_arrays
from graphium.store.encodings import EncodingPlan, EncodingRecord
from graphium.store.files import canonical_json, create_once, sync_tree
from graphium.store.layout import COMMITS, SEGMENTS
from graphium.store.owner import hold_name
from graphium.store.read import read_segment_array
from graphium.store.records import ArrayRecord, FileRecord, SegmentRecord

CHUNK = 4_000
"""Molecules that are encoded together; their values do not depend on it."""


@dataclass(frozen=True, slots=True)
class EncodingJob:
    """Which segment of which encoding to write, and for whom."""

    store: Path
    plan: EncodingPlan
    number: int
    writer: str
    """Name of the process that adds the encoding."""

    @property
    def target(self) -> Path:
        """Folder of the encoding."""
        return self.store / self.plan.folder

    @property
    def folder(self) -> str:
        """The segment's group, below that folder."""
        return f"{SEGMENTS}/{self.number:05d}-{self.writer}"


def write_encoding(job: EncodingJob, report: Callable[[int], None]) -> bool:
    """Compute one segment, write it and commit it.

    Args:
        job: The segment.
        report: Called with the number of molecules that were done since the last call.

    Returns:
        False if another process had committed the segment before; ours is removed then.

    Raises:
        DataError: If a value does not fit the precision, or the process that asked is gone.
    """
    handle = hold_name(job.target, job.writer)
    if handle is None:
        raise DataError(f"The process that adds {job.plan.kind} to {job.store} has gone.")
    try:
        return _write(job, report)
    finally:
        os.close(handle)


def _write(job: EncodingJob, report: Callable[[int], None]) -> bool:
    arrays, error = _compute(job, report)
    folder = job.target / job.folder
    write_arrays(folder, arrays, {})
    record = EncodingRecord(
        segment=job.number,
        folder=job.folder,
        error=error,
        versions={name: version(name) for name in ("graphium", "numpy", "zarr")},
        files={
            name: FileRecord(size=size, sha256=digest)
            for name, (size, digest) in sync_tree(folder).items()
        },
        arrays={
            name: ArrayRecord(shape=array.shape, dtype=array.dtype.str, sha256=array_sha256(array))
            for name, array in arrays.items()
        },
    )
    path = job.target / COMMITS / f"{job.number:05d}.json"
    if create_once(path, canonical_json(record.model_dump(mode="json")), job.writer):
        return True
    shutil.rmtree(folder)
    return False


def _compute(
    job: EncodingJob, report: Callable[[int], None]
) -> tuple[dict[str, NDArray[Any]], float]:
    """Return the arrays, and by how much their values were rounded at most."""
    commit = job.store / COMMITS / f"{job.number:05d}.json"
    record = SegmentRecord.model_validate_json(commit.read_bytes())
    num_atoms, num_bonds, bond_ends = (
        read_segment_array(job.store, record, name) for name in ("n_atoms", "n_bonds", "bond_ends")
    )
    first_bond = offsets(num_bonds)
    features = _features(job.plan)
    parts: dict[str, list[NDArray[Any]]] = {}
    error = 0.0
    for start in range(0, max(len(num_atoms), 1), CHUNK):
        end = min(start + CHUNK, len(num_atoms))
        bonds = bond_ends[first_bond[start] : first_bond[end]]
        molecules = split_molecules(
            num_atoms[start:end].astype(np.int32),
            num_bonds[start:end].astype(np.int32),
            bonds.astype(np.uint16),
        )
        encoded = encode(molecules, features)
        for name, values in {**encoded.atoms, **encoded.bonds}.items():
            kept, rounding = _round(job.plan, name, values)
            parts.setdefault(name, []).append(kept)
            error = max(error, rounding)
        report(end - start)
    return {name: np.concatenate(some) for name, some in parts.items()}, error


def _features(plan: EncodingPlan) -> FeaturesConfig:
    """Return features of which this encoding is the only one."""
    only: dict[str, Any] = {"random_walk": None, "laplacian": None, plan.kind: plan.parameters}
    return FeaturesConfig(encodings=EncodingsConfig.model_validate(only))


def _round(
    plan: EncodingPlan, name: str, values: NDArray[np.float32]
) -> tuple[NDArray[Any], float]:
    if plan.precision == "float32":
        return values, 0.0
    with np.errstate(over="ignore"):
        kept = values.astype(np.float16)
    if not np.isfinite(kept).all():
        largest = float(np.abs(values).max())
        raise DataError(
            f"{name} has values up to {largest:g}, more than the {np.finfo(np.float16).max} that "
            "float16 can hold; keep it as float32."
        )
    return kept, float(np.abs(kept.astype(np.float32) - values).max(initial=0.0))
