"""Random batches: molecules per second of one core, ours against PyG's ``Batch.from_data_list``.

Both start from molecules in RAM (``mmap``: in a mapped file) and end with a batch of the same
content (checked in tests/batching/test_collate.py): without encodings, and with those of the
experiment, read. ``torch`` is the twin that cuts batches on a GPU, here on the CPU
(tests/batching/test_device.py). One thread, its processor time, alternating rounds in one process;
medians and their ratio. The last line is what it costs to open the mix again, beside joining it
anew.

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
from graphium.batching.device import DeviceMaker
from graphium.batching.mix import open_mix
from graphium.batching.mix_data import Mix
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


def compare(mix: Mix, mapped: Mix, size: int, molecules: np.ndarray) -> dict[str, object]:
    """Race batches of ``size`` of the same mix in memory and mapped."""
    totals = LabelTotals(mix.tasks)
    twin = DeviceMaker(mix.graphs, mix.tasks)
    compiled = best_cutter(mix.graphs.num_molecules)
    data = {int(molecule): as_pyg(mix, int(molecule)) for molecule in molecules}
    seconds = race(
        {
            "ours": lambda b: collate(mix.graphs, mix.tasks, b, totals(b), compiled),
            "mmap": lambda b: collate(mapped.graphs, mapped.tasks, b, totals(b), compiled),
            "numpy": lambda b: collate(mix.graphs, mix.tasks, b, totals(b), PLAIN),
            "torch": lambda b: twin(b, b),
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
            name: round(seconds["pyg"] / seconds[name], 1)
            for name in ("ours", "mmap", "numpy", "torch")
        },
    }


def without_encodings(mix: Mix) -> Mix:
    return dataclasses.replace(mix, graphs=dataclasses.replace(mix.graphs, encodings={}))


def main() -> None:
    torch.set_num_threads(1)
    name = sys.argv[1] if len(sys.argv) > 1 else "expts/toymix/gine.yaml"
    experiment = load_config(Path(name)).experiment
    prepare_experiment(experiment, cache_root())
    seconds, mixes = {}, {}
    for name, to in (("first", "ram"), ("again", "ram"), ("mapped", "mmap")):
        start = time.process_time()
        mixes[name] = open_mix(experiment, cache_root(), to=to)
        seconds[name] = round(time.process_time() - start, 2)
    molecules = np.random.default_rng(0).permutation(len(mixes["again"].part))[:MOLECULES]
    pair = (mixes["again"], mixes["mapped"])
    for mix, mapped in (map(without_encodings, pair), pair):
        for size in SIZES:
            line = compare(mix, mapped, size, molecules)
            print(json.dumps({"experiment": experiment.name, **line}))
    print(json.dumps({"experiment": experiment.name, "opening_cpu_s": seconds}))


if __name__ == "__main__":
    main()
