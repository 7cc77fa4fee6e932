"""One process of many does what all of them need; the others wait, and find it done.

The lock is the kernel's: it is free as soon as who holds it ends, however that happens. On a file
system without locks, or in a folder that cannot be written, nobody waits and each does it itself.
"""

import fcntl
import logging
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from graphium.store.owner import machine_name

_LOG = logging.getLogger(__name__)

LOOK_EVERY = 0.1
"""Seconds between two looks whether the lock is free."""
SAY_AFTER = 10.0
"""Seconds of waiting after which it is said what for; after twice as long again, and so on."""


@contextmanager
def turn(path: Path, what: str) -> Iterator[None]:
    """Hold the lock of ``path`` while the body runs.

    Args:
        path: The file that is the lock. It is there only while somebody holds it.
        what: What the holder does, for who waits: "process 7 of this machine WHAT".
    """
    handle = _wait_for(path, what)
    try:
        yield
    finally:
        if handle is not None:
            path.unlink(missing_ok=True)  # first: who comes now makes a file of its own
            os.close(handle)


def _wait_for(path: Path, what: str) -> int | None:
    started, say_after = time.monotonic(), SAY_AFTER
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
        except OSError:  # of a full disk or somebody else's folder tells who has to write there
            return None
        is_ours = False
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            is_ours = os.fstat(handle).st_nlink > 0  # else removed between open and lock
            if is_ours:
                os.ftruncate(handle, 0)
                os.pwrite(handle, f"{machine_name()} {os.getpid()}".encode(), 0)
                return handle
        except BlockingIOError:
            if time.monotonic() - started > say_after:
                say_after *= 3
                _LOG.warning("Waiting for %s, which %s.", _holder(path), what)
            time.sleep(LOOK_EVERY)
        except OSError:
            _LOG.warning("%s cannot be locked: other processes may do the same work.", path)
            return None
        finally:
            if not is_ours:
                os.close(handle)


def _holder(path: Path) -> str:
    """Return who holds a lock, in words."""
    machine, pid = "", ""
    with suppress(OSError, ValueError):
        machine, pid = path.read_text().split()
    if machine == machine_name():
        return f"process {pid} of this machine"
    return "a process of another machine" if machine else "another process"
