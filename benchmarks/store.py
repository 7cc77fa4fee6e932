"""Bytes, speed and memory of stores: one JSON line, each figure beside its target, peer or floor.

* ``prepare``: CPU time of ``data prepare`` with two workers, all processes counted, for each row by
  which a table of 250,000 molecules of the pool is longer than one of 50,000; the peer is
  ``Chem.MolFromSmiles`` of those rows and nothing else.
* ``zinc250k``: bytes a molecule of the graph arrays and of everything; beside them, those of its
  SMILES in the parquet file.
* ``scan``: molecules a second that ``Store.graphs`` reads (without hashes, as training does),
  compares with their SHA-256 and puts together on one core; the floor is reading the same files as
  they are. ``zarrs`` is there where the extra ``fast`` is installed. ``scan_pool`` is the same of
  the 250,000 molecules of the pool, some of which have more than 255 atoms: numbers of atoms take
  two bytes there.
* ``opening``: ``open_store`` of the latter.
* ``labels``: bytes a row of a generated table of 1,328 binary columns of which a tenth is known, in
  its two arrays (metadata with the names of the columns included); beside them dense float32 and
  two planes of bits, compressed likewise. And the rows read per second.

Times are CPU time, the best of ``REPEATS``, ways taken in turns.

Run: python benchmarks/store.py [binary rows [repeats of prepare]]
(needs $GRAPHIUM_TEST_DATA; a minute for each repeat)
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from store_prepare import slope

from graphium.config.data import DatasetConfig
from graphium.store import arrays
from graphium.store.arrays import _fast_pipeline, write_arrays
from graphium.store.packed_labels import array_names, pack_labels
from graphium.store.prepare import prepare_dataset
from graphium.store.read import Store, open_store

COLUMNS = 1_328
KNOWN = 0.1
POSITIVE = 0.5
"""The share that packs worst."""
REPEATS = 5
GRAPH = (
    "n_atoms", "n_bonds", "atom_code", "bond_ends", "bond_code", "atom_table", "bond_table"
)  # fmt: skip
NEEDED = ("split_hash", "join_rows", "join_hash", "smiles", "smiles_length", "status")
"""What a store keeps of every table beside the graphs and the labels."""


def main(rows: int, repeats: int) -> None:
    smiles = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles"
    table = smiles / "zinc250k.parquet"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        config = DatasetConfig(table=str(table))
        zinc = open_store(prepare_dataset("zinc250k", config, root, workers=1))
        prepared, store = slope(smiles / "smiles_pool.parquet", root, repeats)
        result = {
            "prepare": prepared,
            "zinc250k": sizes(zinc, table),
            "scan": scan(zinc),
            "scan_pool": scan(store),
            "opening": opening(store),
            "labels": labels(binary_table(table, rows, root / "binary.parquet"), root),
        }
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        load = [round(value, 1) for value in os.getloadavg()]
        print(json.dumps(result | {"peak_mb_of_this_process": peak // 1024, "load": load}))


def sizes(store: Store, table: Path) -> dict[str, float]:
    """Return bytes a molecule on disk."""
    found = {name: array.bytes / store.num_molecules for name, array in store.record.arrays.items()}
    parquet = pq.ParquetFile(table).metadata
    groups = [parquet.row_group(number) for number in range(parquet.num_row_groups)]
    smiles = sum(group.column(0).total_compressed_size for group in groups)
    return {
        "graph_bytes": round(sum(found[name] for name in GRAPH), 1),
        "graph_target": 50,
        "bytes": round(sum(found[name] for name in (*GRAPH, *NEEDED)), 1),
        "target": 95,
        "smiles_in_parquet_bytes": round(smiles / store.num_rows, 1),
    }


def scan(store: Store) -> dict[str, float | None]:
    files = [
        store.path / segment.folder / name
        for segment in store.record.segments
        for name in segment.files
        if name.split("/")[0] in GRAPH + NEEDED[:3]
    ]
    ways: dict[str, Callable[[], object]] = {
        "zarr-python": lambda: graphs_by(store, {}),
        "floor": lambda: [f.read_bytes() for f in files],
    }
    if fast := _fast_pipeline():
        ways["zarrs"] = lambda: graphs_by(store, fast)
    seconds = best(ways)
    rates = {name: round(store.num_molecules / one) for name, one in seconds.items()}
    return {
        "molecules": store.num_molecules,
        "molecules_per_second": rates["zarr-python"],
        "target": 1_000_000,
        "with_zarrs": rates.get("zarrs"),
        "target_with_zarrs": 2_000_000,
        "floor_molecules_per_second": rates["floor"],
    }


def graphs_by(store: Store, pipeline: dict[str, str]) -> object:
    """Read with one of zarr's pipelines."""
    with mock.patch.object(arrays, "_fast_pipeline", return_value=pipeline):
        return store.graphs(hashes=False)  # as training reads them


