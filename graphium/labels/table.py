"""Tables of molecules and labels: csv, tsv (also .gz) and parquet, read in batches of rows.

Every cell of a csv arrives as bytes; ``labels/columns.py`` says what a column holds. Row numbers
are 0-based and count the rows below the header; blank lines are no rows.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from graphium.config.suggest import did_you_mean
from graphium.errors import DataError
from graphium.labels.header import (
    DELIMITERS,
    PARQUET,
    known_formats,
    number_repeated,
    read_header,
    shorten,
    smiles_candidates,
    table_format,
)

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
    kind = table_format(path)
    try:
        if kind in PARQUET:
            return _open_parquet(path)
        if kind in DELIMITERS:
            return _open_csv(path, DELIMITERS[kind])
    except (pa.ArrowException, OSError, EOFError) as error:
        raise DataError(f"{path} cannot be read: {_first_line(error)}.") from error
    raise DataError(
        f"{path} is not a table that graphium reads; its name must end in {known_formats()}."
    )


def table_from_arrow(name: str, rows: pa.Table) -> Table:
    """Return a table that is already in memory."""
    return Table(
        name,
        tuple(number_repeated(rows.column_names)),
        lambda: iter(rows.to_batches(max_chunksize=_BATCH_ROWS)),
    )


def find_smiles_column(
    table: Table, declared: str | None, option: str = "the dataset's `smiles` option"
) -> str:
    """Return the column that holds SMILES: the declared one, or the first with a usual name.

    Args:
        table: The table.
        declared: What the user called it; None where it is to be found.
        option: How the user can name it, for messages.

    Raises:
        DataError: If there is no such column; the message names the columns found.
    """
    if declared is not None:
        require_columns(table.columns, [declared], f"the SMILES column of {table.name}")
        return declared
    found = smiles_candidates(table.columns)
    if len(found) > 1:
        raise DataError(
            f"{table.name} has several SMILES columns ({', '.join(found)}). "
            f"Choose one with {option}."
        )
    if not found:
        raise DataError(
            f"{table.name} has no SMILES column; its columns are {shorten(table.columns)}. "
            f"Name it with {option}."
        )
    return found[0]


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


def _open_parquet(path: Path) -> Table:
    with pa.parquet.ParquetFile(path) as file:
        columns = number_repeated(file.schema_arrow.names)

    def read() -> Iterator[pa.RecordBatch]:
        with pa.parquet.ParquetFile(path) as file:
            yield from file.iter_batches(batch_size=_BATCH_ROWS)

    return Table(str(path), tuple(columns), read)


def _open_csv(path: Path, delimiter: str) -> Table:
    header = read_header(path, delimiter)

    def read() -> Iterator[pa.RecordBatch]:
        # Bytes, not text: one name that is not UTF-8 must not make the whole table unreadable.
        return iter(
            pa.csv.open_csv(
                path,
                read_options=pa.csv.ReadOptions(
                    column_names=list(header.columns),
                    skip_rows=header.lines,
                    block_size=_BLOCK_BYTES,
                ),
                parse_options=pa.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
                convert_options=pa.csv.ConvertOptions(
                    column_types=dict.fromkeys(header.columns, pa.binary()),
                    strings_can_be_null=False,
                    check_utf8=False,
                ),
            )
        )

    return Table(str(path), header.columns, read)


def _similar_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (there is no folder {path.parent} either)"
    return did_you_mean(path.name, (entry.name for entry in path.parent.iterdir()))


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
