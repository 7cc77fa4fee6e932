"""A network learns: ten random molecules by heart, at each level."""

import numpy as np
import pytest
import torch
from random_molecules import FEATURES, TASKS, random_molecules, to_batch

from graphium.batching.collate import collate
from graphium.config.model import ModelConfig
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.evaluation import to_units


@pytest.mark.parametrize("kind", ["gcn", "gine"])
@pytest.mark.parametrize("task", TASKS, ids=lambda task: task.level)
def test_it_memorises_ten_random_molecules(kind, task):
    torch.set_num_threads(1)
    batch = to_batch(random_molecules(10, seed=3))
    config = ModelConfig.model_validate(
        {"trunk": {"kind": kind, "depth": 3, "width": 64, "dropout": 0.0}}
    )
    network = build_network(config, FEATURES, [task], seed=0)
    num_rows = len(network(batch)[task.name])
    labels = torch.randn(num_rows, 2, generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.Adam(network.parameters(), lr=5e-3)

    for _ in range(300):
        loss = (network(batch)[task.name] - labels).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    assert loss < 0.01 * labels.var()


def test_it_learns_how_many_bonds_lie_between_two_atoms():
    torch.set_num_threads(1)
    experiment = toy_experiment(features={"encodings": {"laplacian": {"k": 8}}})
    tasks = {"toy_pairs": experiment.tasks["toy_pairs"]}
    mix = toy_mix(experiment=experiment.model_copy(update={"tasks": tasks}))
    config = ModelConfig.model_validate(
        {"trunk": {"kind": "gine", "depth": 4, "width": 48, "dropout": 0.0}}
    )
    network = build_network(config, experiment.features, mix.specs, seed=0)
    optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
    train, held_out = (
        collate(mix.graphs, mix.tasks, np.flatnonzero(part), {})
        for part in (mix.part == 0, mix.part > 0)
    )

    def error(batch):
        labels = batch.labels["toy_pairs"]
        return (to_units(mix.specs[0], network(batch)["toy_pairs"]) - labels.values).abs().mean()

    before = error(train).detach()
    for _ in range(150):
        loss = error(train)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

    labels = held_out.labels["toy_pairs"].values
    assert loss < 0.45 * before
    assert error(held_out) < 0.9 * (labels - mix.specs[0].mean[0]).abs().mean()
