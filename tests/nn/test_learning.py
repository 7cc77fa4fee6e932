"""A network learns: ten random molecules by heart, at each level."""

import pytest
import torch
from random_molecules import FEATURES, TASKS, random_molecules, to_batch

from graphium.config.model import ModelConfig
from graphium.nn.build import build_network


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
