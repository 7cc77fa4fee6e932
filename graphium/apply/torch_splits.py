"""Split files of torch (``.pt``), as Graphium 2 publishes them, to parquet that our splits read.

Such a file is a pickle, which may hold code. Nothing but dictionaries, lists, numbers and arrays of
numbers is accepted here; what names anything else is refused before it is called
(``torch.load`` with ``weights_only``).
"""

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import torch
from numpy._core import multiarray
from numpy.typing import NDArray

from graphium.apply.torch_files import read_torch_file
from graphium.errors import DataError, UsageError

_SCHEMA = pa.schema([("row", pa.int64()), ("part", pa.dictionary(pa.int32(), pa.string()))])
_WRITTEN_AT_ONCE = 1 << 20


def convert_splits(source: Path, output: Path) -> dict[str, int]:
    """Write the lists of a ``.pt`` file as a parquet file with the columns ``row`` and ``part``.

    Args:
        source: A dictionary of lists, arrays or tensors of row numbers (0-based).
        output: The new file.

    Returns:
        Name of each list and how many rows it has, in the order of the file.

    Raises:
        UsageError: ``output`` exists.
        DataError: ``source`` cannot be read, or holds something else.
    """
    if output.exists():
        raise UsageError(f"{output} exists; remove it, or name another file with --output.")
    lists = {name: _row_numbers(rows, name, source) for name, rows in _load(source).items()}
    _check_once(lists, source)
    temporary = output.with_name(f".{output.name}.tmp")
    with pa.parquet.ParquetWriter(temporary, _SCHEMA, compression="zstd") as writer:
        for code, rows in enumerate(lists.values()):
            for start in range(0, len(rows), _WRITTEN_AT_ONCE):
                block = rows[start : start + _WRITTEN_AT_ONCE]
                codes = pa.array(np.full(len(block), code, np.int32))
                parts = pa.DictionaryArray.from_arrays(codes, list(lists))
                writer.write_table(pa.table([pa.array(block), parts], schema=_SCHEMA))
    os.replace(temporary, output)
    return {name: len(rows) for name, rows in lists.items()}


def _load(path: Path) -> Mapping[str, object]:
    kinds = [type(np.dtype(kind)) for kind in ("int64", "int32", "uint64", "uint32")]
    # Names of the modules are those of numpy 1 and of numpy 2.
    array = [
        (function, f"numpy.{core}.multiarray.{function.__name__}")
        for function in (multiarray._reconstruct, multiarray.scalar)
        for core in ("core", "_core")
    ]
    content = read_torch_file(path, "numbers and lists", [np.ndarray, np.dtype, *kinds, *array])
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        found = type(content).__name__
        raise DataError(f"{path} must hold a dictionary of lists of rows, found {found}.")
    return content


def _row_numbers(rows: object, name: str, path: Path) -> NDArray[np.int64]:
    if isinstance(rows, torch.Tensor):
        rows = rows.numpy()
    try:
        numbers = np.asarray(rows)
    except ValueError as error:  # lists of different lengths
        raise DataError(f"{path}, {name}: not one row number after the other: {error}") from error
    if numbers.size == 0:
        return np.zeros(0, np.int64)
    if numbers.ndim != 1 or numbers.dtype.kind not in "iu":
        raise DataError(
            f"{path}, {name}: must be one row number (0-based) after the other, found "
            f"{numbers.dtype} in {numbers.ndim} dimensions."
        )
    if int(numbers.min()) < 0 or int(numbers.max()) >= 2**63:
        raise DataError(f"{path}, {name}: row {numbers.min()} is no row of a table.")
    return numbers.astype(np.int64)


def _check_once(lists: Mapping[str, NDArray[np.int64]], path: Path) -> None:
    rows = np.sort(np.concatenate([np.zeros(0, np.int64), *lists.values()]))
    again = np.flatnonzero(rows[1:] == rows[:-1])
    if len(again):
        row = int(rows[again[0]])
        where = ", ".join(name for name, numbers in lists.items() if (numbers == row).any())
        raise DataError(f"{path}: row {row} is listed more than once ({where}).")
