"""Random batches: molecules per second of one core, ours against PyG's ``Batch.from_data_list``.

Both start from molecules in RAM and end with a batch of the same content (checked in
tests/batching/test_collate.py): without encodings, and with those of the experiment, read. One
thread, its processor time, alternating rounds in one process; medians and their ratio.

Run: python benchmarks/batches.py [expts/toymix/gine.yaml]      (needs $GRAPHIUM_TEST_DATA)
"""

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch_geometric.data import Batch, Data

from graphium.batching.collate import collate
from graphium.batching.cut import PLAIN, best_cutter
from graphium.batching.mix import Mix, open_mix
from graphium.batching.task_data import LabelTotals
from graphium.config.load import load_config
from graphium.store.prepare import cache_root, prepare_experiment

MOLECULES = 8_192
ROUNDS = 9
SIZES = (256, 1_024)


def as_pyg(mix: Mix, molecule: int) -> Data:
    """Return one molecule with dense labels, NaN where missing, as a PyG data set holds it."""
    batch = collate(mix.graphs, mix.tasks, np.array([molecule]), {})
    labels = {}
    for name, task in batch.labels.items():
        spec = mix.tasks[name].spec
        rows = {"graph": 1, "node": batch.num_atoms, "edge": batch.num_bonds}[spec.level]
        labels[f"y_{name}"] = torch.full((rows, len(spec.labels)), torch.nan)
        labels[f"y_{name}"][task.rows] = task.values
    bonds = batch.bond_table[batch.bond_code]
    return Data(
        x=batch.atom_table[batch.atom_code],
        edge_index=batch.bond_index,
        edge_attr=torch.cat([bonds, bonds]),
        **batch.encodings,
        **labels,
    )


def race(ways: dict[str, Callable[[Any], object]], batches: Sequence[Any]) -> dict[str, float]:
    """Return the median seconds of each way to make all batches, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.thread_time()
            for batch in batches:
                way(batch)
            times[name].append(time.thread_time() - start)
    return {name: statistics.median(rounds[1:]) for name, rounds in times.items()}  # warm


def compare(mix: Mix, size: int, molecules: np.ndarray) -> dict[str, object]:
    totals = LabelTotals(mix.tasks)
    compiled = best_cutter(mix.graphs.num_molecules)
    data = {int(molecule): as_pyg(mix, int(molecule)) for molecule in molecules}
    seconds = race(
        {
            "ours": lambda b: collate(mix.graphs, mix.tasks, b, totals(b), compiled),
            "numpy": lambda b: collate(mix.graphs, mix.tasks, b, totals(b), PLAIN),
            "pyg": lambda b: Batch.from_data_list([data[molecule] for molecule in b.tolist()]),
        },
        [molecules[i : i + size] for i in range(0, len(molecules), size)],
    )
    return {
        "size": size,
        "encodings": sorted(mix.graphs.encodings),
        "molecules_per_second": {
            name: round(len(molecules) / each) for name, each in seconds.items()
        },
        "ratio_to_pyg": {
            name: round(seconds["pyg"] / seconds[name], 1) for name in ("ours", "numpy")
        },
    }


def main() -> None:
    torch.set_num_threads(1)
    name = sys.argv[1] if len(sys.argv) > 1 else "expts/toymix/gine.yaml"
    experiment = load_config(Path(name)).experiment
    prepare_experiment(experiment, cache_root())
    full = open_mix(experiment, cache_root())
    bare = dataclasses.replace(full, graphs=dataclasses.replace(full.graphs, encodings={}))
    molecules = np.random.default_rng(0).permutation(len(full.part))[:MOLECULES]
    for mix in (bare, full):
        for size in SIZES:
            print(json.dumps({"experiment": experiment.name, **compare(mix, size, molecules)}))


if __name__ == "__main__":
    main()
