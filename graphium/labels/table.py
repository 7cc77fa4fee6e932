"""Tables of molecules and labels: csv, tsv (also .gz) and parquet, read in batches of rows.

Every cell of a csv arrives as bytes; ``labels/columns.py`` says what a column holds. Row numbers
are 0-based and count the rows below the header; blank lines are no rows.
"""

import csv
import gzip
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from graphium.config.suggest import did_you_mean as did_you_mean
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

_DELIMITERS = {".csv": ",", ".tsv": "\t", ".tab": "\t"}
_PARQUET = (".parquet", ".pq")
_BATCH_ROWS = 16_384
_BLOCK_BYTES = 16 << 20


@dataclass(frozen=True, slots=True)
class Table:
    """One table that can be read from its first row as often as needed."""

    name: str
    """The file (or bundled table), as messages call it."""
    columns: tuple[str, ...]
    """Column names; a repeated name has got a suffix (``y``, ``y.1``)."""
    open: Callable[[], Iterator[pa.RecordBatch]]
    """Start reading; see ``batches``."""

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order, some thousands at a time.

        Raises:
            DataError: If the file cannot be read to its end.
        """
        try:
            for batch in self.open():
                yield batch.rename_columns(list(self.columns))
        except (pa.ArrowException, OSError, EOFError) as error:
            raise DataError(
                f"{self.name} cannot be read: {_first_line(error)}. Check that the file is "
                "complete and that every row has as many cells as the header."
            ) from error


def open_table(path: Path) -> Table:
    """Open a csv, tsv (also .gz) or parquet file.

    Raises:
        DataError: If the file is absent, empty, of another format or not readable.
    """
    if not path.is_file():
        raise DataError(f"There is no table {path}{_similar_file(path)}.")
    if path.stat().st_size == 0:
        raise DataError(f"The table {path} is an empty file.")
    suffixes = [suffix.lower() for suffix in path.suffixes]
    kind = suffixes[-2] if suffixes[-1:] == [".gz"] and len(suffixes) > 1 else path.suffix.lower()
    try:
        if kind in _PARQUET:
            return _open_parquet(path)
        if kind in _DELIMITERS:
            return _open_csv(path, _DELIMITERS[kind])
    except (pa.ArrowException, OSError, EOFError, csv.Error) as error:
        raise DataError(f"{path} cannot be read: {_first_line(error)}.") from error
    raise DataError(
        f"{path} is not a table that graphium reads; its name must end in "
        f"{', '.join((*_DELIMITERS, *_PARQUET))} (or .csv.gz, .tsv.gz)."
    )


def table_from_arrow(name: str, rows: pa.Table) -> Table:
    """Return a table that is already in memory."""
    return Table(
        name,
        tuple(_unique(rows.column_names)),
        lambda: iter(rows.to_batches(max_chunksize=_BATCH_ROWS)),
    )


def find_smiles_column(table: Table, declared: str | None) -> str:
    """Return the column that holds SMILES: the declared one, or the first known name.

    Raises:
        DataError: If there is no such column; the message names the columns found.
    """
    if declared is not None:
        require_columns(table.columns, [declared], f"the SMILES column of {table.name}")
        return declared
    by_name: dict[str, list[str]] = {}
    for column in table.columns:
        by_name.setdefault(column.strip().lower(), []).append(column)
    for name in SMILES_NAMES:
        found = by_name.get(name, [])
        if len(found) > 1:
            raise DataError(
                f"{table.name} has several SMILES columns ({', '.join(found)}). "
                "Choose one with the dataset's `smiles` option."
            )
        if found:
            return found[0]
    raise DataError(
        f"{table.name} has no SMILES column; its columns are {shorten(table.columns)}. "
        "Name it with the dataset's `smiles` option."
    )


def require_columns(found: Sequence[str], wanted: Sequence[str], what: str) -> None:
    """Check that all wanted columns exist.

    Raises:
        DataError: If one does not; the message suggests a similar name.
    """
    for name in wanted:
        if name not in found:
            raise DataError(
                f"There is no column '{name}' for {what}{did_you_mean(name, found)}; "
                f"the columns are {shorten(found)}."
            )


def shorten(names: Sequence[str], limit: int = 12) -> str:
    """Return the names joined by commas, the many after ``limit`` only counted."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"


def _open_parquet(path: Path) -> Table:
    with pa.parquet.ParquetFile(path) as file:
        columns = _unique(file.schema_arrow.names)

    def read() -> Iterator[pa.RecordBatch]:
        with pa.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS)

    return Table(str(path), tuple(columns), read)


def _open_csv(path: Path, delimiter: str) -> Table:
    with _open_text(path) as stream:
        reader = csv.reader(stream, delimiter=delimiter)
        header = next(reader, [])
        header_lines = reader.line_num
    if not header:
        raise DataError(f"The table {path} has no header line.")
    columns = _unique([name or f"column {k}" for k, name in enumerate(header)])

    def read() -> Iterator[pa.RecordBatch]:
        # Bytes, not text: one name that is not UTF-8 must not make the whole table unreadable.
        return iter(
            pa.csv.open_csv(
                path,
                read_options=pa.csv.ReadOptions(
                    column_names=columns, skip_rows=header_lines, block_size=_BLOCK_BYTES
                ),
                parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(columns, pa.binary()),
                    strings_can_be_null=False,
                    check_utf8=False,
                ),
            )
        )

    return Table(str(path), tuple(columns), read)


def _open_text(path: Path) -> IO[str]:
    if path.suffix.lower() == ".gz":
        return gzip.open(path, "rt", encoding="utf-8-sig", errors="replace", newline="")
    return path.open(encoding="utf-8-sig", errors="replace", newline="")


def _unique(names: Sequence[str]) -> list[str]:
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


def _similar_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent} either)"
    close = get_close_matches(path.name, [entry.name for entry in path.parent.iterdir()], n=1)
    return f" (did you mean {path.parent / close[0]}?)" if close else ""


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
