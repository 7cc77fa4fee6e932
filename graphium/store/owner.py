"""Who is writing: each preparing process has a name, a lock and files that carry its name.

A lock that nobody holds belongs to a process that is dead (the kernel frees it, also after
``kill -9``); whoever comes next removes its unfinished files. Living processes are left alone.

Only a writer of this machine is judged by its lock. Many shared file systems keep locks to the
machine that took them, so that the lock of a living writer elsewhere looks free. What other
machines have left is removed when the store is finished, because nobody needs it any more.
"""

import fcntl
import hashlib
import os
import secrets
import shutil
import socket
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphium.store.fault_points import reach
from graphium.store.layout import COMMITS, OWNERS, PARTS, SEGMENTS, TEMPORARY

_BOOT = Path("/proc/sys/kernel/random/boot_id")


def machine_name() -> str:
    """Return 8 hex digits of the running kernel: all processes whose locks it keeps share them."""
    identity = _BOOT.read_text() if _BOOT.is_file() else socket.gethostname()
    return hashlib.sha256(identity.encode()).hexdigest()[:8]


@contextmanager
def own_name(store: Path) -> Iterator[str]:
    """Hold a new writer's name while the body runs; unfinished files of the name go at the end."""
    while True:
        (store / OWNERS).mkdir(parents=True, exist_ok=True)
        name = f"{machine_name()}-{os.getpid()}-{secrets.token_hex(4)}"
        path = _lock_path(store, name)
        try:
            path.touch(exist_ok=False)
        except FileNotFoundError:
            pass  # another process has just removed the empty folder
        except OSError:
            remove_if_empty(store / OWNERS)
            raise
        handle = hold_name(store, name)
        if handle is not None:
            break
    try:
        reach("owner.named")
        yield name
    finally:
        _remove_unfinished(store, name)
        reach("owner.unfinished")
        path.unlink(missing_ok=True)
        reach("owner.gone")
        os.close(handle)
        remove_if_empty(store / OWNERS)


def hold_name(store: Path, name: str) -> int | None:
    """Share a writer's lock (its workers do) and return its handle, or None if the name is gone."""
    try:
        handle = os.open(_lock_path(store, name), os.O_RDONLY)
    except FileNotFoundError:
        return None
    with suppress(OSError):  # a file system without locks: nobody can take ours for free, either
        fcntl.flock(handle, fcntl.LOCK_SH)
    if os.fstat(handle).st_nlink == 0:  # removed between open and lock
        os.close(handle)
        return None
    return handle


def remove_dead_writers(store: Path) -> None:
    """Remove what dead processes of this machine left unfinished. Committed segments stay."""
    for path in sorted((store / OWNERS).glob(f"{machine_name()}-*.lock")):
        _remove_if_dead(store, path)
    if (store / OWNERS).is_dir():
        remove_if_empty(store / OWNERS)


def tidy_finished(store: Path, folders: Collection[str]) -> None:
    """Remove all that a finished store does not need, but for living writers of this machine.

    A writer elsewhere may still be alive. It cannot commit anything, since every segment has its
    record; it finds its files gone, and the store finished.

    Args:
        store: A store with its manifest.
        folders: Folders of the segments that the manifest names.
    """
    remove_dead_writers(store)
    living = [path.stem for path in (store / OWNERS).glob(f"{machine_name()}-*.lock")]
    ours = tuple(f"{TEMPORARY}{name}-" for name in living)
    for folder in (store, store / COMMITS):
        for path in folder.glob(f"{TEMPORARY}*"):
            if not path.name.startswith(ours):
                _remove(path)
    reach("tidy.temporaries")
    for path in (store / SEGMENTS).iterdir():
        is_living = path.name.endswith(tuple(f"-{name}" for name in living))
        if f"{SEGMENTS}/{path.name}" not in folders and not is_living:
            _remove(path)
    reach("tidy.segments")
    for path in (store / OWNERS).glob("*.lock"):
        if path.stem not in living:
            path.unlink(missing_ok=True)
    reach("tidy.owners")
    (store / PARTS).unlink(missing_ok=True)
    if (store / OWNERS).is_dir():
        remove_if_empty(store / OWNERS)


def _remove_if_dead(store: Path, lock: Path) -> None:
    try:
        handle = os.open(lock, os.O_RDWR)  # over NFS only who may write can lock alone
    except (FileNotFoundError, PermissionError):  # gone, or another user's
        return
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:  # it is held, or nobody can tell
        return
    else:
        _remove_unfinished(store, lock.stem)
        reach("dead.unfinished")
        # The lock goes last: as long as anything of the name is left, the next one finds it.
        lock.unlink(missing_ok=True)
    finally:
        os.close(handle)


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
