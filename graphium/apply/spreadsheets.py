"""Tables of text for people who open them in a spreadsheet, which evaluates what looks like sums.

A cell that begins with ``=``, ``+``, ``-``, ``@``, a tab or a carriage return is taken for a
formula, and a formula can read files and call programs (OWASP, "CSV Injection"). Names and notes of
a table that somebody else has made may begin so. With an apostrophe in front they are text; numbers
stay numbers. Files are machine-readable first: nothing is changed unless it is asked for.
"""

import csv
import re
from codecs import BOM_UTF8
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from graphium.apply.outputs import (
    DELIMITERS,
    check_output,
    open_for_writing,
    output_format,
    replacing,
)
from graphium.errors import DataError, UsageError
from graphium.labels.csv_lines import csv_writer
from graphium.labels.header import open_bytes

TEXTS = (".csv", ".tsv", ".csv.gz", ".tsv.gz")
"""Formats that spreadsheets evaluate."""

_FORMULA = re.compile(r"'*[=+\-@\t\r]")
_GUARDED = re.compile(r"'+[=+\-@\t\r]")
_NUMBER = re.compile(r"[+-]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?")
_LONGEST_CELL = 1 << 30


def guarded(cell: str) -> str:
    """Return a cell that no spreadsheet evaluates; ``unguarded`` takes it back exactly."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.fullmatch(cell) else cell


def unguarded(cell: str) -> str:
    """Return the cell that ``guarded`` was given."""
    return cell[1:] if _GUARDED.match(cell) else cell


def cell_changer(output: Path, *, for_spreadsheets: bool) -> Callable[[str], str]:
    """Return what becomes of each cell of an output.

    Raises:
        UsageError: If its format is none that spreadsheets evaluate.
    """
    if for_spreadsheets and output_format(output) not in TEXTS:
        raise UsageError(
            f"--for-spreadsheets is for {', '.join(TEXTS)}; {output} keeps text as text anyway"
        )
    return guarded if for_spreadsheets else str


def guard_file(source: Path, output: Path, *, force: bool = False, undo: bool = False) -> int:
    """Write a csv or tsv again, each cell (those of the header, too) guarded.

    Args:
        source: csv or tsv file (also .gz).
        output: Another one.
        force: Replace an existing output.
        undo: Take the guards away instead.

    Returns:
        Cells that were changed.

    Raises:
        DataError: If the source cannot be read.
        UsageError: If the output must not be written.
    """
    check_output(output, source, suffixes=TEXTS, force=force)
    change, count = unguarded if undo else guarded, 0
    with replacing(output) as temporary:
        kind = output_format(output)
        with open_for_writing(temporary, is_compressed=kind.endswith(".gz")) as file:
            writer = csv_writer(file, DELIMITERS[kind.removesuffix(".gz")])
            for cells in _rows(source):
                changed = [change(cell) for cell in cells]
                count += sum(a != b for a, b in zip(cells, changed, strict=True))
                writer.writerow(changed)
    return count


def _rows(source: Path) -> Iterator[Sequence[str]]:
    kind = output_format(source).removesuffix(".gz")
    if kind not in DELIMITERS:
        raise DataError(f"{source} is no csv or tsv file (also .gz), by the end of its name")
    try:
        with _long_cells(), open_bytes(source) as binary:
            # Bytes that are not UTF-8 come out as they came in.
            lines = (
                line.removeprefix(BOM_UTF8 if number == 0 else b"").decode(
                    "utf-8", "surrogateescape"
                )
                for number, line in enumerate(binary)
            )
            # Strict: a quote that never ends would make one cell of all rows behind it.
            yield from csv.reader(lines, delimiter=DELIMITERS[kind], strict=True)
    except (csv.Error, OSError, EOFError) as error:
        raise DataError(f"{source} cannot be read: {error}") from error


@contextmanager
def _long_cells() -> Iterator[None]:
    """Let cells be as long as lists for all pairs of atoms; the limit is that of the process."""
    before = csv.field_size_limit(_LONGEST_CELL)
    try:
        yield
    finally:
        csv.field_size_limit(before)
