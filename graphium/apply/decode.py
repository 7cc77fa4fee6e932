"""What the heads say, as the columns of a prediction table."""

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import pandas as pd
import pyarrow as pa
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_block import offsets


def column_names(specs: Sequence[TaskSpec]) -> list[list[str]]:
    """Return the beginning of the column names of each label of each task.

    It is the label, or ``task.label`` where several tasks have a label of that name.
    """
    every = [label for spec in specs for label in spec.labels]
    return [
        [label if every.count(label) == 1 else f"{spec.name}.{label}" for label in spec.labels]
        for spec in specs
    ]


def prediction_schema(specs: Sequence[TaskSpec]) -> pa.Schema:
    """Return names and types of the columns of a prediction table, without ``error``."""
    fields = []
    for spec, names in zip(specs, column_names(specs), strict=True):
        best = pa.float32()
        if spec.num_classes is not None:
            best = pa.int64() if spec.class_names is None else pa.string()
        for name in names:
            columns = {f"{name}_predicted": best}
            columns |= {f"{name}_p{c}": pa.float32() for c in range(spec.num_classes or 0)}
            for column, kind in columns.items():
                fields.append((column, kind if spec.level == "graph" else pa.list_(kind)))
    return pa.schema(fields)


def prediction_columns(
    spec: TaskSpec,
    names: Sequence[str],
    values: NDArray[np.float32],
    rows: NDArray[np.int64],
    lengths: NDArray[np.integer],
    size: int,
) -> dict[str, pd.Series]:
    """Return the columns of one task; ``Model.predict`` says what they hold.

    Args:
        spec: The task.
        names: Beginning of the column names of each label.
        values: [R, L] or, for classes, [R, L, C]: one row for each molecule, atom, bond or pair.
        rows: [G] row of the table of each molecule; the others have no prediction.
        lengths: [G] rows of ``values`` of each molecule.
        size: Rows of the table.
    """

    def column(flat: NDArray[np.generic], dtype: str) -> pd.Series:
        if spec.level == "graph":
            return pd.Series(flat, index=rows, dtype=dtype).reindex(range(size))
        ends = offsets(lengths)
        pieces = [flat[a:b].tolist() for a, b in pairwise(ends)]
        return pd.Series(pieces, index=rows, dtype=object).reindex(range(size), fill_value=None)

    columns: dict[str, pd.Series] = {}
    for i, name in enumerate(names):
        if spec.num_classes is None:
            columns[f"{name}_predicted"] = column(values[:, i], "float32")
            continue
        best = values[:, i].argmax(1)
        if spec.class_names is not None:
            columns[f"{name}_predicted"] = column(
                np.array(spec.class_names, object)[best], "object"
            )
        else:
            columns[f"{name}_predicted"] = column(best, "Int64")
        for c in range(spec.num_classes):
            columns[f"{name}_p{c}"] = column(values[:, i, c], "float32")
    return columns
