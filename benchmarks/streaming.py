"""Streaming: molecules per second of one core from disk to batches, against PyG's ``Batch``.

Ours reads segments of a store (compressed, with their checksums), shuffles and cuts batches; PyG's
``Batch.from_data_list`` has its molecules with their labels in RAM. Processor time of the whole
process, every thread that reads included; alternating rounds in one process on one core; medians
and their ratio. Then the memory that one process takes while an epoch is streamed, by quarters.

Run: taskset -c 0 python benchmarks/streaming.py [table.csv or .parquet]   ($GRAPHIUM_TEST_DATA)
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from itertools import islice
from pathlib import Path

import numpy as np
import torch
import zarr
from torch_geometric.data import Batch, Data

from graphium.batching.stream_datamodule import StreamDataModule
from graphium.batching.stream_mix import StreamedMix
from graphium.batching.stream_open import open_stream
from graphium.config.experiment import Experiment
from graphium.graphs.mol_batch import MolBatch
from graphium.store import arrays
from graphium.store.prepare import cache_root, prepare_experiment

ROUNDS = 5
SIZES = (256, 1_024)
PYG_MOLECULES = 8_192
ZINC = "smiles/zinc250k.parquet"
SPLIT = {"kind": "random", "fractions": [0.98, 0.01, 0.01]}


def experiment(table: Path, size: int) -> Experiment:
    """The numbers of a table as labels of molecules; no encodings."""
    return Experiment.model_validate(
        {
            "name": "streaming",
            "datasets": {"table": {"table": str(table), "split": SPLIT}},
            "features": {"encodings": {"random_walk": None, "laplacian": None}},
            "tasks": {"task": {"dataset": "table", "labels": labels_of(table), "loss": "mae"}},
            "batch": {"held_in": "stream", "size": size, "prefetch": 0},
        }
    )


def labels_of(table: Path) -> list[str]:
    """Return the columns of numbers of a table."""
    import pandas as pd

    head = pd.read_csv(table, nrows=5) if table.suffix == ".csv" else pd.read_parquet(table)
    return [name for name in head.columns if pd.api.types.is_float_dtype(head[name])]


def as_pyg(batch: MolBatch) -> list[Data]:
    """Return the molecules of a batch with their labels, as a PyG data set holds them."""
    labels, bonds = batch.labels["task"], batch.bond_table[batch.bond_code]
    begin = batch.bond_index[0, : batch.num_bonds]
    known = {int(row): i for i, row in enumerate(labels.rows)}
    out = []
    for molecule in range(batch.num_molecules):
        atoms = (batch.molecule == molecule).nonzero()[:, 0]
        here = batch.molecule[begin] == molecule
        ends = batch.bond_index[:, : batch.num_bonds][:, here] - atoms[0]
        y = torch.full((1, labels.values.shape[1]), torch.nan)
        if molecule in known:
            y = labels.values[known[molecule]][None]
        out.append(
            Data(
                x=batch.atom_table[batch.atom_code[atoms]],
                edge_index=torch.cat([ends, ends.flip(0)], 1),
                edge_attr=torch.cat([bonds[here], bonds[here]]),
                y=y,
            )
        )
    return out


def streamed(data: StreamDataModule, pipeline: str) -> Callable[[], int]:
    """Return what streams an epoch with one of zarr's pipelines."""

    def run() -> int:
        chosen = {"codec_pipeline.path": "zarrs.ZarrsCodecPipeline"} if pipeline == "zarrs" else {}
        original, arrays._fast_pipeline = arrays._fast_pipeline, lambda: chosen
        try:
            return sum(batch.num_molecules for batch in data.train_dataloader())
        finally:
            arrays._fast_pipeline = original

    return run


def rate(way: Callable[[], int]) -> float:
    """Return molecules per second of processor time."""
    start = time.process_time()
    molecules = way()
    return molecules / (time.process_time() - start)


def pss_mb() -> float:
    """Return the memory of this process, its share of what it shares with others."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def memory(mix: StreamedMix, one: Experiment) -> dict[str, object]:
    """Stream an epoch; look at the memory after each quarter."""
    loader = StreamDataModule(mix, one).train_dataloader()
    before, after, batches = pss_mb(), [], iter(loader)
    for _ in range(4):
        for _ in islice(batches, len(loader) // 4):
            pass
        after.append(round(pss_mb()))
    cache = loader._maker._cache  # type: ignore[attr-defined]
    held = {"segments": mix.rows.num_segments, "held": sum(cache._counts)}
    return {**held, "before_mb": round(before), "quarters_mb": after}


def main() -> None:
    torch.set_num_threads(1)
    import zarrs  # noqa: F401  # makes its pipeline known to zarr

    zarr.config.set({"threading.max_workers": 1, "async.concurrency": 1})
    given = sys.argv[1] if len(sys.argv) > 1 else f"{os.environ['GRAPHIUM_TEST_DATA']}/{ZINC}"
    table = Path(given)
    prepare_experiment(experiment(table, 256), cache_root(), progress=True)
    start = time.process_time()
    mix = open_stream(experiment(table, 256), cache_root())
    opening = time.process_time() - start
    rows = mix.report.molecules["train"]
    few = experiment(table, 1_024)
    few = few.model_copy(update={"batch": few.batch.model_copy(update={"lanes": 2})})
    bounded = memory(mix, few)
    for size in SIZES:
        module = StreamDataModule(mix, experiment(table, size))
        first = islice(module.train_dataloader(), -(-PYG_MOLECULES // size))
        data = [molecule for batch in first for molecule in as_pyg(batch)][:PYG_MOLECULES]

        def by_pyg(data: list[Data] = data, size: int = size) -> int:
            for begin in range(0, len(data), size):
                Batch.from_data_list(data[begin : begin + size])
            return len(data)

        ways = {
            "zarrs": streamed(module, "zarrs"),
            "zarr": streamed(module, "zarr"),
            "pyg": by_pyg,
        }
        rates: dict[str, list[float]] = {name: [] for name in ways}
        for _ in range(ROUNDS + 1):
            for name, way in ways.items():
                rates[name].append(rate(way))
        found = {name: statistics.median(each[1:]) for name, each in rates.items()}  # warm
        ratios = {
            name: statistics.median(np.divide(rates[name][1:], rates["pyg"][1:]).tolist())
            for name in ("zarrs", "zarr")
        }
        line = {
            "table": table.stem,
            "rows": rows,
            "labels": len(mix.specs[0].labels),
            "size": size,
            "molecules_per_second": {name: round(value) for name, value in found.items()},
            "ratio_to_pyg": {name: round(value, 1) for name, value in ratios.items()},
        }
        print(json.dumps(line), flush=True)
    print(json.dumps({"table": table.stem, "opening_cpu_s": round(opening, 2), **bounded}))


if __name__ == "__main__":
    main()
