"""One invented table as files, block by block: memory does not grow with its rows."""

import gzip
import itertools
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from graphium.config.recipe import AtomColumns, GeneratedTable
from graphium.generate.parts import PartsWriter
from graphium.generate.smiles import SmilesSource
from graphium.generate.values import Atoms, ColumnMaker, count_features
from graphium.molecules.atom_maps import number_atoms

BLOCK_ROWS = 4096
"""Rows that are made at once..."""
_BLOCK_CELLS = 1 << 22
"""...unless these are more cells."""
NOTE = "graphium"
"""Key of the metadata of a parquet file that says how it came to be."""


class Writer(Protocol):
    """Writes rows to a file."""

    def write_batch(self, batch: pa.RecordBatch) -> None:
        """Write some rows."""


@dataclass(frozen=True, slots=True)
class Order:
    """What is to be written of one table."""

    name: str
    """Name of the dataset."""
    table: GeneratedTable
    start: int
    """First molecule to take."""
    rows: int


@dataclass(slots=True)
class Written:
    """What has been written of one table."""

    files: list[str] = field(default_factory=list)
    rows: int = 0
    unread: int = 0
    """SMILES whose atoms could not be numbered; they stand as they are, without atom labels."""
    parts: dict[str, int] = field(default_factory=dict)
    """Rows of each list of the split."""


def write_table(
    order: Order, source: SmilesSource, folder: Path, parts: PartsWriter, seed: int, note: str
) -> Written:
    """Write the files of a table, and deal its rows to parts.

    Args:
        order: What to write.
        source: The molecules.
        folder: Where to.
        parts: Takes the part of each row.
        seed: Changes all that is drawn; equal seeds, molecules and orders give equal cells.
        note: What the metadata of parquet files say of them.
    """
    table = order.table
    random = np.random.default_rng([seed, *order.name.encode()])
    makers = [ColumnMaker.draw(columns, random) for columns in table.columns]
    size = max(64, min(BLOCK_ROWS, _BLOCK_CELLS // sum(len(one.names) for one in makers)))
    files = [_sizes(rows, size) for rows in _even_shares(order.rows, table.files)]
    blocks = source.blocks(order.start, [rows for sizes in files for rows in sizes])
    written = Written()
    for path, sizes in zip(file_paths(table, folder), files, strict=False):
        first = _make(table, makers, next(blocks), random, written)
        with _open(path, first.schema.with_metadata({NOTE: note})) as writer:
            for place in range(len(sizes)):
                made = first if place == 0 else _make(table, makers, next(blocks), random, written)
                writer.write_batch(made)
                parts.deal(written.rows, made.num_rows, random)
                written.rows += made.num_rows
        written.files.append(path.name)
    written.parts = dict(parts.counts)
    return written


def file_paths(table: GeneratedTable, folder: Path) -> list[Path]:
    """Return the files that a table may have; short tables have fewer."""
    width = len(str(table.files))
    return [folder / table.file.replace("*", f"{k:0{width}d}") for k in range(1, table.files + 1)]


def _even_shares(rows: int, files: int) -> list[int]:
    bounds = [rows * k // files for k in range(files + 1)]
    return [end - begin for begin, end in itertools.pairwise(bounds) if end > begin]


def _sizes(rows: int, size: int) -> list[int]:
    rest = [rows % size] if rows % size else []
    return [size] * (rows // size) + rest


def _make(
    table: GeneratedTable,
    makers: Sequence[ColumnMaker],
    smiles: list[str],
    random: np.random.Generator,
    written: Written,
) -> pa.RecordBatch:
    counts = count_features(smiles)
    atoms: list[Atoms | None] = [None] * len(smiles)
    if table.atom_maps:
        numbered = [number_atoms(text, random) for text in smiles]
        written.unread += sum(one is None for one in numbered)
        atoms = [None if one is None else one.atomic_numbers for one in numbered]
        smiles = [
            text if one is None else one.smiles for text, one in zip(smiles, numbered, strict=True)
        ]
    columns: dict[str, pa.Array] = {table.smiles: pa.array(smiles, pa.string())}
    for text in table.texts:
        columns[text] = pa.array([f"{text}-{written.rows + k}" for k in range(len(smiles))])
    for maker in makers:
        columns |= zip(maker.names, maker.make(counts, atoms, random), strict=True)
    return pa.RecordBatch.from_pydict(columns)


@contextmanager
def _open(path: Path, schema: pa.Schema) -> Iterator[Writer]:
    if path.suffix == ".parquet":
        has_lists = any(pa.types.is_list(one) for one in schema.types)
        # Real labels differ from row to row: a dictionary of them is no use, and slow.
        plain = {"use_dictionary": False} if has_lists or len(schema) > 64 else {}
        with pa.parquet.ParquetWriter(path, schema, compression="zstd", **plain) as parquet:
            yield parquet
        return
    with gzip.GzipFile(path, "wb", compresslevel=1, mtime=0) as stream:
        options = pa.csv.WriteOptions(quoting_style="needed")
        with pa.csv.CSVWriter(stream, schema, write_options=options) as writer:
            yield writer


def has_atom_labels(table: GeneratedTable) -> bool:
    """Return whether a table lists labels of atoms."""
    return any(isinstance(one, AtomColumns) for one in table.columns)
