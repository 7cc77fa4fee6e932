"""Molecules per second: our collate against torch_geometric's ``Batch.from_data_list``.

Both start from molecules in RAM and end with a batch of the same content (checked in
tests/batching/test_collate.py). One thread, alternating rounds in one process; the medians and
their ratio are printed.

Run: python benchmarks/batches.py expts/toymix/gine.yaml [batch size]
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch_geometric.data import Batch, Data

from graphium.batching.collate import collate
from graphium.batching.mix import Mix, open_mix
from graphium.batching.task_data import LabelTotals
from graphium.config.load import load_config
from graphium.store.prepare import cache_root, prepare_experiment

MOLECULES = 8_192
ROUNDS = 9


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


def main() -> None:
    torch.set_num_threads(1)
    experiment = load_config(Path(sys.argv[1])).experiment
    size = int(sys.argv[2]) if len(sys.argv) > 2 else 256
    prepare_experiment(experiment, cache_root())
    mix = open_mix(experiment, cache_root())
    totals = LabelTotals(mix.tasks)
    molecules = np.random.default_rng(0).permutation(len(mix.part))[:MOLECULES]
    batches = [molecules[i : i + size] for i in range(0, len(molecules), size)]
    data = {int(molecule): as_pyg(mix, int(molecule)) for molecule in molecules}

    ours, theirs = [], []
    for _ in range(ROUNDS):
        start = time.perf_counter()
        for batch in batches:
            collate(mix.graphs, mix.tasks, batch, totals(batch))
        middle = time.perf_counter()
        for batch in batches:
            Batch.from_data_list([data[molecule] for molecule in batch.tolist()])
        ours.append(middle - start)
        theirs.append(time.perf_counter() - middle)
    mine, pyg = (len(molecules) / statistics.median(times) for times in (ours, theirs))
    print(
        f"batches of {size}: collate {mine:,.0f} molecules/s, PyG Batch {pyg:,.0f}, "
        f"ratio {mine / pyg:.1f}"
    )


if __name__ == "__main__":
    main()
