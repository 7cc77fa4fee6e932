"""What a training step costs beside the network: one core, processor time, ratios in one run.

``data``: the share that making a batch has in a step (make, forward, backward, optimiser), where
all encodings are read, and where random walks are computed and Laplacian vectors read.
``outside``: the share of a step of ``graphium-train`` that is not forward, backward or optimiser:
batches, counting, seeds, hooks, Lightning.
``tiny``: a step of ``graphium-train`` with a tiny network and twenty tasks, all that is logged
included, over one of a bare loop with the same network and losses on batches that are there.

Run: python benchmarks/loop.py [expts/toymix/gine.yaml [KEY=VALUE ...]]
(needs $GRAPHIUM_TEST_DATA)
"""

import dataclasses
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytorch_lightning as pl
import torch

from graphium.batching.maker import HostMaker
from graphium.batching.mix import open_mix
from graphium.batching.mix_data import Mix
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.graphs.mol_batch import MolBatch
from graphium.nn.build import build_network
from graphium.nn.network import Network
from graphium.store.prepare import cache_root, prepare_experiment
from graphium.training.losses import task_sums, total_loss
from graphium.training.module import TrainingModule
from graphium.training.optimizers import build_optimizer
from graphium.training.run import train

STEPS = 30
ROUNDS = 5


def bare_step(network: Network, optimizer: torch.optim.Optimizer, batch: MolBatch) -> None:
    """Learn from one batch."""
    specs = network.tasks
    loss = total_loss(specs, task_sums(specs, network(batch), batch.labels), batch.label_totals)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()


def molecules_of(mix: Mix, size: int) -> list[np.ndarray]:
    order = np.random.default_rng(0).permutation(mix.molecules("train"))
    return [order[i * size :][:size] for i in range(STEPS)]


