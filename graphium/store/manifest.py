"""The manifest: put together from the commit records, written last, checked on every opening."""

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

from pydantic import ValidationError

from graphium.errors import StoreError
from graphium.store.agreement import disagreement
from graphium.store.files import canonical_json, file_sha256, json_sha256, write_atomic
from graphium.store.layout import FORMAT, FORMAT_VERSION, MANIFEST
from graphium.store.records import (
    ArrayRecord,
    Coverage,
    FileRecord,
    Manifest,
    ManifestArray,
    Plan,
    SegmentRecord,
    describe_errors,
)

_KEY = re.compile("-([0-9a-f]{16})$")


class HasArrays(Protocol):
    """The record of a segment, as far as its arrays are concerned."""

    @property
    def files(self) -> dict[str, FileRecord]:
        """Files below its folder."""

    @property
    def arrays(self) -> dict[str, ArrayRecord]:
        """Arrays by name."""


def build_manifest(
    store: Path, plan: Plan, records: Sequence[SegmentRecord], files: Sequence[str]
) -> Manifest:
    """Return the manifest of finished segments and the store's other ``files``.

    It follows from its arguments and the files alone, so that it is the same whoever makes it.
    """
    failures: Counter[str] = Counter()
    for record in records:
        failures.update(record.failures)
    manifest = Manifest(
        plan=plan,
        segments=tuple(records),
        files={name: read_file_record(store / name) for name in sorted(files)},
        molecules=sum(record.molecules for record in records),
        atoms=sum(record.atoms for record in records),
        bonds=sum(record.bonds for record in records),
        failures=dict(sorted(failures.items())),
        coverage={
            name: _sum_coverage([record.coverage[name] for record in records])
            for name in (
                *(column.name for column in plan.columns),
                *(family.kind for family in plan.families),
            )
        },
        conformers=(
            None
            if plan.conformers is None
            else _sum_coverage([one.conformers for one in records if one.conformers])
        ),
        arrays={name: manifest_array(name, records) for name in records[0].arrays},
    )
    return Manifest.model_validate(sign(manifest.model_dump(mode="json")))


def _sum_coverage(parts: Sequence[Coverage]) -> Coverage:
    missing: Counter[str] = Counter()
    for part in parts:
        missing.update(part.missing)
    return Coverage(
        molecules=sum(part.molecules for part in parts),
        labels=sum(part.labels for part in parts),
        missing=dict(sorted(missing.items())),
        left_out=sum(part.left_out for part in parts),
    )


def write_manifest(store: Path, manifest: Manifest, writer: str) -> None:
    """Make the store exist."""
    write_atomic(store / MANIFEST, canonical_json(manifest.model_dump(mode="json")), writer)


def read_manifest(store: Path) -> Manifest:
    """Read and check the manifest of a store.

    Raises:
        StoreError: If there is none, it was changed, or its format is not known.
    """
    path = store / MANIFEST
    if not path.is_file():
        if not store.is_dir():
            raise StoreError(
                f"The store {store} does not exist; `graphium data prepare` makes the store of a "
                "table and prints its folder."
            )
        raise StoreError(
            f"The store {store} is not finished, or is no store (it has no {MANIFEST}); `graphium "
            "data prepare` finishes the store of a table and prints its folder."
        )
    try:
        manifest = Manifest.model_validate(read_signed_json(path, FORMAT, FORMAT_VERSION))
    except ValidationError as error:
        raise StoreError(f"{path} is damaged: {describe_errors(error)}.") from error
    check_name(path, manifest.plan)
    for record in manifest.segments:
        problem = disagreement(manifest.plan, record, manifest.segments[0].arrays)
        if problem:
            raise StoreError(f"{path} is damaged (segments.{record.segment}): {problem}.")
    return manifest


def check_name(path: Path, plan: Plan) -> None:
    """Check that a plan, or what it became, stands in the folder that is named by its content.

    A folder without the digits of a key in its name is a copy that a user has named.

    Raises:
        StoreError: If the folder has another key.
    """
    try:
        key = plan.key
    except ValueError as error:
        raise StoreError(
            f"{path} is damaged: its options are no plain values ({error}). Remove {path.parent} "
            "and prepare the table again."
        ) from error
    stated = _KEY.search(path.absolute().parent.name)
    if stated is not None and stated.group(1) != key:
        raise StoreError(
            f"{path} belongs to a store of other content (key {key}, made of {plan.source}) "
            "than its folder is named for. Remove the folder and prepare the table again."
        )


def sign(content: dict[str, Any]) -> dict[str, Any]:
    """Return the content with the SHA-256 of its canonical JSON as ``sha256``."""
    rest = {key: value for key, value in content.items() if key != "sha256"}
    return {**rest, "sha256": json_sha256(rest)}


def read_signed_json(path: Path, file_format: str, version: int) -> dict[str, Any]:
    """Read a manifest that ``sign`` signed.

    Raises:
        StoreError: If it is absent, not JSON, of another format or version, or was changed.
    """
    try:
        content = json.loads(path.read_bytes())
    except FileNotFoundError as error:
        raise StoreError(
            f"{path.parent} is not finished, or damaged: {path} is missing."
        ) from error
    except (ValueError, RecursionError) as error:
        raise StoreError(f"{path} is damaged: it is not JSON ({error}).") from error
    if not isinstance(content, dict) or content.get("format") != file_format:
        raise StoreError(f"{path} is damaged: it is no manifest of format {file_format}.")
    if content.get("format_version") != version:
        raise StoreError(
            f"{path} has format version {content.get('format_version')}; this graphium reads "
            f"version {version}. Prepare the table again, or use another graphium."
        )
    try:
        is_whole = content == sign(content)
    except (ValueError, RecursionError):  # numbers, text or nesting that no manifest has
        is_whole = False
    if not is_whole:
        raise StoreError(f"{path} was changed after it was written: its own SHA-256 does not fit.")
    return content


def check_file(path: Path, record: FileRecord, what: str = "store", *, whole: bool = False) -> None:
    """Check that a file exists with its size; small ones without checksums of their own wholly.

    Args:
        path: The file.
        record: What it was when it was written.
        what: What the file is part of, for messages.
        whole: Compare all bytes of any file.

    Raises:
        StoreError: If not; the message names the file.
    """
    if not path.is_file():
        raise StoreError(f"The {what} is damaged: {path} is missing. {_remedy(what)}")
    size = path.stat().st_size
    if size != record.size:
        raise StoreError(
            f"The {what} is damaged: {path} has {size} bytes, not {record.size}. {_remedy(what)}"
        )
    # Shards carry checksums that are compared when they are read; metadata do not.
    if (whole or path.suffix == ".json") and file_sha256(path) != record.sha256:
        raise StoreError(f"The {what} is damaged: {path} was changed. {_remedy(what)}")


def read_file_record(path: Path) -> FileRecord:
    """Return size and SHA-256 of a file."""
    return FileRecord(size=path.stat().st_size, sha256=file_sha256(path))


def manifest_array(name: str, records: Sequence[HasArrays]) -> ManifestArray:
    """Return one array over all segments: its digest, and its bytes on disk."""
    digest = hashlib.sha256(name.encode())
    stored = 0
    for record in records:
        digest.update(record.arrays[name].sha256.encode())
        stored += sum(
            file.size for path, file in record.files.items() if path.startswith(f"{name}/")
        )
    return ManifestArray(bytes=stored, sha256=digest.hexdigest())


def _remedy(what: str) -> str:
    return (
        f"`graphium data verify` names every damaged file; remove the folder of the {what} and "
        "prepare it again."
    )
