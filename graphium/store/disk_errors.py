"""What a disk that is full, or cannot be written, means for a store, in words."""

import errno
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from graphium.errors import StoreError
from graphium.store.layout import COMMITS, PLAN

_FULL = {
    errno.ENOSPC: "no space is left on its disk",
    errno.EDQUOT: "the quota of its disk is used up",
    errno.EFBIG: "a file must become larger than it may (see `ulimit -f`)",
}
_UNITS = ("bytes", "kB", "MB", "GB", "TB")


@contextmanager
def writing(store: Path) -> Iterator[None]:
    """Tell what keeps the body from writing a store in words; other errors pass.

    Raises:
        StoreError: If the disk is full, or the store's folder cannot be written.
    """
    try:
        yield
    except OSError as error:
        if not _concerns(error, store):
            raise
        raise StoreError(
            f"The store {store} could not be written: {describe(error, store)}. What is finished "
            "is kept; run the same command again when the cause is mended, or choose another "
            "folder with --store (or $GRAPHIUM_CACHE_DIR)."
        ) from error


def describe(error: OSError, store: Path, needed: int | None = None) -> str:
    """Return what went wrong; of a full disk also what is free and about what is needed.

    Args:
        error: What the system says.
        store: What was written, or the folder of it.
        needed: Bytes, where they are known; else those of the rest of a store.
    """
    if error.errno not in _FULL:
        return str(error)
    free = f"{_size(shutil.disk_usage(_existing(store)).free)} are free"
    if needed is not None:
        return f"{_FULL[error.errno]} ({free}, about {_size(needed)} are needed)"
    rest = _bytes_to_come(store)
    if rest is None:
        return f"{_FULL[error.errno]} ({free})"
    return f"{_FULL[error.errno]} ({free}; the rest of the store takes about {_size(rest)})"


def _concerns(error: OSError, store: Path) -> bool:
    """Whether an error is about files of the store, as far as can be told."""
    if error.errno in _FULL or error.errno in (errno.EIO, errno.EROFS):
        return True
    if not isinstance(error.filename, str | os.PathLike):
        return False
    path, folder = Path(error.filename).absolute(), store.absolute()
    return path.is_relative_to(folder) or folder.is_relative_to(path)


def _existing(folder: Path) -> Path:
    return next(one for one in (folder, *folder.absolute().parents) if one.exists())


def _bytes_to_come(store: Path) -> int | None:
    """Return the bytes of the rows that are not written yet, by those that are."""
    try:
        rows: int = json.loads((store / PLAN).read_bytes())["rows"]
        records: list[dict[str, Any]] = [
            json.loads(path.read_bytes()) for path in (store / COMMITS).glob("[0-9]*.json")
        ]
        done = sum(int(record["rows"]) for record in records)
        written = sum(int(file["size"]) for record in records for file in record["files"].values())
        return (rows - done) * written // done if done else None
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None  # there is another error to tell


def _size(count: int) -> str:
    size, unit = float(count), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.3g} {_UNITS[unit]}"
