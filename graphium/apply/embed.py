"""``graphium embed``: a table in, one vector for each molecule out."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from graphium.apply.model import Model
from graphium.apply.outputs import (
    TABLES,
    TableWriter,
    check_output,
    output_format,
    replacing,
)
from graphium.apply.predict import Outcome
from graphium.apply.spreadsheets import cell_changer
from graphium.apply.tables import Input, open_input

ARRAYS = (".npz", ".npy")


def embed_file(
    model: Model,
    table: Path,
    output: Path,
    *,
    smiles_column: str | None = None,
    batch_size: int | None = None,
    force: bool = False,
    for_spreadsheets: bool = False,
) -> Outcome:
    """Embed every row of a table.

    A table as output has the rows, the order and the columns of the input, then ``embedding_0``,
    ``embedding_1``, ... and ``error``. A ``.npy`` file holds float32 [S, C] with NaN in failed
    rows; a ``.npz`` file holds ``embeddings`` (the same), ``error`` (text, empty where there is
    none) and ``smiles``, a list in JSON as bytes: ``json.loads(file["smiles"].tobytes())``. An
    array of text would give each row the room of the longest one, gigabytes for one hostile row.

    Args:
        model: What embeds.
        table: csv, tsv, smi, sdf (also .gz) or parquet file.
        output: csv, tsv (also .gz), parquet, npz or npy file.
        smiles_column: Column of SMILES; None takes the first with a usual name.
        batch_size: Molecules computed at once.
        force: Replace an existing output.
        for_spreadsheets: Write cells of a csv or tsv so that no spreadsheet evaluates them.

    Raises:
        DataError: If the table cannot be used.
        UsageError: If the output must not be written.
    """
    change = cell_changer(output, for_spreadsheets=for_spreadsheets)
    check_output(output, table, suffixes=(*TABLES, *ARRAYS), force=force)
    source = open_input(table, smiles_column)
    with replacing(output) as temporary:
        if output_format(output) in ARRAYS:
            return _write_arrays(model, source, temporary, output_format(output), batch_size)
        return _write_table(model, source, temporary, output_format(output), batch_size, change)


def _write_table(
    model: Model,
    source: Input,
    path: Path,
    kind: str,
    batch_size: int | None,
    change: Callable[[str], str],
) -> Outcome:
    outcome = Outcome()
    names = [f"embedding_{i}" for i in range(model.embed([]).shape[1])]
    added = pa.schema([*((name, pa.float32()) for name in names), ("error", pa.string())])
    with TableWriter(path, kind, source.columns, added, change) as writer:
        for batch, smiles in source.batches():
            rows = model.embed_rows(smiles, batch_size=batch_size)
            new = pd.DataFrame(rows.values, columns=names)
            new["error"] = pd.Series(rows.errors, dtype=object)
            writer.write(batch, new)
            outcome.add([source.shown(text or "") for text in smiles], rows.errors)
    return outcome


def _write_arrays(
    model: Model, source: Input, path: Path, kind: str, batch_size: int | None
) -> Outcome:
    outcome = Outcome()
    values: list[NDArray[np.float32]] = []
    texts: list[str] = []
    errors: list[str] = []
    for _, smiles in source.batches():
        rows = model.embed_rows(smiles, batch_size=batch_size)
        shown = [source.shown(text or "") for text in smiles]
        outcome.add(shown, rows.errors)
        values.append(rows.values)
        texts += shown
        errors += [error or "" for error in rows.errors]
    embeddings = np.concatenate(values)
    with path.open("wb") as file:
        if kind == ".npy":
            np.save(file, embeddings, allow_pickle=False)
        else:
            np.savez_compressed(
                file,
                embeddings=embeddings,
                smiles=np.frombuffer(json.dumps(texts).encode(), np.uint8),
                error=np.array(errors),
            )
    return outcome
