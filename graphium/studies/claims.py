"""Which process works on what, where any number of processes on any machines share a folder.

A claim is a file ``1``, ``2``, ... that exists from the moment it is made (a hard link, which one
process alone can make) and is locked by its process. The highest number is the owner. On one
machine a claim whose lock is free belongs to a process that is dead, also after ``kill -9``. A
claim of another machine is judged by its time: its process touches it every ``BEAT`` seconds.
"""

import fcntl
import json
import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphium.errors import StoppedError
from graphium.store.owner import machine_name

BEAT = 20.0
"""Seconds between two signs of life."""
STALE = 300.0
"""Seconds without a sign of life after which a process elsewhere counts as dead."""

_RELEASED, _FAILED = 0.0, 1.0
"""Times of a claim that its process gave back, and of one that it left by an error."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What this process holds."""

    path: Path

    def is_ours(self) -> bool:
        """Whether no other process has taken over, for example while this machine was asleep."""
        return _latest(self.path.parent) == int(self.path.name)


def is_held(folder: Path) -> bool:
    """Whether a living process holds the newest claim of a folder."""
    number = _latest(folder)
    return number > 0 and _is_alive(folder / str(number))


def deaths_at(folder: Path, progress: int) -> int:
    """Return how many processes in a row died, or met an error, no further than ``progress``."""
    count = 0
    for number in range(_latest(folder), 0, -1):
        path = folder / str(number)
        if _noted(path).get("progress") != progress:
            break
        count += path.stat().st_mtime != _RELEASED
    return count


@contextmanager
def claim(folder: Path, progress: int) -> Iterator[Claim | None]:
    """Hold what a folder stands for while the body runs; None where another process does.

    Args:
        folder: Folder of the claims, made where it is absent.
        progress: How far the work has come, for ``deaths_at``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    number = _latest(folder)
    if number and _is_alive(folder / str(number)):
        yield None
        return
    temporary = folder / f".{machine_name()}-{os.getpid()}-{threading.get_ident()}"
    path = folder / str(number + 1)
    with temporary.open("w") as file:
        json.dump({"machine": machine_name(), "pid": os.getpid(), "progress": progress}, file)
        file.flush()
        with suppress(OSError):  # a file system without locks: judged by time
            fcntl.flock(file, fcntl.LOCK_EX)
        is_first = _link(temporary, path)  # locked before anyone can see it
        if not is_first:
            yield None
            return
        over = threading.Event()
        thread = threading.Thread(target=_beat, args=(path, over), daemon=True)
        thread.start()
        ended = _FAILED
        try:
            yield Claim(path)
            ended = _RELEASED
        except (KeyboardInterrupt, StoppedError):  # asked for
            ended = _RELEASED
            raise
        finally:
            over.set()
            thread.join()
            os.utime(path, (ended, ended))


def _link(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless another process was faster."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return path.samefile(temporary)  # NFS may send a request twice
    finally:
        temporary.unlink()
    return True


def _beat(path: Path, over: threading.Event) -> None:
    while not over.wait(BEAT):
        os.utime(path)


def _latest(folder: Path) -> int:
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    return max((int(name) for name in names if name.isdecimal()), default=0)


def _is_alive(path: Path) -> bool:
    if path.stat().st_mtime in (_RELEASED, _FAILED):
        return False
    if _noted(path).get("machine") == machine_name():
        with path.open("r") as file, suppress(_NoLocksError):
            return _is_locked(file.fileno())
    clock = path.parent / f".clock-{machine_name()}-{os.getpid()}"
    clock.touch()  # the time of the file server, which may not be ours
    now = clock.stat().st_mtime
    clock.unlink()
    return now - path.stat().st_mtime < STALE


def _noted(path: Path) -> dict[str, Any]:
    """Return what a claim says; nothing where it is damaged: then its time alone tells."""
    try:
        content = json.loads(path.read_text())
    except (ValueError, RecursionError):
        content = None
    return content if isinstance(content, dict) else {}


class _NoLocksError(Exception):
    """The file system has no locks."""


def _is_locked(handle: int) -> bool:
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError as error:
        raise _NoLocksError from error
    return False
