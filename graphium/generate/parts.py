"""Which row of an invented table is in which part, as the files that mixes name."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet

from graphium.config.recipe import RandomParts

_SCHEMA = pa.schema([("row", pa.int64()), ("part", pa.dictionary(pa.int32(), pa.string()))])


@dataclass(slots=True)
class PartsWriter:
    """Deals rows to parts at random, and keeps or writes who got which."""

    recipe: RandomParts
    writer: pa.parquet.ParquetWriter | None
    """None where rows are kept, for a JSON file."""
    lists: dict[str, list[int]] = field(default_factory=dict)
    """Rows of each part that are kept."""
    counts: dict[str, int] = field(default_factory=dict)
    """Rows of each part."""

    def deal(self, first: int, count: int, random: np.random.Generator) -> None:
        """Deal some rows.

        Args:
            first: Number of the first.
            count: How many they are.
            random: Draws the part of each.
        """
        names = list(self.recipe.shares)
        codes = random.choice(len(names), count, p=list(self.recipe.shares.values()))
        rows = np.arange(first, first + count)
        for code, name in enumerate(names):
            self.counts[name] = self.counts.get(name, 0) + int((codes == code).sum())
        if self.writer is not None:
            parts = pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), names)
            self.writer.write_table(pa.table([pa.array(rows), parts], schema=_SCHEMA))
            return
        for code, name in enumerate(names):
            self.lists.setdefault(name, []).extend(rows[codes == code].tolist())


@contextmanager
def open_parts(recipe: RandomParts, folder: Path) -> Iterator[PartsWriter]:
    """Open the file of the parts of one table; of a JSON file, ``write_lists`` writes all."""
    if recipe.file.endswith(".json"):
        yield PartsWriter(recipe, None)
        return
    with pa.parquet.ParquetWriter(folder / recipe.file, _SCHEMA, compression="zstd") as writer:
        yield PartsWriter(recipe, writer)


def write_lists(path: Path, lists: dict[str | None, dict[str, list[int]]]) -> None:
    """Write a JSON file of parts.

    Args:
        path: The file.
        lists: Of each table, by its key, the rows of each part; the key None stands alone.
    """
    content = lists[None] if list(lists) == [None] else lists
    path.write_text(json.dumps(content))
