"""Names of a table's columns: what a header says, and which column holds SMILES.

Only the standard library reads here, so that ``graphium check`` answers at once.
"""

import csv
import gzip
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

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
)
"""Names that a SMILES column may have, in any case; the first that a table has is taken."""

DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
"""What parts the cells of a text table, by the end of its name (without ``.gz``)."""
PARQUET = (".parquet", ".pq")
"""Ends of the names of parquet files."""


@dataclass(frozen=True, slots=True)
class Header:
    """The first row of a text table."""

    columns: tuple[str, ...]
    """Column names; a repeated name has got a suffix (``y``, ``y.1``)."""
    lines: int
    """Lines that it takes: a quoted name may have several."""


def table_format(path: Path) -> str:
    """Return the end of a table's name that tells its format, in lower case, without ``.gz``."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    return suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()


def known_formats() -> str:
    """Return the ends of names of tables that can be read, as words."""
    return f"{', '.join((*DELIMITERS, *PARQUET))} (or .csv.gz, .tsv.gz)"


def read_header(path: Path, delimiter: str) -> Header:
    """Read the first row of a csv or tsv file (also ``.gz``).

    Raises:
        DataError: If the file is empty or cannot be read.
    """
    try:
        with _open_text(path) as stream:
            reader = csv.reader(stream, delimiter=delimiter)
            names = next(reader, [])
    except (OSError, EOFError, zlib.error, csv.Error) as error:
        reason = str(error).rstrip(".") or type(error).__name__
        raise DataError(f"{path} cannot be read: {reason}.") from error
    if not names:
        raise DataError(f"The table {path} has no header line.")
    columns = number_repeated([name or f"column {k}" for k, name in enumerate(names)])
    return Header(tuple(columns), reader.line_num)


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


def smiles_candidates(columns: Sequence[str]) -> list[str]:
    """Return the columns with the first usual name of SMILES: none, one, or several to choose from.

    Case and blanks around a name do not count.
    """
    for name in SMILES_NAMES:
        found = [column for column in columns if column.strip().lower() == name]
        if found:
            return found
    return []


def shorten(names: Sequence[str], limit: int = 12) -> str:
    """Return the names joined by commas, the many after ``limit`` only counted."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _open_text(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")
