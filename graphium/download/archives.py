"""Archives from others: looked at member by member, unpacked beside, renamed when all is there.

Only regular files and folders come out, each below the folder and under one name. Bytes are
counted as they come, so that what an archive says of itself is not trusted. Modes, owners and
times are not taken over.
"""

import errno
import gzip
import re
import shutil
import stat
import tarfile
import unicodedata
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, BinaryIO, cast

from graphium.download.limits import GIGABYTE
from graphium.download.pins import Content
from graphium.errors import DownloadError, quoted
from graphium.store.files import sync_folder, sync_tree

UNPACKING = ".tmp-unpacking-"
"""Beginning of the name of a folder that is being filled."""

_PIECE = 1024 * 1024
_HEADER = 1024 * 1024
_REFUSED_SIGNS = re.compile(r"[\x00-\x1f\x7f\\:]")
_LONGEST = 255


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """What may come out of an archive."""

    files: int = 10_000
    """Files and folders."""
    size: int = 500 * GIGABYTE
    """Bytes of all files."""
    ratio: int = 200
    """Bytes that may come of one byte of the archive, on the whole."""
    free: int = 16 * 1024 * 1024
    """Bytes up to which the ratio does not matter."""

    def most_bytes(self, archive: int) -> int:
        """Return the bytes that may come out of an archive of so many bytes."""
        return min(self.size, max(archive * self.ratio, self.free))


def unpack(
    archive: Path,
    folder: Path,
    limits: ArchiveLimits,
    before_naming: Callable[[dict[str, Content]], None],
) -> None:
    """Unpack an archive into a folder that does not exist yet; the folder appears when it is whole.

    Args:
        archive: A .zip, .tar, .tar.gz or .tgz file.
        folder: Where its members go.
        limits: What may come out of it.
        before_naming: Takes size and SHA-256 of each file, by its path below the folder, when all
            is durable and before the folder has its name.

    Raises:
        DownloadError: If a member is refused, or the archive is damaged or holds too much; the
            folder does not exist then.
    """
    beside = folder.with_name(f"{UNPACKING}{folder.name}")
    shutil.rmtree(beside, ignore_errors=True)
    beside.mkdir()
    try:
        target = _Target(archive, beside, limits)
        with _translated(archive):
            if archive.name.endswith(".zip"):
                _unpack_zip(archive, target)
            else:
                _unpack_tar(archive, target)
        if not target.names:
            raise DownloadError(f"{archive} is an empty archive.")
        contents = sync_tree(beside).items()
        before_naming(
            {name: Content(size=size, sha256=sha256) for name, (size, sha256) in contents}
        )
        beside.rename(folder)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        raise DownloadError(
            f"The disk of {folder.parent} is full while {archive} is unpacked. Make room; the same "
            "command then unpacks it again."
        ) from error
    finally:
        shutil.rmtree(beside, ignore_errors=True)
    sync_folder(folder.parent)


@contextmanager
def _translated(archive: Path) -> Iterator[None]:
    """Turn what the libraries raise on damaged archives into our error."""
    try:
        yield
    except (
        tarfile.TarError,
        zipfile.BadZipFile,
        zlib.error,
        EOFError,
        NotImplementedError,
        RuntimeError,
        UnicodeError,
        OSError,
    ) as error:
        is_of_disk = isinstance(error, OSError) and error.errno not in (None, errno.EINVAL)
        if is_of_disk:
            raise
        raise DownloadError(
            f"{archive} cannot be unpacked: {error}. If it is damaged, remove it and download it "
            "again."
        ) from error


