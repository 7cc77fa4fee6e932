"""What batches of one shape are for: a network that is compiled once."""

import pytest
import torch

from graphium.batching.datamodule import MolDataModule
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.losses import task_sums, total_loss


def graphs_compiled(shape, norm, epochs=2):
    """Train with a compiled network; return how often it was compiled, and in how many steps."""
    experiment = toy_experiment(batch={"shape": shape}, model={"trunk": {"norm": norm}})
    mix = toy_mix(experiment=experiment)
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0).train()
    compiled = []

    def backend(graph, inputs):
        compiled.append(graph)
        return graph.forward

    torch._dynamo.reset()
    model = torch.compile(network, dynamic=False, fullgraph=True, backend=backend)
    loader, steps = MolDataModule(mix, experiment).train_dataloader(), 0
    for _ in range(epochs):
        for batch in loader:
            sums = task_sums(mix.specs, model(batch), batch.labels)
            total_loss(mix.specs, sums, batch.label_totals).backward()
            steps += 1
    torch._dynamo.reset()
    return len(compiled), steps


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("norm", ["layer", "batch"])
def test_a_network_is_compiled_once_for_static_batches_and_each_time_for_others(norm):
    assert graphs_compiled("static", norm) == (1, 8)
    assert graphs_compiled("varying", norm, epochs=1) == (4, 4)
