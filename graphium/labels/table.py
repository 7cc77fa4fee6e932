"""Tables of molecules and labels: one file, or several whose rows follow each other.

``labels/readers.py`` says how a file is read, ``labels/columns.py`` what a column holds. Row
numbers are 0-based and count the rows below the header; blank lines of a csv are no rows.
"""

import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from graphium.config.suggest import did_you_mean
from graphium.errors import DataError
from graphium.labels.files import (
    TableName,
    find_files,
    has_several_files,
    short_names,
    shown_table,
)
from graphium.labels.header import number_repeated, shorten, smiles_candidates
from graphium.labels.readers import BATCH_ROWS, TableFile, open_file
from graphium.labels.shards import common_schema, fit_columns

UNREADABLE = (pa.ArrowException, OSError, EOFError, zlib.error, UnicodeDecodeError)
"""What reading a damaged file raises; the last is of names of columns in parquet."""


@dataclass(frozen=True, slots=True)
class Shard:
    """One of the files that make a table."""

    name: str
    """The file, as messages call it."""
    open: Callable[[], Iterator[pa.RecordBatch]]
    """Start reading its rows; names of columns are taken from the table."""


@dataclass(frozen=True, slots=True)
class Table:
    """One table that can be read from its first row as often as needed."""

    name: str
    """The file, pattern or bundled table, as messages call it."""
    columns: tuple[str, ...]
    """Column names; a repeated name has got a suffix (``y``, ``y.1``)."""
    shards: tuple[Shard, ...]
    """Its files in the order of their rows, at least one."""
    structure: str | None = None
    """The column of mol blocks, where molecules are given by these (SDF)."""
    repeated: tuple[str, ...] = ()
    """Columns that have got a suffix."""

    def inside(self, shard: int) -> str:
        """Return words that say of a row in which file it is; none where there is one file."""
        if len(self.shards) == 1:
            return ""
        return f" of {short_names([Path(one.name) for one in self.shards])[shard]}"

    def batches(self) -> Iterator[pa.RecordBatch]:
        """Yield all rows in order, some thousands at a time.

        Raises:
            DataError: If a file cannot be read to its end, or one of several has no rows.
        """
        for _, batch in self.numbered_batches():
            yield batch

    def numbered_batches(self) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Yield what ``batches`` does, with the number of the shard that the rows belong to."""
        for number, shard in enumerate(self.shards):
            rows = 0
            try:
                for batch in shard.open():
                    rows += batch.num_rows
                    yield number, batch.rename_columns(list(self.columns))
            except UNREADABLE as error:
                raise DataError(
                    f"{shard.name} cannot be read: {_first_line(error)}. Check that the file is "
                    "complete and that every row has as many cells as the header."
                ) from error
            if rows == 0 and len(self.shards) > 1:
                raise DataError(
                    f"{shard.name}, one of the files of {self.name}, has no rows. Is it complete? "
                    "If it is, leave it out."
                )


def open_table(table: TableName, *, blank_rows: bool = False) -> Table:
    """Open a csv, tsv, smi, sdf (also .gz) or parquet file, or several: a pattern, list or folder.

    A smi file has a SMILES and, after blanks, a name on each line (columns ``smiles`` and
    ``name``); its blank lines are rows without SMILES. ``labels/sdf.py`` says what an sdf has.

    Args:
        table: The file or pattern, or a list of such.
        blank_rows: Whether a blank line of a csv of one column is a row, too.

    Raises:
        DataError: If a file is absent, empty, of another format or not readable, or if files have
            different columns.
    """
    files = [_open(path, blank_rows) for path in find_files(table)]
    first = files[0]
    if not has_several_files(table):
        shard = Shard(str(first.path), first.open)
        return Table(
            str(first.path), tuple(first.schema.names), (shard,), first.structure, first.repeated
        )
    name = shown_table(table)
    schema = common_schema(name, files)
    shards = (Shard(str(one.path), fit_columns(one, schema)) for one in files)
    return Table(name, tuple(schema.names), tuple(shards), first.structure, first.repeated)


def table_from_arrow(name: str, rows: pa.Table) -> Table:
    """Return a table that is already in memory."""
    shard = Shard(name, lambda: iter(rows.to_batches(max_chunksize=BATCH_ROWS)))
    return Table(name, tuple(number_repeated(rows.column_names)), (shard,))


def find_smiles_column(
    table: Table, declared: str | None, option: str = "the dataset's `smiles` option"
) -> str:
    """Return the column that holds SMILES: the declared one, or the first with a usual name.

    Of an SDF file it is that of the mol blocks, unless another is declared.

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
    if table.structure is not None:
        return table.structure
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


def _open(path: Path, blank_rows: bool) -> TableFile:
    try:
        return open_file(path, blank_rows=blank_rows)
    except UNREADABLE as error:
        raise DataError(f"{path} cannot be read: {_first_line(error)}.") from error


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