class _Target:
    """The folder that is filled, and what has come into it."""

    def __init__(self, archive: Path, folder: Path, limits: ArchiveLimits) -> None:
        self._archive = archive
        self._folder = folder
        self._limits = limits
        self._most = limits.most_bytes(archive.stat().st_size)
        self._room = shutil.disk_usage(folder).free
        self._size = 0
        self._members = 0
        self.names: dict[str, bool] = {}
        """Names as file systems compare them, and whether each is a file."""

    def refuse(self, name: str, reason: str) -> DownloadError:
        """Return the error for a member."""
        return DownloadError(
            f"{self._archive}: the member {quoted(name)} is refused: {reason}. Nothing was "
            "unpacked; an archive like this is damaged or made to do harm."
        )

    def count(self, name: str, size: int) -> None:
        """Take a member and the bytes that it says to have into account, before it is read."""
        self._members += 1
        if self._members > self._limits.files:
            raise self.refuse(name, f"there are more than {self._limits.files:,} members")
        if size < 0:
            raise self.refuse(name, "its size is below zero")
        self._check(name, self._size + size)

    def add_folder(self, name: str) -> None:
        """Make a folder."""
        if path := self._path(name, is_file=False):
            path.mkdir(parents=True, exist_ok=True)

    def add_file(self, name: str, source: IO[bytes]) -> None:
        """Write a file."""
        path = self._path(name, is_file=True)
        if path is None:
            raise self.refuse(name, "it has no name")
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("xb") as file:
            while piece := source.read(_PIECE):
                self._size += len(piece)
                self._check(name, self._size)
                file.write(piece)

    def _check(self, name: str, size: int) -> None:
        if size > self._most:
            raise self.refuse(name, f"more than {self._most:,} bytes would come out")
        if size > self._room:
            raise DownloadError(
                f"The disk of {self._folder.parent} has {self._room:,} bytes free; {self._archive} "
                "needs more. Make room, or choose another folder with --to."
            )

    def _path(self, name: str, *, is_file: bool) -> Path | None:
        """Return where a member goes; None for the folder itself."""
        if reason := _why_no_path(name):
            raise self.refuse(name, reason)
        parts = PurePosixPath(name).parts
        for depth in range(1, len(parts) + 1):
            key = "/".join(_as_compared(part) for part in parts[:depth])
            is_file_here = is_file and depth == len(parts)
            if key not in self.names:
                self.names[key] = is_file_here
            elif self.names[key] or is_file_here:  # a folder may be named again
                raise self.refuse(name, "its name is taken by another member")
        return self._folder.joinpath(*parts) if parts else None


def _why_no_path(name: str) -> str:
    """Return why a member may not have its name."""
    if _REFUSED_SIGNS.search(name):
        return "its name holds control characters, a backslash or a colon"
    if name.startswith("/"):
        return "its name is absolute"
    parts = PurePosixPath(name).parts
    if ".." in parts:
        return "its name leads out of the folder"
    try:
        lengths = [len(part.encode()) for part in parts]
    except UnicodeEncodeError:
        return "its name is not text"
    if max(lengths, default=0) > _LONGEST or sum(lengths) + len(lengths) > 16 * _LONGEST:
        return "its name is too long"
    return ""


def _as_compared(part: str) -> str:
    """Return one spelling for names that some file system takes for the same."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


def _unpack_zip(archive: Path, target: _Target) -> None:
    with zipfile.ZipFile(archive) as members:
        for member in members.infolist():
            name = member.orig_filename
            kind = stat.S_IFMT(member.external_attr >> 16)
            target.count(name, member.file_size)
            if not member.filename:  # nothing, or nothing before a zero
                raise target.refuse(name, "it has no name")
            if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise target.refuse(name, "it is compressed in an uncommon way")
            if member.flag_bits & 0x1:
                raise target.refuse(name, "it is encrypted")
            if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
                raise target.refuse(name, "it is a link or a device")
            if member.is_dir():
                target.add_folder(name)
                continue
            if kind == stat.S_IFDIR:
                raise target.refuse(name, "it is a folder with content")
            with members.open(member) as source:
                target.add_file(name, source)


def _unpack_tar(archive: Path, target: _Target) -> None:
    is_packed = archive.name.endswith(("gz", "tgz"))
    with (
        cast(BinaryIO, gzip.open(archive) if is_packed else archive.open("rb")) as plain,
        tarfile.open(fileobj=cast(BinaryIO, _Headers(plain)), mode="r:") as members,
    ):
        for member in members:
            target.count(member.name, member.size)
            if member.isdir():
                target.add_folder(member.name)
            elif not member.isreg() or member.issparse():
                raise target.refuse(member.name, f"it is {_kind_of(member)}")
            else:
                content = members.extractfile(member)
                assert content is not None, "regular files have content"
                with content:
                    target.add_file(member.name, content)
        # tarfile takes a damaged header for the end; a true end is a block of zeros.
        plain.seek(members.offset)
        if plain.read(tarfile.BLOCKSIZE) != tarfile.NUL * tarfile.BLOCKSIZE:
            raise tarfile.ReadError("it is cut off, or a header is damaged")


def _kind_of(member: tarfile.TarInfo) -> str:
    kinds = (
        (member.issym(), "a symbolic link"),
        (member.islnk(), "a hard link"),
        (member.isfifo(), "a pipe"),
        (member.isdev(), "a device"),
        (member.issparse(), "a sparse file"),
    )
    return next((words for is_it, words in kinds if is_it), "of an unknown kind")


class _Headers:
    """What ``tarfile`` reads from: refuses to read a header as long as one that does harm says."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1, /) -> bytes:
        """Read at most so many bytes, which must be few: members come in pieces."""
        if not 0 <= size <= _HEADER:
            raise tarfile.ReadError(f"a header says to be {size:,} bytes long")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Go to a place."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Return the place."""
        return self._file.tell()
