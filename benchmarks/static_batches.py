"""Batches of one static shape: how much of them is padding, and what they cost.

For each size: the shape, the share of atoms, bonds and molecules that is padding, micro-batches
that exceeded the shape, the time to divide an epoch, and molecules per second of making plain and
static batches. One thread, its processor time, alternating rounds in one process; medians.

Run: python benchmarks/static_batches.py [EXPERIMENT.yaml] [SIZE ...]   (needs $GRAPHIUM_TEST_DATA)
"""

import dataclasses
import json
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graphium.batching.balanced import BalancedSampler
from graphium.batching.maker import HostMaker
from graphium.batching.mix import open_mix
from graphium.batching.mix_data import Mix
from graphium.batching.sampler import PositionalSampler
from graphium.batching.static import StaticMaker, count_molecules, static_shape
from graphium.config.load import load_config
from graphium.store.prepare import cache_root, prepare_experiment

EPOCHS = 10
MOLECULES = 8_192
ROUNDS = 9
SIZES = (64, 128, 256, 1_024)


def seconds(work: Callable[[], Any]) -> float:
    start = time.thread_time()
    work()
    return time.thread_time() - start


def measure(mix: Mix, size: int) -> dict[str, object]:
    """Divide several epochs, and make the batches of a part of one."""
    counts = count_molecules(mix.graphs, mix.tasks)
    visits = PositionalSampler(mix.molecules("train"), size, seed=0)
    sampler = BalancedSampler(visits, counts.atoms)
    shape = static_shape(sampler, counts)
    visits.order(EPOCHS)  # sorting is what plain batches need as well
    dividing = seconds(lambda: sampler.pieces(EPOCHS))
    most, exceeded = dict.fromkeys(("atoms", "bonds", "molecules"), 0), 0
    for epoch in range(EPOCHS):
        molecules, starts = sampler.pieces(epoch)
        of_pieces = {}
        for name, one in (
            ("atoms", counts.atoms[molecules]),
            ("bonds", counts.bonds[molecules]),
            ("molecules", np.ones(len(molecules), np.int64)),
        ):
            of_pieces[name] = np.diff(np.concatenate([[0], np.cumsum(one)])[starts])
            most[name] = max(most[name], int(of_pieces[name].max()))
        exceeded += int(
            (
                (of_pieces["atoms"] >= shape.atoms)
                | (of_pieces["bonds"] > shape.bonds)
                | (of_pieces["molecules"] >= shape.molecules)
            ).sum()
        )
    totals = {"atoms": counts.atoms, "bonds": counts.bonds, "molecules": np.ones_like(counts.atoms)}
    train = mix.molecules("train")
    plain = HostMaker(mix.graphs, mix.tasks)
    static = StaticMaker(plain, shape)
    number = min(-(-MOLECULES // size), sampler.steps_per_epoch)
    pieces = [sampler.micro_batch(0, position, 0) for position in range(number)]
    times: dict[str, list[float]] = {"plain": [], "static": []}
    for _ in range(ROUNDS + 1):
        for name, maker in (("plain", plain), ("static", static)):
            times[name].append(seconds(lambda m=maker: [m(one, one) for one in pieces]))
    made = sum(map(len, pieces))
    return {
        "size": size,
        "shape": dataclasses.asdict(shape),
        "padding_percent": {
            name: round(
                100 * (1 - of[train].sum() / sampler.steps_per_epoch / getattr(shape, name)), 3
            )
            for name, of in totals.items()
        },
        "most": most,
        "micro_batches": EPOCHS * sampler.steps_per_epoch,
        "exceeded": exceeded,
        "divide_epoch_s": round(dividing, 4),
        "molecules_per_second": {
            name: round(made / statistics.median(rounds[1:])) for name, rounds in times.items()
        },
    }


def main() -> None:
    torch.set_num_threads(1)
    path, *sizes = sys.argv[1:] or ["expts/toymix/gine.yaml"]
    experiment = load_config(Path(path)).experiment
    prepare_experiment(experiment, cache_root())
    mix = open_mix(experiment, cache_root())
    for size in map(int, sizes or SIZES):
        print(json.dumps({"experiment": experiment.name, **measure(mix, size)}), flush=True)


if __name__ == "__main__":
    main()
