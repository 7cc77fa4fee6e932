"""Twenty steps of training give the losses they gave before: a refactor changes no number.

Run this file as a script to write the golden losses anew; say in the commit why they changed.
"""

import json
from pathlib import Path

import pytest
import torch

from graphium.batching.loader import BatchLoader
from graphium.batching.maker import HostMaker
from graphium.batching.sampler import PositionalSampler
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.losses import task_sums, total_loss
from graphium.training.optimizers import build_optimizer, build_schedule

GOLDEN = Path(__file__).parents[1] / "golden" / "losses.json"
STEPS = 20
TASKS = ("toy_size", "toy_active", "toy_class", "toy_rare", "toy_atoms", "toy_bonds")
"""A task that is added to the toy must not change what is compared."""


def losses(kind: str) -> list[float]:
    """The loss of each step on the toy molecules, on one thread."""
    torch.set_num_threads(1)
    experiment = toy_experiment(model={"trunk": {"kind": kind}})
    tasks = {name: experiment.tasks[name] for name in TASKS}
    experiment = experiment.model_copy(update={"tasks": tasks})
    mix = toy_mix(experiment=experiment)
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    optimizer = build_optimizer(network, experiment.optimizer, is_frozen_first=lambda _: False)
    schedule = build_schedule(optimizer, experiment.optimizer, steps_per_epoch=4, max_epochs=5)
    loader = BatchLoader(
        HostMaker(mix.graphs, mix.tasks), PositionalSampler(mix.molecules("train"), 8, 0)
    )
    out: list[float] = []
    while len(out) < STEPS:
        for batch in loader:
            sums = task_sums(mix.specs, network(batch), batch.labels)
            loss = total_loss(mix.specs, sums, batch.label_totals)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            out.append(float(loss.detach()))
    return out[:STEPS]


@pytest.mark.parametrize("kind", ["gine", "gcn"])
def test_twenty_steps_give_the_golden_losses(kind):
    golden = json.loads(GOLDEN.read_text())
    assert losses(kind) == pytest.approx(golden[kind], rel=1e-4)
    assert sum(golden[kind][10:]) < sum(golden[kind][:10])  # it learns


if __name__ == "__main__":
    content = {"torch": torch.__version__, **{kind: losses(kind) for kind in ("gine", "gcn")}}
    GOLDEN.write_text(json.dumps(content, indent=2) + "\n")
