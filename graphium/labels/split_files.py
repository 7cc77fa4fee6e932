"""Files that say which row of a table belongs to which part of a split: JSON or parquet."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet
from numpy.typing import NDArray

from graphium.config.suggest import did_you_mean
from graphium.errors import DataError, quoted
from graphium.labels.header import PARQUET, open_text, shorten
from graphium.labels.types import is_text

_MOST_DIGITS = 18
"""Of a row number: more do not fit 64 bits."""


def read_split_file(path: Path, key: str | None) -> dict[str, NDArray[np.int64]]:
    """Return the row numbers (0-based) of each list of a split file, by its name.

    A JSON file holds ``{"train": [...], "val": [...], ...}``, or one such object for each dataset.
    A parquet file, which suits millions of rows, has a column ``row`` and a column ``part``.

    Args:
        path: The file.
        key: Which dataset's lists to take, where a JSON file has those of several.

    Raises:
        DataError: The file cannot be read, or holds something else.
    """
    if path.suffix.lower() in PARQUET:
        if key is not None:
            raise DataError(
                f"split file {path} is parquet, which holds the lists of one dataset; leave out "
                f"split.key, got '{key}'"
            )
        return _read_parquet(path)
    lists = _read_json(path, key)
    return {name: _row_numbers(rows, name, path) for name, rows in lists.items()}


def read_row_list(path: Path) -> NDArray[np.int64]:
    """Return the row numbers (0-based) of a csv (also ``.gz``) of one column without a header.

    Raises:
        DataError: The file cannot be read, or a line is no row number.
    """
    try:
        with open_text(path) as file:
            lines = file.read().split()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"split file {path} cannot be read: {error}") from error
    for number, line in enumerate(lines):
        if not line.isdecimal() or len(line) > _MOST_DIGITS:
            raise DataError(
                f"split file {path}, line {number + 1}: {quoted(line)} is not a row number"
            )
    return np.array([int(line) for line in lines], np.int64)


def _row_numbers(rows: list[Any], name: str, path: Path) -> NDArray[np.int64]:
    for row in rows:
        if not isinstance(row, int) or isinstance(row, bool) or not -(2**63) <= row < 2**63:
            raise DataError(f"split file {path}, {name}: row {row!r} is not a row number (0-based)")
    return np.array(rows, np.int64)


def _read_parquet(path: Path) -> dict[str, NDArray[np.int64]]:
    try:
        with pa.parquet.ParquetFile(path) as file:
            schema = file.schema_arrow
            absent = [name for name in ("row", "part") if name not in schema.names]
            if absent:
                raise DataError(
                    f"split file {path} has no column '{absent[0]}'; it needs the columns row "
                    f"(0-based numbers) and part (train, val, test), and has "
                    f"{shorten(schema.names) or 'none'}"
                )
            table = file.read(["row", "part"])
        table.validate(full=True)
    except (OSError, pa.ArrowException, UnicodeDecodeError) as error:
        reason = str(error).splitlines()[0].rstrip(".")
        raise DataError(f"split file {path} cannot be read: {reason}") from error
    rows, parts = table.column("row"), table.column("part")
    if not pa.types.is_integer(rows.type) or rows.null_count:
        found = f"{rows.null_count:,} empty cells" if rows.null_count else f"type {rows.type}"
        raise DataError(f"split file {path}: column row must hold whole numbers, found {found}")
    if not is_text(parts.type) or parts.null_count:
        found = f"{parts.null_count:,} empty cells" if parts.null_count else f"type {parts.type}"
        raise DataError(f"split file {path}: column part must hold names of parts, found {found}")
    numbers = pc.cast(rows, pa.int64()).to_numpy()
    encoded = pc.dictionary_encode(pc.cast(parts, pa.string())).combine_chunks()
    codes = encoded.indices.to_numpy()
    return {name: numbers[codes == i] for i, name in enumerate(encoded.dictionary.to_pylist())}


def _read_json(path: Path, key: str | None) -> dict[str, list[Any]]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"split file {path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"split file {path} is not JSON: {error}") from error
    if isinstance(content, dict) and isinstance(content.get("datasets"), dict):
        content = content["datasets"]  # the splits.json that a run leaves
    if key is not None:
        options = list(content) if isinstance(content, Mapping) else []
        if key not in options:
            raise DataError(
                f"split file {path} has no '{key}'{did_you_mean(key, options)}; "
                f"it has {', '.join(options) or 'no names'}"
            )
        content = content[key]
    if not isinstance(content, dict) or not all(isinstance(v, list) for v in content.values()):
        nested = isinstance(content, dict) and all(isinstance(v, dict) for v in content.values())
        remedy = f"; set split.key to one of {', '.join(content)}" if nested else ""
        raise DataError(
            f'split file {path} must hold {{"train": [...], "val": [...], "test": [...]}} with row '
            f"numbers{remedy}"
        )
    return content
