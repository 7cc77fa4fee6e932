"""Encodings that were added to a store: what is on disk, and how it is found and read.

::

    <store>/encodings/<kind>-<16 hex digits of what decides its values>/
      MANIFEST.json                the encoding exists if and only if this file verifies
      plan.json                    which encoding, with which parameters, of which graphs
      commits/<segment>.json       one record for each segment of the store
      segments/<segment>-<writer>/ a zarr v3 group: arrays named as in a batch
      owners/<writer>.lock         only while a process makes it

An array has a row for each atom, or each bond, of its segment, in the order of the store, and a
column for each value. The store itself never changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from graphium.config.base import Section
from graphium.config.encodings import AnyEncoding, EncodingLevel, EncodingsConfig
from graphium.errors import StoreError
from graphium.graphs.encodings.compute import ENCODINGS_VERSION
from graphium.store.arrays import read_array
from graphium.store.files import json_sha256
from graphium.store.layout import ENCODINGS, MANIFEST, OWNERS, PLAN
from graphium.store.manifest import check_file, read_signed_json
from graphium.store.read import Store
from graphium.store.records import (
    ArrayRecord,
    FileRecord,
    Manifest,
    ManifestArray,
    describe_errors,
)

FORMAT = "graphium-encoding"
FORMAT_VERSION = 1

Precision = Literal["float32", "float16"]
"""Type in which values are kept."""

_GRAPHS = ("n_atoms", "n_bonds", "bond_ends")
"""Arrays of a store that decide the values of an encoding."""


class EncodingPlan(Section):
    """What is added: decides the name of its folder."""

    format: Literal["graphium-encoding"] = "graphium-encoding"
    format_version: int = FORMAT_VERSION
    kind: str
    """Name of the section below ``features.encodings``."""
    parameters: dict[str, Any]
    """The whole section."""
    precision: Precision
    graphs: str
    """Digest of the graphs of the store."""
    version: int = ENCODINGS_VERSION
    """Of the code that computes encodings."""

    @property
    def folder(self) -> str:
        """Its folder, below that of the store."""
        return f"{ENCODINGS}/{self.kind}-{json_sha256(self.model_dump(mode='json'))[:16]}"

    @property
    def level(self) -> EncodingLevel:
        """Whether a row is an atom or a bond."""
        return "edge" if self.parameters["level"] == "edge" else "node"

    def is_of(self, kind: str, config: AnyEncoding) -> bool:
        """Return whether these are the values that an experiment asks for."""
        return (self.kind, self.parameters) == (kind, config.model_dump(mode="json"))


class EncodingRecord(Section):
    """One finished segment of an encoding."""

    segment: int
    folder: str
    """Its zarr group, below the folder of the encoding."""
    error: float
    """By how much a value differs at most from what was computed in float32."""
    versions: dict[str, str]
    """Versions of the libraries that wrote it."""
    files: dict[str, FileRecord]
    """Files below ``folder``."""
    arrays: dict[str, ArrayRecord]


class EncodingManifest(Section):
    """The whole encoding; written last. What it does not name does not exist."""

    format: Literal["graphium-encoding"] = "graphium-encoding"
    format_version: int = FORMAT_VERSION
    plan: EncodingPlan
    segments: tuple[EncodingRecord, ...]
    files: dict[str, FileRecord]
    """Files of the encoding that belong to no segment."""
    error: float
    """By how much a value differs at most from what was computed in float32."""
    arrays: dict[str, ManifestArray]
    sha256: str = Field(default="")
    """SHA-256 of the canonical JSON of everything else here."""


@dataclass(frozen=True, slots=True)
class StoredEncoding:
    """A finished encoding of a store."""

    path: Path
    manifest: EncodingManifest

    @property
    def plan(self) -> EncodingPlan:
        """What it is."""
        return self.manifest.plan

    def check(self) -> None:
        """Compare the size of every file with the manifest.

        Raises:
            StoreError: If one is missing or damaged.
        """
        for name, record in self.manifest.files.items():
            check_file(self.path / name, record, "encoding")
        for segment in self.manifest.segments:
            for name, record in segment.files.items():
                check_file(self.path / segment.folder / name, record, "encoding")

    def read(self, segment: int) -> dict[str, NDArray[np.float32]]:
        """Return the arrays of one segment by name.

        Raises:
            StoreError: If one is damaged.
        """
        record = self.manifest.segments[segment]
        arrays = {}
        for name, known in record.arrays.items():
            try:
                array = read_array(self.path / record.folder, name, known.sha256)
            except StoreError as error:
                raise StoreError(
                    f"An array of an encoding, {self.path / record.folder / name}, is damaged. "
                    f"Remove {self.path} and add the encoding again; the store itself may be whole."
                ) from error
            arrays[name] = array.astype(np.float32)
        return arrays


def plan_encoding(
    manifest: Manifest, kind: str, config: AnyEncoding, precision: Precision
) -> EncodingPlan:
    """Return what adding an encoding to a store means."""
    return EncodingPlan(
        kind=kind,
        parameters=config.model_dump(mode="json"),
        precision=precision,
        graphs=_digest_graphs(manifest),
    )


def graphs_by_segment(manifest: Manifest) -> list[list[str]]:
    """Return digests, for each segment of a store, of all that decides the values there."""
    return [[segment.arrays[name].sha256 for name in _GRAPHS] for segment in manifest.segments]


def stored_encodings(store: Store) -> list[StoredEncoding]:
    """Return the finished encodings of a store that this version of graphium would compute alike.

    Raises:
        StoreError: If the manifest of one is damaged.
    """
    graphs = _digest_graphs(store.record)
    found = [
        StoredEncoding(path.parent, read_encoding_manifest(path.parent))
        for path in sorted(store.path.glob(f"{ENCODINGS}/*/{MANIFEST}"))
    ]
    return [
        one for one in found if (one.plan.graphs, one.plan.version) == (graphs, ENCODINGS_VERSION)
    ]


def choose_stored(
    stored: list[StoredEncoding], kind: str, config: AnyEncoding, allowed: EncodingsConfig
) -> StoredEncoding | None:
    """Return the stored encoding that an experiment may read instead of computing it.

    Args:
        stored: Those of a store.
        kind: What the experiment asks for...
        config: ...with which parameters.
        allowed: The section that says which precision may be read.
    """
    ways: Mapping[str, tuple[Precision, ...]] = {
        "float32": ("float32",),
        "float16": ("float32", "float16"),
        "never": (),
    }
    for precision in ways[allowed.stored]:
        for one in stored:
            if one.plan.is_of(kind, config) and one.plan.precision == precision:
                return one
    return None


def read_encoding_manifest(folder: Path) -> EncodingManifest:
    """Read and check the manifest of an encoding.

    Raises:
        StoreError: If it was changed, stands in the folder of another encoding, or its format is
            not known.
    """
    path = folder / MANIFEST
    try:
        manifest = EncodingManifest.model_validate(read_signed_json(path, FORMAT, FORMAT_VERSION))
    except ValidationError as error:
        raise StoreError(f"{path} is damaged: {describe_errors(error)}.") from error
    if Path(manifest.plan.folder).name != folder.name:
        raise StoreError(
            f"{path} belongs to another encoding ({Path(manifest.plan.folder).name}) than its "
            f"folder is named for. Remove {folder} and add the encoding again."
        )
    return manifest


def encoding_folders(store: Path) -> tuple[list[Path], list[Path]]:
    """Return the folders of finished encodings of a store, and of those that are not finished."""
    folders = sorted(path for path in (store / ENCODINGS).glob("*") if path.is_dir())
    finished = [path for path in folders if (path / MANIFEST).is_file()]
    begun = [path for path in folders if (path / PLAN).is_file() or (path / OWNERS).is_dir()]
    return finished, [path for path in begun if path not in finished]


def _digest_graphs(manifest: Manifest) -> str:
    return json_sha256({name: manifest.arrays[name].sha256 for name in _GRAPHS})