def opening(store: Store) -> dict[str, float]:
    seconds = best({"open": lambda: open_store(store.path)})["open"]
    return {
        "seconds": round(seconds, 3),
        "molecules": store.num_molecules,
        "segments": len(store.record.segments),
        "seconds_per_million": round(seconds / store.num_molecules * 1e6, 3),
        "target_per_million": 1,
    }


def binary_table(source: Path, rows: int, out: Path) -> Path:
    """Write a table of real molecules with labels drawn at random."""
    random = np.random.default_rng(0)
    smiles = pq.read_table(source).column(0).to_pylist()
    names = [f"assay_{number}" for number in range(COLUMNS)]
    schema = pa.schema({"smiles": pa.string(), **dict.fromkeys(names, pa.int8())})
    with pq.ParquetWriter(out, schema) as writer:
        for first in range(0, rows, 5_000):
            count = min(5_000, rows - first)
            is_missing = random.random((COLUMNS, count)) >= KNOWN
            values = (random.random((COLUMNS, count)) < POSITIVE).astype(np.int8)
            cells = [pa.array(v, mask=m) for v, m in zip(values, is_missing, strict=True)]
            texts = [smiles[row % len(smiles)].strip() for row in range(first, first + count)]
            writer.write_table(pa.table([pa.array(texts), *cells], schema=schema))
    return out


def labels(table: Path, root: Path) -> dict[str, float]:
    config = DatasetConfig(table=str(table))
    store = open_store(prepare_dataset("binary", config, root, workers=1))
    names = [column.name for column in store.columns]
    seconds = best({"read": lambda: store.labels(names)})["read"]
    packed = sum(store.record.arrays[name].bytes for name in array_names("bit"))
    dense = store.labels(names).values[:20_000]
    return {
        "rows": store.num_rows,
        "bytes_per_row": round(packed / store.num_molecules, 1),
        "target": 110,
        "dense_float32_bytes_per_row": round(written(root / "dense", {"y": dense}) / len(dense), 1),
        "planes_bytes_per_row": round(written(root / "planes", planes(dense)) / len(dense), 1),
        "rows_read_per_second": round(store.num_molecules / seconds),
    }


def planes(dense: np.ndarray) -> dict[str, np.ndarray]:
    """Return the same labels as two planes, of known ones and of ones."""
    known = pack_labels("bit", dense).known
    ones = np.packbits(dense == 1, axis=1, bitorder="little")
    return {"graph_bit_known": known, "graph_bit_labels": ones}


def written(folder: Path, arrays: dict[str, np.ndarray]) -> int:
    write_arrays(folder, arrays, {})
    return sum(file.stat().st_size for file in folder.rglob("c.*"))


def best(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    seconds = dict.fromkeys(ways, float("inf"))
    for _ in range(REPEATS):
        for name, way in ways.items():
            start = time.process_time()
            way()
            seconds[name] = min(seconds[name], time.process_time() - start)
    return seconds


if __name__ == "__main__":
    given = [int(word) for word in sys.argv[1:]]
    main(*given, *(50_000, 3)[len(given) :])
