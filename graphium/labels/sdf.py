"""SDF files (also ``.gz``): records of a mol block and of named properties, read as text.

Source: BIOVIA, CTfile Formats (2020), chapter SDfiles. What a mol block means is read in a worker;
here it is a cell. Columns are ``mol`` (the block), ``name`` (its first line) and the properties in
the order in which they are first met; a record that lacks one has a missing cell.

Only the standard library reads here, so that ``graphium check`` answers soon: it must go through
the whole file, because any record may have a property of its own.
"""

import json
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from graphium.errors import DataError
from graphium.labels.header import number_repeated, open_text

_LOG = logging.getLogger(__name__)

STRUCTURE = "mol"
"""The column of mol blocks."""
TITLE = "name"
_END_OF_RECORD = "$$$$"
_END_OF_BLOCK = re.compile(r"^M  END[^\n]*\n?", re.MULTILINE)
_ATOM_LIST = re.compile(r"^(?:atom|bond)\.[idb]prop\.")
_MISSING = "n/a"
_LONGEST_RECORD = 1 << 24
"""Characters."""


@dataclass(frozen=True, slots=True)
class Record:
    """One molecule."""

    block: str
    """Its mol block, to the line ``M  END``."""
    properties: dict[str, str]
    """Name -> text; a repeated name has got a suffix (``y``, ``y.1``)."""
    is_closed: bool
    """Whether ``$$$$`` follows it."""

    @property
    def cells(self) -> dict[str, str]:
        """Column -> cell."""
        block = self.block if self.block.strip() else ""
        return {STRUCTURE: block, TITLE: block.partition("\n")[0].strip(), **self.properties}


def read_sdf(path: Path) -> Iterator[Record]:
    """Yield the records of a file.

    The last one may lack its ``$$$$``; blank lines behind the last ``$$$$`` are no record.

    Raises:
        DataError: If a record is longer than any molecule is.
        OSError, EOFError, zlib.error: If the file cannot be read to its end.
    """
    held: list[str] = []
    size = number = 0
    with open_text(path) as lines:
        for line in lines:
            if line.startswith(_END_OF_RECORD):
                yield _parse("".join(held), is_closed=True)
                held, size, number = [], 0, number + 1
                continue
            held.append(line)
            size += len(line)
            if size > _LONGEST_RECORD:
                raise DataError(
                    f"{path} cannot be read: record {number} (from 0) is longer than "
                    f"{_LONGEST_RECORD >> 20} MB. Is this an SDF file, with '$$$$' behind each "
                    "record?"
                )
    rest = "".join(held)
    if rest.strip():
        yield _parse(rest, is_closed=False)


def sdf_columns(path: Path) -> tuple[str, ...]:
    """Return the columns that the records of a file have together.

    Raises:
        DataError: If no record has a mol block.
        OSError, EOFError, zlib.error: If the file cannot be read to its end.
    """
    names = dict.fromkeys((STRUCTURE, TITLE))
    is_sdf = is_closed = False
    for record in read_sdf(path):
        is_closed = record.is_closed
        names.update(dict.fromkeys(record.properties))
        is_sdf = is_sdf or _END_OF_BLOCK.search(record.block) is not None
    if not is_sdf:
        raise DataError(
            f"{path} is no SDF file: no record of it has a mol block, which ends with 'M  END'. "
            "The end of a table's name must say its format."
        )
    if not is_closed:
        _LOG.warning("%s does not end with '$$$$': is it complete?", path)
    return tuple(names)


def _parse(text: str, *, is_closed: bool) -> Record:
    end = _END_OF_BLOCK.search(text)
    first = re.search(r"^>", text, re.MULTILINE) if end is None else None
    cut = end.end() if end else first.start() if first else len(text)
    found = list(_properties(text[cut:]))
    names = number_repeated([STRUCTURE, TITLE, *(name for name, _ in found)])[2:]
    values = (_value(name, value) for name, value in found)
    return Record(text[:cut], dict(zip(names, values, strict=True)), is_closed)


def _properties(text: str) -> Iterator[tuple[str, str]]:
    """Yield names and values: a header, the lines of the value, a blank line."""
    name, lines = None, list[str]()
    for line in [*text.split("\n"), ""]:
        field = _field(line)
        is_header = line.startswith(">") and (name is None or field)
        if (is_header or not line.strip()) and name is not None:
            yield name, "\n".join(lines).strip()
            name, lines = None, []
        if is_header:
            name = (field or line[1:]).strip() or None
        elif name is not None:
            lines.append(line)


def _field(line: str) -> str | None:
    """Return the name between the last pair of signs of a header, as in ``>  (7) <name>``.

    No regular expression: on a line of many ``<`` one takes the square of its length.
    """
    end = line.rfind(">")
    start = line.rfind("<", 1, max(end - 1, 0))
    return line[start + 1 : end] if line.startswith(">") and start > 0 else None


def _value(name: str, value: str) -> str:
    """Return a value; RDKit's lists of properties of atoms or bonds as JSON.

    They are written as ``[missing] 0.1 0.2 n/a``; the marker of what is missing may be left out.
    """
    if not _ATOM_LIST.match(name):
        return value
    words, missing = value.split(), _MISSING
    if words and words[0].startswith("[") and words[0].endswith("]"):
        missing = words.pop(0)[1:-1]
    try:
        return json.dumps([None if word == missing else float(word) for word in words])
    except ValueError:
        return value
