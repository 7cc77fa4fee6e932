"""Tables of SMILES in, the same tables with more columns out.

Rows and their order are kept, and so is every cell: those of a csv are never read as numbers. The
output appears whole or not at all, and replaces nothing that was not offered.
"""

import csv
import gzip
import json
import os
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import IO, Self

import pandas as pd
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from graphium.errors import DataError, UsageError
from graphium.labels.columns import read_smiles
from graphium.labels.table import (
    SMILES_NAMES,
    Table,
    find_smiles_column,
    open_table,
    shorten,
    table_from_arrow,
)

_SMI = (".smi", ".smiles")
_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
TABLES = (".csv", ".tsv", ".csv.gz", ".tsv.gz", ".parquet", ".pq")
"""Formats that ``TableWriter`` writes."""


@dataclass(frozen=True, slots=True)
class Input:
    """A table and its SMILES column."""

    table: Table
    smiles: str

    def batches(self) -> Iterator[tuple[pa.RecordBatch, list[str | None]]]:
        """Yield rows and their SMILES, some thousands at a time.

        Raises:
            DataError: If the file cannot be read to its end, or has no row.
        """
        num_rows = 0
        for batch in self.table.batches():
            num_rows += batch.num_rows
            yield batch, read_smiles(batch.column(self.smiles))
        if num_rows == 0:
            raise DataError(f"{self.table.name} has no rows below its header.")


def open_input(path: Path, smiles_column: str | None) -> Input:
    """Open a csv, tsv (also .gz), parquet or smi file.

    Where a line is one cell, as in a .smi file or a csv of one column, a blank one is a row without
    SMILES. In tables of several columns blank lines are no rows, as in all readers of csv.

    Args:
        path: The file. A .smi file has a SMILES and, after blanks, a name on each line; its columns
            are called ``smiles`` and ``name``.
        smiles_column: The column of SMILES; None takes the first with a usual name.

    Raises:
        DataError: If the file cannot be read or has no such column; the message names those found.
    """
    suffixes = [suffix.lower() for suffix in path.suffixes if suffix.lower() != ".gz"]
    is_smi = path.is_file() and suffixes[-1:] and suffixes[-1] in _SMI
    table = _open_smi(path) if is_smi else open_table(path)
    if len(table.columns) == 1 and suffixes[-1] in _DELIMITERS:
        delimiter = _DELIMITERS[suffixes[-1]]
        read = partial(_read_single_column, path, table.columns[0], delimiter)
        table = replace(table, open=read)
    return Input(table, _find_smiles(table, smiles_column))


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
        if table.exists() and output.samefile(table):
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

    Raises:
        DataError: If the input has a column of a new column's name.
    """

    def __init__(self, path: Path, kind: str, columns: Sequence[str], added: pa.Schema) -> None:
        taken = [name for name in added.names if name in columns]
        if taken:
            raise DataError(
                f"the table already has the column{'s' * (len(taken) > 1)} {shorten(taken)}, "
                "which would be written; rename or remove them first"
            )
        self._path, self._columns, self._added = path, list(columns), added
        self._parquet: pa.parquet.ParquetWriter | None = None
        self._text: IO[str] | None = None
        if kind.removesuffix(".gz") in _DELIMITERS:
            self._text = _open_for_writing(path, is_compressed=kind.endswith(".gz"))
            delimiter = _DELIMITERS[kind.removesuffix(".gz")]
            self._csv = csv.writer(self._text, delimiter=delimiter, lineterminator="\n")
            self._csv.writerow([*self._columns, *added.names])

    def write(self, batch: pa.RecordBatch, added: pd.DataFrame) -> None:
        """Write rows of the input with their new columns."""
        new = [
            pa.array(_with_none(added[field.name]), field.type, from_pandas=True)
            for field in self._added
        ]
        if self._text is not None:
            cells = [[_text(cell) for cell in column.to_pylist()] for column in batch.columns]
            cells += [[_text(_rounded(cell)) for cell in column.to_pylist()] for column in new]
            self._csv.writerows(zip(*cells, strict=True))
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


def _find_smiles(table: Table, declared: str | None) -> str:
    if declared is not None:
        return find_smiles_column(table, declared)
    for name in SMILES_NAMES:
        found = [column for column in table.columns if column.strip().lower() == name]
        if len(found) > 1:
            raise DataError(
                f"{table.name} has several SMILES columns ({', '.join(found)}); choose one with "
                "--smiles-columns"
            )
        if found:
            return found[0]
    raise DataError(
        f"{table.name} has no SMILES column; its columns are {shorten(table.columns)}. "
        "Name it with --smiles-columns"
    )


def _read_single_column(path: Path, column: str, delimiter: str) -> Iterator[pa.RecordBatch]:
    """Read a csv of one column, in which a blank line is an empty cell."""
    return iter(
        pa.csv.open_csv(
            path,
            # The header is skipped as a row: a quoted one may have several lines.
            read_options=pa.csv.ReadOptions(column_names=[column], skip_rows_after_names=1),
            parse_options=pa.csv.ParseOptions(
                delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=False
            ),
            convert_options=pa.csv.ConvertOptions(
                column_types={column: pa.binary()}, strings_can_be_null=False, check_utf8=False
            ),
        )
    )


def _open_smi(path: Path) -> Table:
    content = path.read_bytes()
    if path.suffix.lower() == ".gz":
        try:
            content = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise DataError(f"{path} cannot be decompressed: {error}") from error
    text = content.decode("utf-8-sig", "replace")
    lines = [line.split(maxsplit=1) or [""] for line in text.splitlines()]
    if lines and lines[0][0].lower() in SMILES_NAMES:  # a header, which some programs write
        lines = lines[1:]
    rows = {
        "smiles": pa.array([line[0] for line in lines], pa.string()),
        "name": pa.array([line[1].strip() if len(line) > 1 else "" for line in lines], pa.string()),
    }
    return table_from_arrow(str(path), pa.table(rows))


def _open_for_writing(path: Path, *, is_compressed: bool) -> IO[str]:
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
