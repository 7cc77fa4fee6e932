"""Tables of SMILES that a model is applied to.

Rows and their order are kept, and so is every cell: those of a csv are never read as numbers.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa

from graphium.errors import DataError
from graphium.labels.columns import read_smiles
from graphium.labels.table import Table, find_smiles_column, open_table


@dataclass(frozen=True, slots=True)
class Input:
    """A table and its SMILES column."""

    table: Table
    smiles: str

    @property
    def columns(self) -> list[str]:
        """Columns that an output repeats: all but mol blocks."""
        return [name for name in self.table.columns if name != self.table.structure]

    def shown(self, text: str) -> str:
        """Return a SMILES, or the name of a molecule that is given as a mol block."""
        return text.partition("\n")[0] if self.smiles == self.table.structure else text

    def batches(self) -> Iterator[tuple[pa.RecordBatch, list[str | None]]]:
        """Yield rows (with ``columns``) and their SMILES or mol blocks, some thousands at a time.

        Raises:
            DataError: If the file cannot be read to its end, or has no row.
        """
        num_rows = 0
        for batch in self.table.batches():
            num_rows += batch.num_rows
            yield batch.select(self.columns), read_smiles(batch.column(self.smiles))
        if num_rows == 0:
            raise DataError(f"{self.table.name} has no rows below its header.")


def open_input(path: Path, smiles_column: str | None) -> Input:
    """Open a csv, tsv, smi, sdf (also .gz) or parquet file, or all that match a pattern.

    Where a line is one cell, as in a smi file or a csv of one column, a blank one is a row without
    SMILES. In tables of several columns blank lines are no rows, as in all readers of csv.

    Args:
        path: The file or pattern. A smi file has a SMILES and, after blanks, a name on each line;
            its columns are called ``smiles`` and ``name``. Of an SDF file its mol blocks are read.
        smiles_column: The column of SMILES; None takes the first with a usual name.

    Raises:
        DataError: If the file cannot be read or has no such column; the message names those found.
    """
    table = open_table(path, blank_rows=True)
    return Input(table, find_smiles_column(table, smiles_column, "--smiles-columns"))
