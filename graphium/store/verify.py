"""Finds every damaged, missing or added file of a store or a key index."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

from graphium.errors import StoreError
from graphium.store import keys
from graphium.store.files import file_sha256
from graphium.store.layout import COMMITS, MANIFEST
from graphium.store.manifest import read_manifest, read_signed_json
from graphium.store.records import FileRecord


def verify_store(path: Path) -> list[str]:
    """Compare every byte with the manifest.

    Args:
        path: A store, or a key index (a folder of ``mixes``).

    Returns:
        One line for each problem, with the file and, where it belongs to one, the segment; empty
        when all is well.
    """
    try:
        expected = _expected_files(path)
    except StoreError as error:
        return [str(error)]
    return [*_compare(path, expected), *_find_extra(path, expected)]


def stores_below(root: Path) -> list[Path]:
    """Return all stores and key indexes of a folder of stores, in order; none if it is not one.

    What is not finished is no store yet: the next preparation goes on with it.
    """
    found = (*root.glob(f"stores/*/{MANIFEST}"), *root.glob(f"{keys.FOLDER}/*/{MANIFEST}"))
    return sorted(path.parent for path in found)


def _expected_files(path: Path) -> dict[str, tuple[str, FileRecord]]:
    """Return file -> (whose it is, what it must be)."""
    if is_key_index(path):
        manifest = read_signed_json(path / MANIFEST, keys.FORMAT, keys.FORMAT_VERSION)
        return {
            name: ("key index", FileRecord(size=size, sha256=digest))
            for name, (size, digest) in manifest["files"].items()
        }
    store = read_manifest(path)
    expected = {name: (_owner(name), record) for name, record in store.files.items()}
    for segment in store.segments:
        for name, record in segment.files.items():
            expected[f"{segment.folder}/{name}"] = (f"segment {segment.segment}", record)
    return expected


def _owner(name: str) -> str:
    """Return whose a file outside of segments is: each segment has a record there."""
    path = Path(name)
    return f"segment {int(path.stem)}" if path.parts[0] == COMMITS else "store"


def is_key_index(path: Path) -> bool:
    """Say whether a folder is the key index of a mix rather than a store."""
    try:
        content = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError):
        content = None
    if not isinstance(content, dict):  # damaged: only its place tells what it was
        return path.parent.name == keys.FOLDER
    return content.get("format") == keys.FORMAT


def _compare(path: Path, expected: Mapping[str, tuple[str, FileRecord]]) -> Iterator[str]:
    for name, (owner, record) in expected.items():
        file = path / name
        if not file.is_file():
            yield f"{owner}: {name} is missing"
        elif (size := file.stat().st_size) != record.size:
            yield f"{owner}: {name} has {size} bytes instead of {record.size}"
        elif file_sha256(file) != record.sha256:
            yield f"{owner}: {name} has other content than was written (its SHA-256 differs)"


def _find_extra(path: Path, expected: Mapping[str, tuple[str, FileRecord]]) -> Iterator[str]:
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        if (file.is_symlink() or not file.is_dir()) and name not in expected and name != MANIFEST:
            yield f"{name} does not belong here: the manifest does not name it"
