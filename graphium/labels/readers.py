"""One file of a table: columns, and rows in batches. csv, tsv, smi, sdf (also .gz), parquet.

A batch holds some thousands of rows, so that memory does not grow with the file. Every cell of a
csv arrives as bytes.
"""

import csv
import itertools
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from graphium.labels.header import (
    DELIMITERS,
    PARQUET,
    SDF,
    SMI,
    SMI_COLUMNS,
    SMILES_NAMES,
    number_repeated,
    open_bytes,
    open_text,
    read_header,
    renamed,
    table_format,
)
from graphium.labels.sdf import STRUCTURE, read_sdf, sdf_columns

BATCH_ROWS = 16_384
_BLOCK_BYTES = 1 << 18
"""Of a csv that is read at once. Arrow reads up to 32 blocks ahead, so small ones save memory..."""
_COLUMN_BYTES = 1 << 11
"""...but each must hold many rows; of wide tables, so many bytes for each column."""
_LONGEST_ROW = 1 << 25
"""Bytes. A row must fit a block, so that blocks grow where a longer one is met."""
_TOO_LONG = "straddl"
"""What Arrow says of a row that does not fit a block."""
_LINE_END = re.compile(rb"\n")
_BUFFER_BYTES = 1 << 20
_BLOCKS_TEXT = 1 << 23
"""Characters of mol blocks in a batch."""


@dataclass(frozen=True, slots=True)
class TableFile:
    """One file that can be read from its first row as often as needed."""

    path: Path
    schema: pa.Schema
    """Names and types of its columns; a repeated name has got a suffix (``y``, ``y.1``)."""
    open: Callable[[], Iterator[pa.RecordBatch]]
    """Start reading; names of columns are those of the file."""
    structure: str | None = None
    """The column of mol blocks, where molecules are given by these."""
    repeated: tuple[str, ...] = ()
    """Columns that have got a suffix."""


def open_file(path: Path, *, blank_rows: bool) -> TableFile:
    """Open a file whose name says that it is a table.

    Args:
        path: The file; not empty.
        blank_rows: Whether a blank line of a csv of one column is a row without a cell.

    Raises:
        DataError: If a csv has no header.
        pa.ArrowException, OSError: If the file cannot be read.
    """
    kind = table_format(path)
    if kind in PARQUET:
        return _open_parquet(path)
    if kind in SMI:
        schema = pa.schema([(name, pa.string()) for name in SMI_COLUMNS])
        return TableFile(path, schema, lambda: _read_smi(path, schema))
    if kind in SDF:
        return _open_sdf(path)
    return _open_csv(path, DELIMITERS[kind], blank_rows)


def _open_parquet(path: Path) -> TableFile:
    with pa.parquet.ParquetFile(path) as file:
        schema = file.schema_arrow.remove_metadata()
    names = number_repeated(schema.names)
    fields = [field.with_name(name) for field, name in zip(schema, names, strict=True)]

    def read() -> Iterator[pa.RecordBatch]:
        # Columns are read piece by piece; else each row group's at once.
        options = {"buffer_size": _BUFFER_BYTES, "pre_buffer": False}
        with pa.parquet.ParquetFile(path, **options) as file:
            for batch in file.iter_batches(batch_size=BATCH_ROWS):
                batch.validate(full=True)  # else what is damaged is read beyond its bounds
                yield batch

    return TableFile(path, pa.schema(fields), read, repeated=renamed(schema.names, names))


def _open_csv(path: Path, delimiter: str, blank_rows: bool) -> TableFile:
    header = read_header(path, delimiter)
    # Bytes, not text: one name that is not UTF-8 must not make the whole table unreadable.
    schema = pa.schema([(name, pa.binary()) for name in header.columns])
    # A quoted header of several lines is one row, but only some lines where blank ones count.
    is_blank_row = blank_rows and len(header.columns) == 1
    skipped = {"skip_rows_after_names": 1} if is_blank_row else {"skip_rows": header.lines}

    parse = pa.csv.ParseOptions(
        delimiter=delimiter, newlines_in_values=True, ignore_empty_lines=not is_blank_row
    )
    convert = pa.csv.ConvertOptions(
        column_types=dict.fromkeys(header.columns, pa.binary()),
        strings_can_be_null=False,
        check_utf8=False,
    )

    def read(block_size: int) -> Iterator[pa.RecordBatch]:
        options = pa.csv.ReadOptions(
            column_names=list(header.columns),
            block_size=block_size,
            use_threads=False,  # with threads, Arrow does not name the row of a mistake
            **skipped,
        )
        return iter(pa.csv.open_csv(path, options, parse, convert))

    block_size = max(_BLOCK_BYTES, _COLUMN_BYTES * len(header.columns))
    return TableFile(
        path,
        schema,
        lambda: _read_csv(path, read, block_size, delimiter),
        repeated=header.repeated,
    )


