"""What the columns of a table hold: numbers, text, or lists of numbers; and their values.

A column is *number* when every cell that is not missing reads as a number, *list* when each is a
list of numbers (a parquet list, or JSON in a text cell: labels of atoms, bonds or pairs of atoms,
the last also as a list of rows of a matrix), *text* when its
strings are few (classes, splits), and is *skipped*, with the reason, otherwise.
"""

import json
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from graphium.config.data import MISSING_CELLS
from graphium.errors import DataError
from graphium.labels.header import shorten
from graphium.labels.storage import LabelStorage, NumberRange
from graphium.labels.table import Table
from graphium.labels.types import is_list, is_numeric, is_plain_list, is_text

ColumnKind = Literal["number", "text", "list", "skipped"]

ROWS_COUNT = "Rows count from 0 below the header: row 0 is line 2 of a plain csv"
"""What a message that names a row says too."""

_LOG = logging.getLogger(__name__)
_SHOWN = 40
_LOST = "\ufffd"
"""What bytes that are not UTF-8 are read as."""

_IN_JSON = {"nan": "NaN", "None": "null", "inf": "Infinity"}
_PYTHON_WORD = re.compile(r"\b(?:nan|None|inf)\b")

MAX_DISTINCT = 1_000
"""A text column with more distinct strings is a name, not a class, and is not kept."""


@dataclass(frozen=True, slots=True)
class ColumnScan:
    """What one column holds in all rows."""

    name: str
    kind: ColumnKind
    infinite: int
    """Numbers that are infinite (or do not fit float32); they count as missing."""
    note: str
    """Why the column is text or skipped: its first cell that is no number, or the reason."""
    storage: LabelStorage = "float"
    """Of a number column: how its values in all rows can be kept."""
    is_empty: bool = False
    """Whether no cell holds anything."""
    distinct: frozenset[str] = frozenset()
    """Strings in the cells of a text table or column, some of them where they are too many."""


@dataclass(frozen=True, slots=True)
class TableScan:
    """What a whole table holds."""

    rows: int
    columns: tuple[ColumnScan, ...]
    shard_rows: tuple[int, ...]
    """Rows of each file, in order."""


def scan_table(table: Table, smiles: str) -> TableScan:
    """Read the whole table once and classify every column but the SMILES.

    Raises:
        DataError: If the table has no rows or cannot be read.
    """
    columns = [_Column(name) for name in table.columns if name not in (smiles, table.structure)]
    rows = [0] * len(table.shards)
    for shard, batch in table.numbered_batches():
        for column in columns:
            column.add(batch.column(column.name), _Place(rows[shard], table.inside(shard)))
        rows[shard] += batch.num_rows
    if not any(rows):
        raise DataError(f"{table.name} has no rows below its header.")
    lost = [column.name for column in columns if column.has_lost_letters]
    if lost:
        _LOG.warning(
            "%s is not UTF-8 in the columns %s: letters that are not are all read as '%s', so that "
            "texts which differ in them alone are the same. Save it as UTF-8",
            *(table.name, shorten(lost), _LOST),
        )
    return TableScan(sum(rows), tuple(column.result() for column in columns), tuple(rows))


def read_numbers(column: pa.Array) -> NDArray[np.float32] | None:
    """Return float32 values with NaN for missing ones, or None if a cell is not a number.

    Infinite values, and those beyond float32, stay infinite.
    """
    kind = column.type
    if pa.types.is_null(kind):
        return np.full(len(column), np.nan, np.float32)
    if is_numeric(kind):
        plain = pc.cast(column, pa.float64(), safe=False)
    elif is_text(kind):
        cells = pc.utf8_trim_whitespace(_decode(column))
        cells = pc.if_else(pc.is_in(cells, pa.array(MISSING_CELLS)), None, cells)
        try:
            plain = pc.cast(pc.replace_substring_regex(cells, r"^\+", ""), pa.float64())
        except pa.ArrowInvalid:
            return None
    else:
        return None
    values: NDArray[np.float64] = plain.to_numpy(zero_copy_only=False)
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def read_text(column: pa.Array) -> list[str | None]:
    """Return the strings, with None for missing ones; numbers are written shortly (``%g``)."""
    if is_text(column.type):
        missing = frozenset(MISSING_CELLS)
        cells = _decode(column).to_pylist()
        return [None if cell is None or cell in missing else cell for cell in cells]
    return [None if cell is None else f"{cell:g}" for cell in column.to_pylist()]


