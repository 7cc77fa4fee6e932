"""Who is writing: each preparing process has a name, a lock and files that carry its name.

A lock that nobody holds belongs to a process that is dead (the kernel frees it, also after
``kill -9``); whoever comes next removes its unfinished files. Living processes are left alone.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphium.store.layout import COMMITS, OWNERS, SEGMENTS, TEMPORARY


@contextmanager
def own_name(store: Path) -> Iterator[str]:
    """Hold a new writer's name while the body runs; unfinished files of the name go at the end."""
    while True:
        (store / OWNERS).mkdir(parents=True, exist_ok=True)
        name = f"{os.getpid()}-{secrets.token_hex(4)}"
        path = _lock_path(store, name)
        with suppress(FileNotFoundError):  # another process has just removed the empty folder
            path.touch(exist_ok=False)
        handle = hold_name(store, name)
        if handle is not None:
            break
    try:
        yield name
    finally:
        _remove_unfinished(store, name)
        path.unlink(missing_ok=True)
        os.close(handle)
        remove_if_empty(store / OWNERS)


def hold_name(store: Path, name: str) -> int | None:
    """Share a writer's lock (its workers do) and return its handle, or None if the name is gone."""
    try:
        handle = os.open(_lock_path(store, name), os.O_RDONLY)
    except FileNotFoundError:
        return None
    fcntl.flock(handle, fcntl.LOCK_SH)
    if os.fstat(handle).st_nlink == 0:  # removed between open and lock
        os.close(handle)
        return None
    return handle


def remove_dead_writers(store: Path) -> None:
    """Remove what dead processes left unfinished. Committed segments stay."""
    for path in sorted((store / OWNERS).glob("*.lock")):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            continue
        else:
            _remove_unfinished(store, path.stem)
            # The lock goes last: as long as anything of the name is left, the next one finds it.
            path.unlink(missing_ok=True)
        finally:
            os.close(handle)
    if (store / OWNERS).is_dir():
        remove_if_empty(store / OWNERS)


def _lock_path(store: Path, name: str) -> Path:
    return store / OWNERS / f"{name}.lock"


def _remove_unfinished(store: Path, name: str) -> None:
    for folder in (store, store / COMMITS):
        for path in folder.glob(f"{TEMPORARY}{name}-*"):
            _remove(path)
    for path in (store / SEGMENTS).glob(f"*-{name}"):
        record = store / COMMITS / f"{path.name.split('-')[0]}.json"
        if not (record.is_file() and f'"{SEGMENTS}/{path.name}"' in record.read_text("utf-8")):
            _remove(path)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def remove_if_empty(folder: Path) -> None:
    """Remove a folder if nothing is in it."""
    with suppress(OSError):
        folder.rmdir()
