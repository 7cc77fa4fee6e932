"""Tables of SMILES that a model is applied to.

Rows and their order are kept, and so is every cell: those of a csv are never read as numbers.
"""

import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import pyarrow as pa
import pyarrow.csv

from graphium.errors import DataError
from graphium.labels.columns import read_smiles
from graphium.labels.header import DELIMITERS, SMILES_NAMES, table_format
from graphium.labels.table import Table, find_smiles_column, open_table, table_from_arrow

_SMI = (".smi", ".smiles")


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
    kind = table_format(path)
    table = _open_smi(path) if kind in _SMI and path.is_file() else open_table(path)
    if len(table.columns) == 1 and kind in DELIMITERS:
        read = partial(_read_single_column, path, table.columns[0], DELIMITERS[kind])
        table = replace(table, open=read)
    return Input(table, find_smiles_column(table, smiles_column, "--smiles-columns"))


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
