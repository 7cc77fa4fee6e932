"""``graphium predict`` and ``graphium embed``: a model applied to a table of SMILES."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from graphium.cli.common import RowTimeout, WorkerMemory

if TYPE_CHECKING:
    from graphium.apply.predict import Outcome
    from graphium.store.limits import Limits

ModelPath = Annotated[
    Path, typer.Argument(metavar="MODEL", help="Run directory (its best checkpoint) or checkpoint.")
]
TablePath = Annotated[
    Path,
    typer.Argument(
        metavar="FILE",
        help="csv, tsv, smi, sdf (also .gz) or parquet file, or a pattern such as 'part-*.csv'.",
    ),
]
SmilesColumn = Annotated[
    str | None,
    typer.Option(
        "--smiles-columns",
        "--smiles-column",
        "-s",
        help="Column of SMILES; by default the first with a usual name.",
    ),
]
BatchSize = Annotated[
    int | None,
    typer.Option(min=1, help="Molecules computed at once; changes memory and speed alone."),
]
Device = Annotated[
    str, typer.Option(help="cpu, cuda or cuda:N (unverified: no GPU has run it yet).")
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing output.")]
ForSpreadsheets = Annotated[
    bool,
    typer.Option(
        "--for-spreadsheets",
        help="Put an apostrophe before cells of a csv or tsv that begin with = + - @, a tab or a "
        "carriage return and are no numbers, so that a spreadsheet does not evaluate them.",
    ),
]


def predict(
    model: ModelPath,
    table: TablePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="csv, tsv (also .gz) or parquet file.")
    ],
    smiles_column: SmilesColumn = None,
    batch_size: BatchSize = None,
    device: Device = "cpu",
    force: Force = False,
    for_spreadsheets: ForSpreadsheets = False,
    row_timeout: RowTimeout = 10.0,
    worker_memory: WorkerMemory = 4.0,
) -> None:
    """Predict every task for each row of a table.

    The output keeps the rows, their order and their columns. Rows that are no molecule have their
    reason in the column 'error' and are counted on stderr.
    """
    from graphium.apply.predict import predict_file
    from graphium.store.limits import Limits

    options = {
        "smiles_column": smiles_column,
        "batch_size": batch_size,
        "force": force,
        "for_spreadsheets": for_spreadsheets,
    }
    limits = Limits(row_timeout, worker_memory)
    _apply(predict_file, model, device, limits, table, output, options)


def embed(
    model: ModelPath,
    table: TablePath,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="csv, tsv (also .gz), parquet, npz or npy file.")
    ],
    smiles_column: SmilesColumn = None,
    batch_size: BatchSize = None,
    device: Device = "cpu",
    force: Force = False,
    for_spreadsheets: ForSpreadsheets = False,
    row_timeout: RowTimeout = 10.0,
    worker_memory: WorkerMemory = 4.0,
) -> None:
    """Write the embedding of each molecule of a table: the vector that the network learned for it.

    Tables keep the input's rows and columns; npz and npy files hold the array alone, NaN in the
    rows that are no molecule.
    """
    from graphium.apply.embed import embed_file
    from graphium.store.limits import Limits

    options = {
        "smiles_column": smiles_column,
        "batch_size": batch_size,
        "force": force,
        "for_spreadsheets": for_spreadsheets,
    }
    limits = Limits(row_timeout, worker_memory)
    _apply(embed_file, model, device, limits, table, output, options)


def _apply(
    function: Callable[..., "Outcome"],
    model: Path,
    device: str,
    limits: "Limits",
    table: Path,
    output: Path,
    options: Mapping[str, object],
) -> None:
    from graphium.apply.model import load_model

    outcome = function(load_model(model, device=device, limits=limits), table, output, **options)
    typer.echo(outcome.message(output), err=True)