def read_smiles(column: pa.Array) -> list[str | None]:
    """Return the cells of the SMILES column as they stand; None where the cell is null."""
    if not is_text(column.type):
        raise DataError(f"The SMILES column holds {column.type}, not text.")
    cells: list[str | None] = _decode(column).to_pylist()
    return cells


def read_lists(column: pa.Array) -> list[NDArray[np.float32] | None] | None:
    """Return one float32 array per cell (None where missing), or None if a cell is no list.

    A list of lists of one length is an array of two dimensions. Missing numbers inside a list are
    NaN; infinite ones stay infinite.
    """
    if is_plain_list(column.type):
        return _split_lists(column)
    if is_list(column.type):
        return _split_matrices(column)
    if not is_text(column.type):
        return None
    cells: list[NDArray[np.float32] | None] = []
    for text in read_text(column):
        try:
            cells.append(None if text is None else _floats(_load_list(text)))
        except (ValueError, TypeError, OverflowError, RecursionError):
            return None
    return cells


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a batch stands."""

    first_row: int
    """Its first row, counted inside its file."""
    inside: str
    """Which file that is, where there are several."""


@dataclass(slots=True)
class _Column:
    """Narrows down what a column can be, batch by batch."""

    name: str
    can_be_number: bool = True
    can_be_list: bool = True
    """Whether no cell rules it out."""
    has_lists: bool = False
    """Whether a cell is a list."""
    infinite: int = 0
    note: str = ""
    distinct: set[str] = field(default_factory=set)
    range: NumberRange = field(default_factory=NumberRange)

    @property
    def has_lost_letters(self) -> bool:
        """Whether its name or a text that is kept has bytes that are not UTF-8."""
        return any(_LOST in text for text in (self.name, *self.distinct))

    def add(self, column: pa.Array, place: _Place) -> None:
        if not (is_numeric(column.type) or is_text(column.type) or is_list(column.type)):
            self.can_be_number = self.can_be_number and pa.types.is_null(column.type)
            self.can_be_list = False
            self.note = self.note or f"it holds {column.type}"
            return
        if is_text(column.type) and len(self.distinct) <= MAX_DISTINCT:
            self.distinct.update(text for text in _decode(pc.unique(column)).to_pylist() if text)
        if self.can_be_number:
            self._try_numbers(column, place)
        if self.can_be_list and not self.can_be_number:
            self._try_lists(column, place)

    def _try_lists(self, column: pa.Array, place: _Place) -> None:
        lists = read_lists(column)
        if lists is not None:
            self.has_lists = self.has_lists or any(cell is not None for cell in lists)
            self.infinite += _count_infinite(lists)
            return
        self.can_be_list = False
        bad, follows_lists = _first_no_list(column)
        self.has_lists = self.has_lists or follows_lists or _are_mostly_lists(column)
        if self.has_lists:
            cell = column.slice(bad, 1)
            text = str((read_text(cell) if is_text(cell.type) else cell.to_pylist())[0])
            where = f"row {place.first_row + bad}{place.inside}"
            self.note = f"{where} is {_shortened(text)}, no list of numbers as in other rows"

    def _try_numbers(self, column: pa.Array, place: _Place) -> None:
        numbers = read_numbers(column)
        if numbers is not None:
            self.infinite += int(np.isinf(numbers).sum())
            self.range.add(numbers)
            # Rows before the first list may all be missing, but a number rules out lists.
            self.can_be_list = self.can_be_list and bool(np.isnan(numbers).all())
            return
        self.can_be_number = False
        if is_text(column.type):
            self.note = _first_text(column, place)

    def result(self) -> ColumnScan:
        if self.can_be_number:
            return ColumnScan(
                *(self.name, "number", self.infinite, "", self.range.storage),
                is_empty=not self.infinite and self.range.is_empty,
                distinct=frozenset(self.distinct),
            )
        if self.can_be_list:
            return ColumnScan(self.name, "list", self.infinite, "")
        if self.has_lists:  # neither numbers nor classes
            return ColumnScan(self.name, "skipped", 0, self.note)
        if not self.distinct:
            note = self.note or "its lists are not plain lists, or matrices, of numbers"
            return ColumnScan(self.name, "skipped", 0, note)
        if len(self.distinct) > MAX_DISTINCT:
            note = (
                f"not every cell is a number ({self.note}), and more than {MAX_DISTINCT} distinct "
                "strings are too many for classes"
            )
            return ColumnScan(self.name, "skipped", 0, note)
        return ColumnScan(self.name, "text", 0, self.note, distinct=frozenset(self.distinct))


def _first_text(column: pa.Array, place: _Place) -> str:
    for row, cell in enumerate(column):
        if read_numbers(pa.array([cell.as_py()], column.type)) is None:
            text = read_text(pa.array([cell.as_py()]))[0] or ""
            where = f"row {place.first_row + row}{place.inside}"
            return f"{where} is {_shortened(text)}"
    raise AssertionError("some cell is no number")


def _first_no_list(column: pa.Array) -> tuple[int, bool]:
    """Return the first cell that is no list, and whether one above it is."""
    follows_lists = False
    for row in range(len(column)):
        lists = read_lists(column.slice(row, 1))
        if lists is None:
            return row, follows_lists
        follows_lists = follows_lists or lists[0] is not None
    raise AssertionError("some cell is no list")


def _are_mostly_lists(column: pa.Array) -> bool:
    """Say whether more than half of the cells of text that are not missing are lists."""
    if not is_text(column.type):
        return False
    given = [text for text in read_text(column) if text is not None]
    if 2 * sum(text.lstrip().startswith("[") for text in given) <= len(given):
        return False  # most text: found without a look at each cell
    lists = sum(read_lists(pa.array([text])) is not None for text in given)
    return 2 * lists > len(given)


def _shortened(text: str) -> str:
    return f"'{text[:_SHOWN]}{'...' * (len(text) > _SHOWN)}'"


def _count_infinite(lists: Iterable[NDArray[np.float32] | None]) -> int:
    return sum(int(np.isinf(cell).sum()) for cell in lists if cell is not None)


def _load_list(text: str) -> object:
    """Read JSON, or a list as Python writes it, with ``nan`` and ``None``."""
    try:
        return json.loads(text)
    except ValueError:
        return json.loads(_PYTHON_WORD.sub(lambda word: _IN_JSON[word[0]], text))


def _floats(cell: object) -> NDArray[np.float32]:
    if not isinstance(cell, list):
        raise TypeError("not a list")
    values = np.array(cell, np.float64)
    if values.ndim > 2:
        raise TypeError("a list of matrices")
    with np.errstate(over="ignore"):
        return values.astype(np.float32)


def _split_lists(column: pa.Array) -> list[NDArray[np.float32] | None]:
    lengths = pc.list_value_length(column).to_pylist()
    values = read_numbers(column.flatten())
    assert values is not None, "the elements are numeric"
    ends = np.cumsum([length or 0 for length in lengths])
    return [
        None if length is None else values[end - length : end]
        for length, end in zip(lengths, ends, strict=True)
    ]


def _split_matrices(column: pa.Array) -> list[NDArray[np.float32] | None] | None:
    heights = pc.list_value_length(column).to_pylist()
    rows = column.flatten()
    widths = pc.fill_null(pc.list_value_length(rows), -1).to_numpy(zero_copy_only=False)
    values = read_numbers(rows.flatten())
    assert values is not None, "the elements are numeric"
    cells: list[NDArray[np.float32] | None] = []
    row = first = 0
    for height in heights:
        if height is None:
            cells.append(None)
            continue
        of_cell = widths[row : row + height]
        width = int(of_cell[0]) if height else 0
        if width < 0 or (of_cell != width).any():
            return None  # no matrix
        cells.append(values[first : first + height * width].reshape(height, width))
        row, first = row + height, first + height * width
    return cells


def _decode(column: pa.Array) -> pa.Array:
    """Return the column as strings; bytes that are not UTF-8 become U+FFFD."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    try:
        return pc.cast(column, pa.string())
    except pa.ArrowInvalid:
        cells = column.to_pylist()
        return pa.array(
            [None if cell is None else cell.decode("utf-8", "replace") for cell in cells],
            pa.string(),
        )
