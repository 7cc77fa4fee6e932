"""A file that has arrived in part: ``NAME.part`` and, beside it, what is known of it.

``NAME.part.json`` says which version of which address the bytes belong to, how many of them are
durable, and the SHA-256 of these. Whatever ends the process, the next one takes over exactly the
bytes whose SHA-256 it can confirm.
"""

import hashlib
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from graphium.store.files import sync_folder

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Version:
    """What a server says of one version of a file."""

    etag: str | None = None
    last_modified: str | None = None
    total: int | None = None
    """Bytes of the whole file."""
    sha256: str | None = None
    """In hex, of the whole file."""
    md5: str | None = None
    """In hex, of the whole file."""

    @property
    def validator(self) -> str | None:
        """What ``If-Range`` may hold: a strong ETag, or the time of the last change."""
        if self.etag and not self.etag.startswith("W/"):
            return self.etag
        return self.last_modified

    def contradicts(self, other: "Version") -> bool:
        """Return whether both say something of the same kind, and not the same."""
        pairs = (
            (self.etag, other.etag),
            (self.last_modified, other.last_modified),
            (self.total, other.total),
            (self.sha256, other.sha256),
            (self.md5, other.md5),
        )
        return any(None not in pair and pair[0] != pair[1] for pair in pairs)

    def or_as(self, other: "Version") -> "Version":
        """Return what is known when both speak of the same version."""
        own = asdict(self)
        return replace(other, **{name: value for name, value in own.items() if value is not None})


class Partial:
    """The bytes of one file that have arrived so far.

    Args:
        path: Name that the file gets at the end.
        url: Address that it comes from.
        checkpoint: Bytes after which what has arrived is made durable.
    """

    def __init__(self, path: Path, url: str, checkpoint: int) -> None:
        self.path = path.with_name(f"{path.name}.part")
        self._record = path.with_name(f"{path.name}.part.json")
        self._url = url
        self._checkpoint = checkpoint
        # Without a buffer: on a full disk nothing waits that would fail again when it is closed.
        self._file = self.path.open("a+b", buffering=0)
        self.version = Version()
        self.is_pieced = False
        """Whether the bytes come from more than one answer."""
        self.size = 0
        """Bytes that are there."""
        self._saved = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._take_over()

    @property
    def is_whole(self) -> bool:
        """Whether all bytes are there that the server spoke of."""
        return self.version.total is not None and self.size == self.version.total

    def __enter__(self) -> "Partial":
        return self

    def __exit__(self, *_: object) -> None:
        if self._file.closed:
            return
        if self.size == 0:
            self.discard()
            return
        with suppress(OSError):  # a full disk; what is not noted is fetched again
            self.save()
        self._file.close()

    def clear(self) -> None:
        """Forget all bytes."""
        self.size = self._saved = 0
        self._sha256 = hashlib.sha256()
        self._md5 = hashlib.md5(usedforsecurity=False)
        self._file.truncate(0)
        self._record.unlink(missing_ok=True)
        self.version = Version()
        self.is_pieced = False

    def write(self, piece: bytes) -> None:
        """Add bytes."""
        rest = memoryview(piece)
        while rest:
            count = self._file.write(rest)
            self._sha256.update(rest[:count])
            self._md5.update(rest[:count])
            self.size += count
            rest = rest[count:]
        if self.size - self._saved >= self._checkpoint:
            self.save()

    def save(self) -> None:
        """Make what has arrived durable and note its SHA-256."""
        os.fsync(self._file.fileno())
        content = {
            "url": self._url,
            "bytes": self.size,
            "sha256": self.sha256,
            "is_pieced": self.is_pieced,
            "version": asdict(self.version),
        }
        write_durable(self._record, json.dumps(content, indent=1).encode())
        self._saved = self.size

    @property
    def sha256(self) -> str:
        """SHA-256 of the bytes, in hex."""
        return self._sha256.hexdigest()

    @property
    def md5(self) -> str:
        """MD5 of the bytes, in hex."""
        return self._md5.hexdigest()

    def finish(self, path: Path) -> None:
        """Give the file its name; it is durable then."""
        self.save()
        self._file.close()
        os.replace(self.path, path)
        sync_folder(path.parent)
        self._record.unlink(missing_ok=True)

    def discard(self) -> None:
        """Remove the bytes and what is known of them."""
        self._file.close()
        self.path.unlink(missing_ok=True)
        self._record.unlink(missing_ok=True)

    def _take_over(self) -> None:
        """Take over the bytes of an earlier process, if they are what was noted."""
        with suppress(OSError, ValueError, TypeError, KeyError):
            noted = json.loads(self._record.read_bytes())
            version = Version(**noted["version"])
            length = int(noted["bytes"])
            self._read_up_to(length)
            is_same = self.size == length and self.sha256 == noted["sha256"]
            if is_same and noted["url"] == self._url:
                self.version, self.is_pieced = version, bool(noted["is_pieced"])
                self._saved = length
                self._file.truncate(length)
                self._file.seek(length)
                return
        self.clear()

    def _read_up_to(self, length: int) -> None:
        self._file.seek(0)
        while self.size < length and (piece := self._file.read(min(_PIECE, length - self.size))):
            self._sha256.update(piece)
            self._md5.update(piece)
            self.size += len(piece)


def write_durable(path: Path, content: bytes) -> None:
    """Replace a small file at once; after a crash the old or the new content stands there."""
    temporary = path.with_name(f".tmp-{path.name}")
    try:
        with temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        temporary.unlink(missing_ok=True)
        raise
    os.replace(temporary, path)
    sync_folder(path.parent)
