"""The manifest: put together from the commit records, written last, checked on every opening."""

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError

from graphium.errors import StoreError
from graphium.store.files import canonical_json, file_sha256, json_sha256, write_atomic
from graphium.store.layout import FORMAT, FORMAT_VERSION, MANIFEST
from graphium.store.records import (
    Coverage,
    FileRecord,
    Manifest,
    ManifestArray,
    Plan,
    SegmentRecord,
    describe_errors,
)


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
        files={name: _file_record(store / name) for name in sorted(files)},
        molecules=sum(record.molecules for record in records),
        atoms=sum(record.atoms for record in records),
        bonds=sum(record.bonds for record in records),
        failures=dict(sorted(failures.items())),
        coverage={
            column.name: Coverage(
                molecules=sum(record.coverage[column.name].molecules for record in records),
                labels=sum(record.coverage[column.name].labels for record in records),
            )
            for column in plan.columns
        },
        arrays={name: _manifest_array(name, records) for name in records[0].arrays},
    )
    return manifest.model_copy(update={"sha256": manifest_sha256(manifest)})


def manifest_sha256(manifest: Manifest) -> str:
    """Return the digest that ``manifest.sha256`` must have."""
    return json_sha256(manifest.model_dump(mode="json", exclude={"sha256"}))


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
        state = "is not finished" if store.is_dir() else "does not exist"
        raise StoreError(
            f"The store {store} {state} (it has no {MANIFEST}); run `graphium data prepare`."
        )
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise StoreError(f"{path} is damaged: it is not JSON ({error}).") from error
    _check_format(path, content)
    try:
        manifest = Manifest.model_validate(content)
    except ValidationError as error:
        raise StoreError(f"{path} is damaged: {describe_errors(error)}.") from error
    if manifest.sha256 != manifest_sha256(manifest):
        raise StoreError(f"{path} was changed after it was written: its own SHA-256 does not fit.")
    return manifest


def _check_format(path: Path, content: object) -> None:
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise StoreError(f"{path} is not the manifest of a graphium store.")
    if content.get("format_version") != FORMAT_VERSION:
        raise StoreError(
            f"{path} has format version {content.get('format_version')}; this graphium reads "
            f"version {FORMAT_VERSION}. Prepare the table again, or use another graphium."
        )


def _file_record(path: Path) -> FileRecord:
    return FileRecord(size=path.stat().st_size, sha256=file_sha256(path))


def _manifest_array(name: str, records: Sequence[SegmentRecord]) -> ManifestArray:
    digest = hashlib.sha256(name.encode())
    stored = 0
    for record in records:
        digest.update(record.arrays[name].sha256.encode())
        stored += sum(
            file.size for path, file in record.files.items() if path.startswith(f"{name}/")
        )
    return ManifestArray(bytes=stored, sha256=digest.hexdigest())
