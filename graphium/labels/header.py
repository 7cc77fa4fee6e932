"""Names of a table's columns: what a header says, and which column holds SMILES.

Only the standard library reads here, so that ``graphium check`` answers at once.
"""

import codecs
import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

from graphium.errors import DataError

SMILES_NAMES = (
    "smiles",
    "canonical_smiles",
    "isomeric_smiles",
    "ordered_smiles",
    "smi",
    "cxsmiles",
    "mol",
    "molecule",
    "structure",
    "drug",
)
"""Names that a SMILES column may have, in any case; the first that a table has is taken."""
_TDC_COLUMNS = ("ID", "X")
"""What TDC calls names and SMILES of molecules in some tables."""

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
"""What parts the cells of a text table, by the end of its name (without ``.gz``)."""
PARQUET = (".parquet", ".pq")
"""Ends of the names of parquet files."""
SMI = (".smi", ".smiles")
"""Ends of the names of files with a SMILES and, after blanks, a name on each line."""
SDF = (".sdf", ".sd")
"""Ends of the names of files of mol blocks with properties."""
SMI_COLUMNS = ("smiles", "name")
"""Columns that such a file is said to have."""

_UTF_16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a text table."""

    columns: tuple[str, ...]
    """Column names; a repeated name has got a suffix (``y``, ``y.1``)."""
    lines: int
    """Lines that it takes: a quoted name may have several."""
    repeated: tuple[str, ...] = ()
    """Those of the columns that have got a suffix."""


def table_format(path: Path) -> str:
    """Return the end of a table's name that tells its format, in lower case, without ``.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()


def is_table_name(path: Path) -> bool:
    """Return whether the end of a name is one of a table that can be read."""
    kind = table_format(path)
    is_packed = path.suffix.lower() == ".gz"
    return kind in (*DELIMITERS, *SMI, *SDF) or (kind in PARQUET and not is_packed)


def known_formats() -> str:
    """Return the ends of names of tables that can be read, as words."""
    return f"{', '.join((*DELIMITERS, *SMI, *SDF))} (all also .gz), {' or '.join(PARQUET)}"


def read_header(path: Path, delimiter: str) -> Header:
    """Read the first row of a csv or tsv file (also ``.gz``).

    Args:
        path: The file.
        delimiter: What parts its cells.

    Raises:
        DataError: If the file is empty, cannot be read, or has other delimiters.
    """
    try:
        with open_bytes(path) as start:
            if start.read(2) in _UTF_16:
                raise DataError(f"The table {path} is UTF-16; save it as UTF-8.")
        with open_text(path, newline="") as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            names = next(reader, [])
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}.") from error
    if not names:
        raise DataError(f"The table {path} has no header line.")
    if len(names) == 1 and (sign := _other_delimiter(names[0])):
        raise DataError(
            f"The header of {path} is one cell, '{names[0]}': are its cells parted by '{sign}'? In "
            "a .csv commas part them, in a .tsv tabs."
        )
    given = [name or f"column {k}" for k, name in enumerate(names)]
    columns = number_repeated(given)
    return Header(tuple(columns), reader.line_num, renamed(given, columns))


def _other_delimiter(name: str) -> str | None:
    """Return what parts the names of columns that were read as one, SMILES being among them."""
    for sign in (";", ",", "\t", "|"):
        if sign in name and smiles_candidates(name.split(sign)):
            return sign.replace("\t", "tab")
    return None


def number_repeated(names: Sequence[str]) -> list[str]:
    """Number repeated names as pandas does: y, y.1, y.2."""
    taken: set[str] = set()
    out = []
    for name in names:
        free, count = name, 0
        while free in taken:
            count += 1
            free = f"{name}.{count}"
        taken.add(free)
        out.append(free)
    return out


def renamed(given: Sequence[str], numbered: Sequence[str]) -> tuple[str, ...]:
    """Return the names that ``number_repeated`` has given to columns of a name there was already.

    Args:
        given: Names as the file has them.
        numbered: Names as they are called.
    """
    return tuple(new for old, new in zip(given, numbered, strict=True) if old != new)


def describe_repeated(table: str, names: Sequence[str]) -> str:
    """Return words for the columns of a table that are called otherwise than in its header."""
    return f"{table} has several columns of one name: further ones are called {shorten(names)} here"


def smiles_candidates(columns: Sequence[str]) -> list[str]:
    """Return the columns with the first usual name of SMILES: none, one, or several to choose from.

    Case and blanks around a name do not count.
    """
    for name in SMILES_NAMES:
        found = [column for column in columns if column.strip().lower() == name]
        if found:
            return found
    return ["X"] if all(one in columns for one in _TDC_COLUMNS) else []


def shorten(names: Sequence[str], limit: int = 12) -> str:
    """Return the names joined by commas, the many after ``limit`` only counted."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def check_same_names(
    pattern: str, first: Path, expected: Sequence[str], other: Path, found: Sequence[str]
) -> None:
    """Check that a file has the columns of the first that matches a pattern, in any order.

    Raises:
        DataError: If not; the message names the file and its columns.
    """
    missing = [name for name in expected if name not in found]
    added = [name for name in found if name not in expected]
    if missing or added:
        lacks = [f"lacks {shorten(missing)}"] if missing else []
        has = [f"has {shorten(added)} besides"] if added else []
        raise DataError(
            f"The files of {pattern} have different columns: compared with {first}, {other} "
            f"{' and '.join(lacks + has)}."
        )


def open_bytes(path: Path) -> BinaryIO | gzip.GzipFile:
    """Open a file, unpacked where its name ends in ``.gz``."""
    return gzip.open(path, "rb") if path.suffix.lower() == ".gz" else path.open("rb")


def open_text(path: Path, newline: str | None = None) -> IO[str]:
    """Open a text (also ``.gz``) whose bytes that are not UTF-8 become U+FFFD.

    Args:
        path: The file.
        newline: As of the built-in ``open``.
    """
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline=newline)
    return path.open(encoding="utf-8-sig", errors="replace", newline=newline)
