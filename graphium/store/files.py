"""Files that are whole or absent, whatever kills the process: temporary name, fsync, rename."""

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from graphium.store.layout import TEMPORARY


def write_atomic(path: Path, content: bytes, writer: str) -> None:
    """Replace a file at once; after a crash either the old or the new content stands there."""
    temporary = _write_temporary(path, content, writer)
    os.replace(temporary, path)
    sync_folder(path.parent)


def create_once(path: Path, content: bytes, writer: str) -> bool:
    """Create a file with all its content, or return False if it exists already.

    Of several processes that create the same file, exactly one succeeds.
    """
    temporary = _write_temporary(path, content, writer)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    sync_folder(path.parent)
    return True


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_tree(root: Path) -> dict[str, tuple[int, str]]:
    """Make a folder and all below it durable; return size and SHA-256 of each file in it."""
    found: dict[str, tuple[int, str]] = {}
    for folder, _, names in os.walk(root):
        for name in sorted(names):
            path = Path(folder) / name
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
                os.fsync(file.fileno())
                found[str(path.relative_to(root))] = (os.fstat(file.fileno()).st_size, digest)
        sync_folder(Path(folder))
    sync_folder(root.parent)
    return dict(sorted(found.items()))


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file's bytes in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def canonical_json(content: Any) -> bytes:
    """Return JSON with one spelling for equal content: sorted keys, no NaN, indented, UTF-8."""
    text = json.dumps(content, sort_keys=True, indent=1, allow_nan=False, ensure_ascii=False)
    return text.encode()


def json_sha256(content: Any) -> str:
    """Return the SHA-256 of the canonical JSON of ``content`` in hex."""
    return hashlib.sha256(canonical_json(content)).hexdigest()


def _write_temporary(path: Path, content: bytes, writer: str) -> Path:
    temporary = path.parent / f"{TEMPORARY}{writer}-{path.name}"
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
