"""``graphium predict``: a table in, the same table with predictions out."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pyarrow as pa

from graphium.apply.decode import prediction_schema
from graphium.apply.model import Model
from graphium.apply.outputs import (
    TABLES,
    TableWriter,
    check_output,
    output_format,
    replacing,
)
from graphium.apply.spreadsheets import cell_changer
from graphium.apply.tables import open_input
from graphium.config.tasks import TaskSpec
from graphium.errors import counted, quoted

ROWS_OF_PAIRS = 256
"""Rows written at once where a task answers for all pairs of atoms of a molecule."""


@dataclass(slots=True)
class Outcome:
    """How many rows there were, and what became of those that failed."""

    rows: int = 0
    failed: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    """Rows by reason."""
    first: list[str] = field(default_factory=list)
    """The first failures: row (0-based), SMILES and reason."""

    def add(self, smiles: Sequence[str], errors: Sequence[str | None]) -> None:
        """Count the next rows."""
        for text, error in zip(smiles, errors, strict=True):
            if error is not None:
                self.failed += 1
                self.reasons[error.split(":")[0]] += 1
                if len(self.first) < 3:
                    self.first.append(f"row {self.rows}, {quoted(text)} ({error})")
            self.rows += 1

    def message(self, output: Path) -> str:
        """Return what to tell the user."""
        text = f"{self.rows - self.failed:,} of {self.rows:,} rows done: {output}"
        if self.failed:
            reasons = ", ".join(f"{reason} {count:,}" for reason, count in self.reasons.items())
            text += f"\n{counted(self.failed, 'row')} failed ({reasons}); column 'error' says why"
            text += "".join(f"\n  {line}" for line in self.first)
            if self.failed > len(self.first):
                text += "\n  ..."
        return text


def predict_file(
    model: Model,
    table: Path,
    output: Path,
    *,
    smiles_column: str | None = None,
    batch_size: int | None = None,
    force: bool = False,
    for_spreadsheets: bool = False,
) -> Outcome:
    """Predict every row of a table.

    The output has the rows, the order and the columns of the input, then the columns of
    ``Model.predict``.

    Args:
        model: What predicts.
        table: csv, tsv, smi, sdf (also .gz) or parquet file.
        output: csv, tsv (also .gz) or parquet file.
        smiles_column: Column of SMILES; None takes the first with a usual name.
        batch_size: Molecules computed at once.
        force: Replace an existing output.
        for_spreadsheets: Write cells of a csv or tsv so that no spreadsheet evaluates them.

    Raises:
        DataError: If the table cannot be used.
        UsageError: If the output must not be written.
    """
    change = cell_changer(output, for_spreadsheets=for_spreadsheets)
    check_output(output, table, suffixes=TABLES, force=force)
    source = open_input(table, smiles_column)
    added = prediction_schema(model.specs).append(pa.field("error", pa.string()))
    outcome = Outcome()
    with replacing(output) as temporary:
        kind = output_format(output)
        with TableWriter(temporary, kind, source.columns, added, change) as writer:
            for batch, smiles in source.batches():
                for rows in _pieces(len(smiles), model.specs):
                    predicted = model.predict(smiles[rows], batch_size=batch_size)
                    writer.write(batch[rows], predicted)
                    shown = [source.shown(text or "") for text in smiles[rows]]
                    outcome.add(shown, predicted["error"].tolist())
    return outcome


def _pieces(num_rows: int, specs: Sequence[TaskSpec]) -> Iterator[slice]:
    """Cut a batch of rows where answers are long; else take it whole."""
    has_pairs = any(spec.level == "nodepair" for spec in specs)
    size = ROWS_OF_PAIRS if has_pairs else max(num_rows, 1)
    for first in range(0, num_rows, size):
        yield slice(first, first + size)
