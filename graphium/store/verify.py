"""Finds every damaged, missing or added file of a store or a key index."""

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from graphium.errors import StoreError
from graphium.store import keys
from graphium.store.encodings import encoding_folders, read_encoding_manifest
from graphium.store.files import file_sha256
from graphium.store.layout import COMMITS, ENCODINGS, MANIFEST
from graphium.store.manifest import read_file_record, read_manifest, read_signed_json
from graphium.store.records import FileRecord


def verify_store(path: Path) -> list[str]:
    """Compare every byte with the manifest, and those of added encodings with theirs.

    An encoding that is not finished is no damage: adding it again goes on with it.

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
    finished, passed_over = ([], []) if is_key_index(path) else encoding_folders(path)
    unreadable = []
    for folder in finished:
        try:
            expected |= _files_of_encoding(folder)
        except StoreError as error:
            unreadable.append(f"encoding {folder.name}: {error}")
            passed_over.append(folder)
    return [
        *_compare(path, expected),
        *unreadable,
        *_find_extra(path, expected, passed_over),
    ]


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


def _files_of_encoding(folder: Path) -> dict[str, tuple[str, FileRecord]]:
    inside = f"{ENCODINGS}/{folder.name}"
    manifest = read_encoding_manifest(folder)
    expected = {
        f"{inside}/{name}": (f"encoding {folder.name}", record)
        for name, record in manifest.files.items()
    }
    for segment in manifest.segments:
        for name, record in segment.files.items():
            owner = f"encoding {folder.name}, segment {segment.segment}"
            expected[f"{inside}/{segment.folder}/{name}"] = owner, record
    own = folder / MANIFEST  # it was read, and signs itself
    expected[f"{inside}/{MANIFEST}"] = f"encoding {folder.name}", read_file_record(own)
    return expected


def _owner(name: str) -> str:
    """Return whose a file outside of segments is: each segment has a record there."""
    path = Path(name)
    return f"segment {int(path.stem)}" if path.parts[0] == COMMITS else "store"


def is_key_index(path: Path) -> bool:
    """Say whether a folder is the key index of a mix rather than a store."""
    try:
        content = json.loads((path / MANIFEST).read_bytes())
    except (OSError, ValueError, RecursionError):
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


def _find_extra(
    path: Path, expected: Mapping[str, tuple[str, FileRecord]], passed_over: Sequence[Path]
) -> Iterator[str]:
    for file in sorted(path.rglob("*")):
        name = file.relative_to(path).as_posix()
        is_file = file.is_symlink() or not file.is_dir()
        is_ours = name in expected or name == MANIFEST
        if is_file and not is_ours and not any(file.is_relative_to(one) for one in passed_over):
            yield f"{name} does not belong here: the manifest does not name it"
