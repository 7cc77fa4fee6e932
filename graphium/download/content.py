"""Is a file whole and what its name says? Asked when no checksum is known that could tell.

A page of a login, an error with status 200 and a file cut off by a server that lies about its
length all look like a finished download. Formats that carry checksums or ends of their own tell.
"""

import gzip
import zipfile
import zlib
from pathlib import Path

_PIECE = 1024 * 1024
_PARQUET = b"PAR1"
_PAGE = (b"<!doctype html", b"<html")


def why_broken(path: Path, name: str) -> str:
    """Return what is wrong with the content of a file; nothing where nothing is found.

    Args:
        path: The file.
        name: Its final name, whose ending says what it should be.
    """
    with path.open("rb") as file:
        start = file.read(512)
    if not start:
        return "it is empty"
    if name.endswith((".gz", ".tgz")):
        return _why_no_gzip(path)
    if name.endswith(".parquet"):
        return _why_no_parquet(path, start)
    if name.endswith(".zip") or start.startswith(b"PK\3\4"):  # .pt files are such archives
        return _why_no_zip(path)
    if start.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE):
        return "it is a web page"
    return ""


def _why_no_gzip(path: Path) -> str:
    try:
        with gzip.open(path) as file:
            while file.read(_PIECE):
                pass
    except gzip.BadGzipFile as error:
        return f"it is not compressed as its name says ({error})"
    except (EOFError, zlib.error) as error:
        return f"it is cut off or damaged ({error})"
    return ""


def _why_no_parquet(path: Path, start: bytes) -> str:
    size = path.stat().st_size
    with path.open("rb") as file:
        file.seek(max(size - 8, 0))
        end = file.read()
    if not start.startswith(_PARQUET):
        return "it is no parquet file"
    footer = int.from_bytes(end[:4], "little")
    if end[4:] != _PARQUET or not 0 < footer <= size - 12:
        return "it is cut off: it does not end as a parquet file does"
    return ""


def _why_no_zip(path: Path) -> str:
    try:
        with zipfile.ZipFile(path) as archive:
            damaged = archive.testzip()
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        return f"it is no zip archive, or cut off ({error})"
    return f"{damaged!r} in it is damaged" if damaged else ""
