"""Two ranks that exchange gradients, over two processes that know nothing of each other.

Each process trains with one thread on batches of the same size, made beforehand. ``together``: two
gloo ranks, whose gradients are averaged in every step. ``apart``: two processes at once, each with
its own network. Molecules a second of both processes, by the clock from a common start, as the
median of rounds in turns; it needs two cores with nothing else on them.

Run: python benchmarks/ranks.py [expts/toymix/gine.yaml [KEY=VALUE ...]]
(needs $GRAPHIUM_TEST_DATA)
"""

import json
import statistics
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch.nn.parallel import DistributedDataParallel

from graphium.batching.maker import HostMaker
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.nn.build import build_network
from graphium.store.prepare import cache_root, prepare_experiment
from graphium.training.losses import task_sums, total_loss
from graphium.training.optimizers import build_optimizer
from graphium.training.ranks import leave_ranks

RANKS = 2
STEPS = 4
ROUNDS = 5
DEFAULTS = ("model.trunk.width=352", "model.trunk.depth=8", "batch.size=128")
"""Some four million parameters, if nothing else is said."""


def rank_main(rank: int, experiment: Experiment, folder: str) -> None:
    """Time the steps of one process; write the seconds of each round, together and apart."""
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/x", rank=rank, world_size=RANKS)
    mix = open_mix(experiment, cache_root())
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    optimizer = build_optimizer(network, experiment.optimizer, is_frozen_first=lambda _: False)
    joined = DistributedDataParallel(network)
    order = np.random.default_rng(rank).permutation(mix.molecules("train"))
    size, maker = experiment.batch.size, HostMaker(mix.graphs, mix.tasks)
    pieces = [order[i * size :][:size] for i in range(STEPS)]
    batches = [maker(piece, piece) for piece in pieces]

    def steps(model: torch.nn.Module) -> float:
        dist.barrier()
        start = time.perf_counter()
        for batch in batches:
            sums = task_sums(mix.specs, model(batch), batch.labels)
            loss = total_loss(mix.specs, sums, batch.label_totals)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        return time.perf_counter() - start

    seconds = {"together": [], "apart": []}
    for _ in range(ROUNDS + 1):
        seconds["together"].append(steps(joined))
        seconds["apart"].append(steps(network))
    seconds["parameters"] = sum(p.numel() for p in network.parameters())
    Path(folder, f"{rank}.json").write_text(json.dumps(seconds))
    leave_ranks()


def main() -> None:
    name, *words = sys.argv[1:] or ["expts/toymix/gine.yaml"]
    experiment = load_config(Path(name), [*DEFAULTS, *words]).experiment
    prepare_experiment(experiment, cache_root())
    with tempfile.TemporaryDirectory() as folder:
        torch.multiprocessing.spawn(rank_main, (experiment, folder), nprocs=RANKS)
        found = [json.loads(Path(folder, f"{rank}.json").read_text()) for rank in range(RANKS)]
    molecules = STEPS * experiment.batch.size
    speed = {
        way: [
            sum(molecules / each[way][i] for each in found)
            for i in range(1, ROUNDS + 1)  # warm
        ]
        for way in ("together", "apart")
    }
    ratios = [a / b for a, b in zip(speed["together"], speed["apart"], strict=True)]
    line = {
        "experiment": experiment.name,
        "parameters": found[0]["parameters"],
        "size": experiment.batch.size,
        "molecules_per_second": {way: round(statistics.median(v)) for way, v in speed.items()},
        "together_over_apart": round(statistics.median(ratios), 3),
        "rounds": [round(ratio, 3) for ratio in ratios],
    }
    print(json.dumps(line))


if __name__ == "__main__":
    main()
