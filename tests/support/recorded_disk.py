"""What a program does to the files below a folder, in order: the operations of a file system."""

import builtins
import io
import os
import threading
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal
from unittest import mock

Kind = Literal["mkdir", "create", "truncate", "write", "fsync", "rename", "link", "unlink", "rmdir"]


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation; paths are relative to the folder that is watched, which is ``""`` itself."""

    kind: Kind
    path: str
    other: str = ""
    """The new name, of ``rename`` and ``link``."""
    content: bytes = b""
    """What ``write`` adds at the end of the file."""


class Recorder:
    """Notes all operations below a folder while it is entered; may make some of them fail.

    Args:
        root: The folder; all else is left alone.
        before: Called before each operation; what it raises is what the program sees. A write that
            fails has written half.
    """

    def __init__(self, root: Path, before: Callable[[Operation], None] = lambda _: None) -> None:
        self.operations: list[Operation] = []
        self._root = os.path.abspath(root)
        self._before = before
        self._lock = threading.RLock()
        self._patches = ExitStack()

    def __enter__(self) -> "Recorder":
        for name in ("mkdir", "rmdir", "unlink", "remove"):
            kind = "unlink" if name == "remove" else name
            self._patch(os, name, self._one(kind, getattr(os, name)))
        for name in ("rename", "replace", "link"):
            kind = "rename" if name == "replace" else name
            self._patch(os, name, self._two(kind, getattr(os, name)))
        self._patch(os, "fsync", self._fsync(os.fsync))
        self._patch(os, "open", self._os_open(os.open))
        opener = self._open(io.open)
        self._patch(io, "open", opener)
        self._patch(builtins, "open", opener)
        return self

    def __exit__(self, *_: object) -> None:
        self._patches.close()

    def _patch(self, module: Any, name: str, function: Any) -> None:
        self._patches.enter_context(mock.patch.object(module, name, function))

    def inside(self, path: Any, folder: int | None = None) -> str | None:
        """Return a path relative to the folder, or None if it is elsewhere."""
        if isinstance(path, int):
            path = os.readlink(f"/proc/self/fd/{path}")
        elif folder is not None:
            path = os.path.join(os.readlink(f"/proc/self/fd/{folder}"), os.fspath(path))
        path = os.path.abspath(os.fspath(path))
        if path != self._root and not path.startswith(f"{self._root}/"):
            return None
        return path[len(self._root) + 1 :]

    def does(self, operation: Operation, do: Callable[[], Any]) -> Any:
        """Do what the operation says, and note it."""
        with self._lock:
            self._before(operation)
            result = do()
            self.operations.append(operation)
            return result

    def _one(self, kind: Any, real: Any) -> Any:
        def call(path: Any, *rest: Any, dir_fd: int | None = None, **options: Any) -> Any:
            options = {"dir_fd": dir_fd, **options} if dir_fd is not None else options
            inside = self.inside(path, dir_fd)
            is_there = kind == "mkdir" and os.path.isdir(path)  # refused before the disk is asked
            if inside is None or is_there:
                return real(path, *rest, **options)
            return self.does(Operation(kind, inside), lambda: real(path, *rest, **options))

        return call

    def _two(self, kind: Any, real: Any) -> Any:
        def call(old: Any, new: Any, **options: Any) -> Any:
            paths = self.inside(old), self.inside(new)
            if paths[0] is None or paths[1] is None:
                assert paths == (None, None), "nothing comes from elsewhere"
                return real(old, new, **options)
            return self.does(Operation(kind, *paths), lambda: real(old, new, **options))

        return call

    def _fsync(self, real: Any) -> Any:
        def call(file: Any) -> None:
            inside = self.inside(file if isinstance(file, int) else file.fileno())
            if inside is None:
                real(file)
            else:
                self.does(Operation("fsync", inside), lambda: None)  # nobody cuts the power here

        return call

    def _os_open(self, real: Any) -> Any:
        def call(path: Any, flags: int, *rest: Any, **options: Any) -> int:
            inside = self.inside(path, options.get("dir_fd"))
            if inside is None or not flags & os.O_CREAT:
                return int(real(path, flags, *rest, **options))
            assert flags & os.O_EXCL, "only whole new files are made by number"
            create = Operation("create", inside)
            return int(self.does(create, lambda: real(path, flags, *rest, **options)))

        return call

    def _open(self, real: Any) -> Any:
        def call(path: Any, mode: str = "r", *rest: Any, **options: Any) -> Any:
            inside = None if isinstance(path, int) else self.inside(path)
            if inside is None or not any(letter in mode for letter in "wxa+"):
                return real(path, mode, *rest, **options)
            assert mode in ("wb", "xb"), f"{inside} is opened in a way that is not recorded: {mode}"
            kind: Kind = "truncate" if os.path.lexists(path) else "create"
            raw = self.does(Operation(kind, inside), lambda: io.FileIO(path, mode[0]))
            return _Writer(raw, self, inside)

        return call


class _Writer(io.RawIOBase):
    """A file of which each write is noted; without a buffer, so that none is noted late."""

    def __init__(self, raw: io.FileIO, recorder: Recorder, path: str) -> None:
        self._raw, self._recorder, self._path = raw, recorder, path

    def write(self, content: Any) -> int:
        operation = Operation("write", self._path, content=bytes(content))
        try:
            self._recorder.does(operation, lambda: self._raw.write(operation.content))
        except OSError:
            self._raw.write(operation.content[: len(operation.content) // 2])
            raise
        return len(operation.content)

    def fileno(self) -> int:
        return self._raw.fileno()

    def writable(self) -> bool:
        return True

    def close(self) -> None:
        self._raw.close()
        super().close()