def seconds_per_step(ways: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Return the median seconds of ways that each take ``STEPS`` steps, taken in turns."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(ROUNDS + 1):
        for name, way in ways.items():
            start = time.process_time()
            way()
            times[name].append((time.process_time() - start) / STEPS)
    return {name: statistics.median(rounds[1:]) for name, rounds in times.items()}  # warm


def network_of(experiment: Experiment, mix: Mix) -> tuple[Network, torch.optim.Optimizer]:
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    config = experiment.optimizer
    return network, build_optimizer(network, config, is_frozen_first=lambda _: False, fused=True)


def data_share(experiment: Experiment, mix: Mix) -> dict[str, object]:
    laplacian = {n: v for n, v in mix.graphs.encodings.items() if n.startswith("laplacian")}
    encodings = experiment.features.encodings.model_copy(update={"compute": "step"})
    features = experiment.features.model_copy(update={"encodings": encodings})
    graphs = dataclasses.replace(mix.graphs, encodings=laplacian)
    read = HostMaker(mix.graphs, mix.tasks)
    walked = HostMaker(graphs, mix.tasks, features)
    network, optimizer = network_of(experiment, mix)
    pieces = molecules_of(mix, experiment.batch.size)
    batches = [read(piece, piece) for piece in pieces]
    seconds = seconds_per_step(
        {
            "read": lambda: [read(piece, piece) for piece in pieces],
            "walked": lambda: [walked(piece, piece) for piece in pieces],
            "step": lambda: [bare_step(network, optimizer, batch) for batch in batches],
        }
    )
    return {
        "milliseconds": {name: round(1e3 * each, 2) for name, each in seconds.items()},
        "data_share": {
            name: round(seconds[name] / (seconds[name] + seconds["step"]), 3)
            for name in ("read", "walked")
        },
    }


class PartClock(pl.Callback):
    """Notes the processor time of each step, and of forward, backward and optimiser in it."""

    def __init__(self) -> None:
        self.steps: list[float] = []
        self.inside: list[float] = []
        self._last = time.process_time()
        self._work = 0.0
        self._began = 0.0

    def begin(self, *_: object) -> None:
        """Start to count."""
        self._began = time.thread_time()

    def end(self, *_: object) -> None:
        """Stop to count."""
        self._work += time.thread_time() - self._began

    def setup(self, _: pl.Trainer, module: pl.LightningModule, stage: str) -> None:
        """Count what the module does itself."""
        if stage != "fit":
            return
        assert isinstance(module, TrainingModule)
        module.network.register_forward_pre_hook(self.begin)  # until the losses are there
        add, clip = module.train_meter.add, module.configure_gradient_clipping

        def timed_add(*arguments: Any) -> None:
            self.end()
            add(*arguments)
            self.begin()

        def timed_clip(*arguments: Any, **options: Any) -> None:
            self.begin()
            clip(*arguments, **options)

        module.train_meter.add = timed_add
        module.configure_gradient_clipping = timed_clip

    def on_before_backward(self, *_: object) -> None:
        """Go over from losses to backward."""
        self.end()
        self.begin()

    def on_after_backward(self, *_: object) -> None:
        """Stop to count until gradients are clipped."""
        self.end()

    def on_train_start(self, trainer: pl.Trainer, *_: object) -> None:
        """Stop to count where the optimiser does."""
        trainer.optimizers[0].register_step_post_hook(self.end)

    def on_train_batch_end(self, *_: object) -> None:
        """Note the step."""
        now = time.process_time()
        self.steps.append(now - self._last)
        self.inside.append(self._work)
        self._last, self._work = now, 0.0


def trained(experiment: Experiment, clock: pl.Callback) -> None:
    """Train as ``graphium-train`` does, all that it counts and logs, for an epoch of few steps."""
    lightning = pl.Trainer

    def trainer(*, callbacks: list[pl.Callback], **options: Any) -> pl.Trainer:
        options |= {"max_epochs": 1, "limit_train_batches": STEPS}
        return lightning(callbacks=[*callbacks, clock], **options)

    with tempfile.TemporaryDirectory() as folder, mock.patch.object(pl, "Trainer", trainer):
        train(experiment, Path(folder), store_root=cache_root())


def outside_share(experiment: Experiment) -> dict[str, object]:
    clock = PartClock()
    trained(experiment, clock)
    shares = [1 - i / s for i, s in zip(clock.inside[5:], clock.steps[5:], strict=True)]
    return {
        "step_ms": round(1e3 * statistics.median(clock.steps[5:]), 2),
        "outside_share": round(statistics.median(shares), 3),
    }


class StepClock(pl.Callback):
    """Notes the processor time of each step."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self._last = 0.0

    def on_train_batch_end(self, *_: object) -> None:
        """Note the step."""
        now = time.process_time()
        self.seconds.append(now - self._last)
        self._last = now


def tiny_experiment(experiment: Experiment) -> Experiment:
    """Return twenty tasks of one label each and a network of few channels."""
    options = experiment.model_dump()
    options["name"] = "toymix_tiny"
    options["tasks"] = {f"qm9_{label}": ("qm9", label) for label in experiment.tasks["qm9"].labels}
    options["tasks"]["zinc"] = ("zinc12k", "logp")
    options["tasks"] = {
        name: {"dataset": dataset, "labels": [label], "loss": "mae"}
        for name, (dataset, label) in options["tasks"].items()
    }
    options["model"] = {"trunk": {"kind": "gine", "depth": 2, "width": 16}}
    options["batch"] = {"size": 32}
    return Experiment.model_validate(options)


def tiny_ratio(experiment: Experiment, mix: Mix) -> dict[str, object]:
    network, optimizer = network_of(experiment, mix)
    maker = HostMaker(mix.graphs, mix.tasks)
    batches = [maker(piece, piece) for piece in molecules_of(mix, experiment.batch.size)]
    bare, loop = [], []
    for _ in range(ROUNDS):
        clock = StepClock()
        trained(experiment, clock)
        loop += clock.seconds[5:]
        for batch in batches:
            start = time.process_time()
            bare_step(network, optimizer, batch)
            bare.append(time.process_time() - start)
    seconds = {"bare": statistics.median(bare), "loop": statistics.median(loop)}
    return {
        "experiment": experiment.name,
        "parameters": sum(p.numel() for p in network.parameters()),
        "size": experiment.batch.size,
        "tasks": len(mix.specs),
        "step_ms": {name: round(1e3 * each, 2) for name, each in seconds.items()},
        "loop_over_bare": round(seconds["loop"] / seconds["bare"], 2),
    }


def main() -> None:
    torch.set_num_threads(1)
    name, *changes = sys.argv[1:] or ["expts/toymix/gine.yaml"]
    experiment = load_config(Path(name), changes).experiment
    prepare_experiment(experiment, cache_root())
    mix = open_mix(experiment, cache_root())
    about = {
        "experiment": experiment.name,
        "parameters": sum(p.numel() for p in network_of(experiment, mix)[0].parameters()),
        "size": experiment.batch.size,
    }
    print(json.dumps({**about, **data_share(experiment, mix)}))
    print(json.dumps({**about, **outside_share(experiment)}))
    tiny = tiny_experiment(experiment)
    print(json.dumps(tiny_ratio(tiny, open_mix(tiny, cache_root()))))


if __name__ == "__main__":
    main()
