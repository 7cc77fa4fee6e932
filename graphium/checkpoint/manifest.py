"""The manifest of a checkpoint: nothing is believed whose SHA-256 does not stand here."""

import hashlib
import json
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError

from graphium.checkpoint.format import FORMAT_VERSION, MANIFEST, FileName
from graphium.checkpoint.migrate import check_version
from graphium.config.base import Section
from graphium.errors import CheckpointError

_USE_ANOTHER = "use another checkpoint, or copy this one again from where it is whole"


class FileRecord(Section):
    """One file."""

    bytes: int = Field(ge=0)
    """Size."""
    sha256: str
    """Digest of its content, in hexadecimal."""


class Manifest(Section):
    """All files of a checkpoint."""

    format: Literal["graphium checkpoint"] = "graphium checkpoint"
    version: int
    """``FORMAT_VERSION`` of the graphium that wrote it."""
    files: dict[FileName, FileRecord]
    """Every file but the manifest."""

    def render(self) -> bytes:
        """Return the only bytes that are this manifest; they contain their own digest."""
        body = self.model_dump(mode="json")
        digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()
        return (json.dumps({**body, "sha256": digest}, indent=2) + "\n").encode()


def make_manifest(folder: Path, names: list[FileName]) -> Manifest:
    """Return the manifest of files that are complete on disk."""
    files = {}
    for name in names:
        with (folder / name).open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        files[name] = FileRecord(bytes=(folder / name).stat().st_size, sha256=digest)
    return Manifest(version=FORMAT_VERSION, files=files)


def read_manifest(folder: Path) -> Manifest:
    """Return the manifest of a checkpoint.

    Raises:
        CheckpointError: It is absent or damaged, or of a version that this graphium cannot read.
    """
    path = folder / MANIFEST
    if not path.is_file():
        raise CheckpointError(f"{folder} is not a checkpoint: it has no {MANIFEST}")
    damaged = CheckpointError(f"{path} is damaged; {_USE_ANOTHER}")
    content = path.read_bytes()
    try:
        body = json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged from error
    if not isinstance(body, dict) or not isinstance(body.get("version"), int):
        raise damaged
    check_version(body["version"], folder)
    body.pop("sha256", None)
    try:
        manifest = Manifest.model_validate(body)
    except ValidationError as error:
        raise damaged from error
    if manifest.render() != content:
        raise damaged
    return manifest


def read_verified(folder: Path, manifest: Manifest, name: FileName) -> bytes:
    """Return the content of one file, after its size and SHA-256 were found right.

    Raises:
        CheckpointError: The file is absent, damaged or not part of the checkpoint.
    """
    path = folder / name
    record = manifest.files.get(name)
    if record is None:
        raise CheckpointError(f"{folder} holds no {name}; its manifest names {_names(manifest)}")
    if not path.is_file():
        raise CheckpointError(f"{path} is missing; {_USE_ANOTHER}")
    content = path.read_bytes()
    if len(content) != record.bytes:
        raise CheckpointError(
            f"{path} is damaged: it has {len(content)} bytes, the manifest says {record.bytes}; "
            f"{_USE_ANOTHER}"
        )
    digest = hashlib.sha256(content).hexdigest()
    if digest != record.sha256:
        raise CheckpointError(
            f"{path} is damaged: its SHA-256 is {digest}, the manifest says {record.sha256}; "
            f"{_USE_ANOTHER}"
        )
    return content


def _names(manifest: Manifest) -> str:
    return ", ".join(manifest.files) or "no file"
