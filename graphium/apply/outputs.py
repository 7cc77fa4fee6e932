"""The tables that ``graphium predict`` and ``embed`` write: rows of the input, and more columns.

An output appears whole or not at all, and replaces nothing that was not offered.
"""

import gzip
import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Self

import pandas as pd
import pyarrow as pa
import pyarrow.parquet

from graphium.errors import DataError, UsageError
from graphium.labels.csv_lines import csv_writer
from graphium.labels.files import find_files
from graphium.labels.header import shorten

DELIMITERS = {".csv": ",", ".tsv": "\t"}
"""What parts cells, by the format without ``.gz``."""
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
"""Formats that ``TableWriter`` writes."""


def check_output(output: Path, table: Path, *, suffixes: Sequence[str], force: bool) -> None:
    """Refuse, before any work is done, an output that cannot or must not be written.

    Raises:
        UsageError: If it exists (without ``force``), is the input, has no folder or another format.
    """
    if output_format(output) not in suffixes:
        raise UsageError(
            f"the name of the output, {output}, must end in one of {', '.join(suffixes)}"
        )
    if not output.parent.is_dir():
        raise UsageError(f"there is no folder {output.parent} for the output; make it first")
    if output.exists():
        if any(output.samefile(file) for file in find_files(table)):
            raise UsageError(f"{output} is the input; choose another output")
        if not force or not output.is_file():
            raise UsageError(f"{output} exists; choose another output, or replace it with --force")


@contextmanager
def replacing(output: Path) -> Iterator[Path]:
    """Give a temporary path beside ``output`` that takes its place when the block succeeds."""
    temporary = output.with_name(f".{output.name}.{os.getpid()}.part")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        temporary.replace(output)
    finally:
        temporary.unlink(missing_ok=True)


class TableWriter:
    """Writes rows of an input beside new columns.

    Args:
        path: Where to write.
        kind: ``.csv``, ``.tsv`` (with ``.gz``, compressed) or ``.parquet``.
        columns: Columns of the input.
        added: Names and types of the new columns.
        change: What becomes of each cell of a text file, and of its header.

    Raises:
        DataError: If the input has a column of a new column's name.
    """

    def __init__(
        self,
        path: Path,
        kind: str,
        columns: Sequence[str],
        added: pa.Schema,
        change: Callable[[str], str] = str,
    ) -> None:
        taken = [name for name in added.names if name in columns]
        if taken:
            raise DataError(
                f"the table already has the column{'s' * (len(taken) > 1)} {shorten(taken)}, "
                "which would be written; rename or remove them first"
            )
        self._path, self._columns, self._added = path, list(columns), added
        self._change = change
        self._parquet: pa.parquet.ParquetWriter | None = None
        self._text: IO[str] | None = None
        if kind.removesuffix(".gz") in DELIMITERS:
            self._text = open_for_writing(path, is_compressed=kind.endswith(".gz"))
            delimiter = DELIMITERS[kind.removesuffix(".gz")]
            self._csv = csv_writer(self._text, delimiter)
            self._csv.writerow([change(name) for name in (*self._columns, *added.names)])

    def write(self, batch: pa.RecordBatch, added: pd.DataFrame) -> None:
        """Write rows of the input with their new columns."""
        new = [
            pa.array(_with_none(added[field.name]), field.type, from_pandas=True)
            for field in self._added
        ]
        if self._text is not None:
            cells = [[_text(cell) for cell in column.to_pylist()] for column in batch.columns]
            cells += [[_text(_rounded(cell)) for cell in column.to_pylist()] for column in new]
            self._csv.writerows(zip(*(map(self._change, column) for column in cells), strict=True))
            return
        old = [_readable(column) for column in batch.columns]
        table = pa.Table.from_arrays([*old, *new], names=[*self._columns, *self._added.names])
        if self._parquet is None:
            self._parquet = pa.parquet.ParquetWriter(self._path, table.schema)
        self._parquet.write_table(table)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._text is not None:
            self._text.close()
        if self._parquet is not None:
            self._parquet.close()


def output_format(path: Path) -> str:
    """Return the suffix that says what a file holds: ``.csv``, ``.csv.gz``, ``.parquet``, ..."""
    suffixes = [suffix.lower() for suffix in path.suffixes]
    if suffixes[-1:] == [".gz"]:
        return "".join(suffixes[-2:])
    return suffixes[-1] if suffixes else ""


def open_for_writing(path: Path, *, is_compressed: bool) -> IO[str]:
    """Open a new text file, packed where ``is_compressed``."""
    # Bytes that are not UTF-8 come out as they came in.
    if is_compressed:
        return gzip.open(path, "wt", encoding="utf-8", errors="surrogateescape", newline="")
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


def _with_none(column: pd.Series) -> list[object]:
    return [None if value is pd.NA else value for value in column.tolist()]


def _text(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.decode("utf-8", "surrogateescape")
    if isinstance(value, list | dict):
        return json.dumps(value, default=str)
    return str(value)


def _rounded(value: object) -> object:
    """Return float32 numbers as people write them: seven digits."""
    if isinstance(value, list):
        return [_rounded(one) for one in value]
    return float(f"{value:.7g}") if isinstance(value, float) else value


def _readable(column: pa.Array) -> pa.Array:
    """Return text; the cells of a csv arrive as bytes."""
    if not pa.types.is_binary(column.type):
        return column
    cells = column.to_pylist()
    texts = [None if cell is None else cell.decode("utf-8", "replace") for cell in cells]
    return pa.array(texts, pa.string())
