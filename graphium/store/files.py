"""Files that are whole or absent, whatever kills the process: temporary name, fsync, rename."""

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from graphium.store.fault_points import of_file, reach
from graphium.store.layout import TEMPORARY

_SYNC_THREADS = 8


def write_atomic(path: Path, content: bytes, writer: str) -> None:
    """Replace a file at once; after a crash either the old or the new content stands there."""
    temporary = _write_temporary(path, content, writer)
    os.replace(temporary, path)
    reach(f"{of_file(path)}.renamed")
    sync_folder(path.parent)
    reach(f"{of_file(path)}.durable")


def create_once(path: Path, content: bytes, writer: str) -> bool:
    """Create a file with all its content, or return False if it exists already.

    Of several processes that create the same file, exactly one succeeds.
    """
    temporary = _write_temporary(path, content, writer)
    try:
        os.link(temporary, path)
        reach(f"{of_file(path)}.linked")
    except FileExistsError:
        # NFS may send a request twice and report what became of the second one.
        if not path.samefile(temporary):
            return False
    finally:
        temporary.unlink()
    reach(f"{of_file(path)}.single")
    sync_folder(path.parent)
    reach(f"{of_file(path)}.durable")
    return True


def sync_folder(path: Path) -> None:
    """Make the names in a folder durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_ancestors(folder: Path, count: int) -> None:
    """Make the names of a folder and of the nearest folders above it durable.

    Whoever made them may have died before, so that it does not matter whether they are new.
    """
    for parent in folder.absolute().parents[:count]:
        with suppress(PermissionError):  # where we may not look, others made what is there
            sync_folder(parent)


def sync_tree(root: Path) -> dict[str, tuple[int, str]]:
    """Make a folder and all below it durable; return size and SHA-256 of each file in it."""
    tree = [(Path(folder), names) for folder, _, names in os.walk(root)]
    files = sorted(folder / name for folder, names in tree for name in names)
    # Side by side: the disk takes many requests at once in little more time than one.
    with ThreadPoolExecutor(_SYNC_THREADS) as threads:
        states = list(threads.map(_sync_file, files))
        reach("tree.files")
        list(threads.map(sync_folder, [root.parent, *(folder for folder, _ in tree)]))
    reach("tree.durable")
    names = [path.relative_to(root).as_posix() for path in files]
    return dict(zip(names, states, strict=True))


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


def _sync_file(path: Path) -> tuple[int, str]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        os.fsync(file.fileno())
        return os.fstat(file.fileno()).st_size, digest


def _write_temporary(path: Path, content: bytes, writer: str) -> Path:
    temporary = path.parent / f"{TEMPORARY}{writer}-{path.name}"
    # What a worker that died has left may be a second name of a finished file.
    temporary.unlink(missing_ok=True)
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            reach(f"{of_file(path)}.written")
            os.fsync(file.fileno())
            reach(f"{of_file(path)}.synced")
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    return temporary
