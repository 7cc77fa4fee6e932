"""Real SMILES for invented tables, read from any table as a stream that begins again at its end."""

import itertools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from graphium.errors import DataError
from graphium.labels.columns import read_smiles
from graphium.labels.table import Table, find_smiles_column, open_table


@dataclass(frozen=True, slots=True)
class SmilesSource:
    """A table of SMILES; rows without one are passed over."""

    table: Table
    column: str
    num_rows: int
    """Rows with a SMILES."""

    def blocks(self, start: int, sizes: Iterable[int]) -> Iterator[list[str]]:
        """Yield SMILES, in blocks; after the last row comes the first one.

        Args:
            start: How many to pass over first.
            sizes: Length of each block.
        """
        endless = self._endless(start % self.num_rows)
        for size in sizes:
            yield list(itertools.islice(endless, size))

    def _endless(self, to_skip: int) -> Iterator[str]:
        while True:
            for cells in _cells(self.table, self.column):
                here = cells[to_skip:]
                to_skip -= len(cells) - len(here)
                yield from here


def open_smiles(path: str, column: str | None) -> SmilesSource:
    """Open a table of SMILES (csv, tsv, smi, parquet; also .gz), and count its rows.

    Args:
        path: The file, or a pattern of several.
        column: The SMILES column; by default found by its name.

    Raises:
        DataError: The file cannot be read, or has no SMILES.
    """
    table = open_table(path)
    found = find_smiles_column(table, column, "--smiles-column")
    num_rows = sum(len(cells) for cells in _cells(table, found))
    if not num_rows:
        raise DataError(f"{table.name}, column '{found}', has no SMILES.")
    return SmilesSource(table, found, num_rows)


def _cells(table: Table, column: str) -> Iterator[list[str]]:
    for batch in table.batches():
        cells = read_smiles(batch.column(column))
        yield [cell for cell in cells if cell]