def _read_csv(
    path: Path,
    read: Callable[[int], Iterator[pa.RecordBatch]],
    block_size: int,
    delimiter: str,
) -> Iterator[pa.RecordBatch]:
    """Yield all rows; begin again with longer blocks where a row does not fit one."""
    num_rows, last, is_checked = 0, b"", False
    while True:
        to_skip = num_rows
        try:
            for batch in read(block_size):
                rest = batch.slice(min(to_skip, batch.num_rows))
                to_skip -= batch.num_rows - rest.num_rows
                if rest.num_rows:
                    is_checked = is_checked or _check_quotes(path, rest, num_rows, delimiter)
                    num_rows += rest.num_rows
                    yield rest
                    last = rest.column(rest.num_columns - 1)[-1].as_py()
        except pa.ArrowInvalid as error:
            if _TOO_LONG not in str(error):
                raise
            if block_size >= _LONGEST_ROW:
                raise _unclosed(f"a row from row {num_rows} on") from error
            block_size = min(8 * block_size, _LONGEST_ROW)
            continue
        # Arrow lets the end of the file close a quote, whatever it has swallowed.
        if b"\n" in last and not _last_byte(path) == b'"':
            raise _unclosed(f"row {num_rows - 1}")
        return


def _unclosed(where: str) -> pa.ArrowInvalid:
    return pa.ArrowInvalid(
        f"{where} (from 0, below the header) has a quote that is not closed, or is longer than "
        f"{_LONGEST_ROW >> 20} MB"
    )


def _check_quotes(path: Path, batch: pa.RecordBatch, first_row: int, delimiter: str) -> bool:
    """Check that no cell has swallowed rows: a stray quote is closed by the next quoted cell.

    Arrow goes on behind a closing quote as if nothing were wrong: ``"open,1<line end>C,"z",2`` is
    a cell ``open,1<line end>C,z"`` before a cell ``2``. Where a cell looks so, the standard
    library, which is strict and slow, has the last word.

    Returns:
        Whether it has read the whole file and found nothing.

    Raises:
        pa.ArrowInvalid: Names the row and the column.
    """
    for name, column in zip(batch.schema.names, batch.columns, strict=True):
        content = column.buffers()[-1]
        if content is None or _LINE_END.search(content) is None:
            continue
        for row, cell in enumerate(column.to_pylist()):
            if b"\n" not in cell or (batch.num_columns > 1 and delimiter.encode() not in cell):
                continue
            if not (cell.rstrip().endswith(b'"') and cell.count(b'"') % 2):
                continue
            if _is_well_formed(path, delimiter):
                return True
            raise pa.ArrowInvalid(
                f"row {first_row + row} (from 0, below the header) has a quote that is not closed "
                f"in column '{name}': rows behind it would be part of the cell"
            )
    return False


def _is_well_formed(path: Path, delimiter: str) -> bool:
    """Return whether nothing but the end of its cell follows each closing quote."""
    with open_text(path, newline="") as stream:
        try:
            for _ in csv.reader(stream, delimiter=delimiter, strict=True):
                pass
        except csv.Error:
            return False
    return True


def _last_byte(path: Path) -> bytes:
    """Return the last byte of a file (also ``.gz``) before the blanks at its end."""
    last = b""
    with open_bytes(path) as stream:
        while block := stream.read(1 << 20):
            last = block.rstrip()[-1:] or last
    return last


def _open_sdf(path: Path) -> TableFile:
    schema = pa.schema([(name, pa.string()) for name in sdf_columns(path)])

    def read() -> Iterator[pa.RecordBatch]:
        cells: list[dict[str, str]] = []
        size = 0
        for record in read_sdf(path):
            cells.append(record.cells)
            size += len(record.block)
            if len(cells) == BATCH_ROWS or size > _BLOCKS_TEXT:
                yield pa.RecordBatch.from_pylist(cells, schema)
                cells, size = [], 0
        if cells:
            yield pa.RecordBatch.from_pylist(cells, schema)

    return TableFile(path, schema, read, STRUCTURE)


def _read_smi(path: Path, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    """Read lines; a blank one is a row without SMILES, and a header is no row."""
    with open_text(path) as lines:
        first = True
        while batch := list(itertools.islice(lines, BATCH_ROWS)):
            cells = [line.split(maxsplit=1) or [""] for line in batch]
            if first and cells[0][0].lower() in SMILES_NAMES:
                cells = cells[1:]
            first = False
            names = [cell[1].strip() if len(cell) > 1 else "" for cell in cells]
            yield pa.record_batch([[cell[0] for cell in cells], names], schema=schema)
