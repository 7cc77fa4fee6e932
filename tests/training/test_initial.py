"""The network a training starts from, in the number format that is asked for."""

import pytest
import torch

from graphium.batching.loader import BatchLoader
from graphium.batching.maker import HostMaker
from graphium.batching.sampler import PositionalSampler
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.initial import initial_network
from graphium.training.losses import task_sums, total_loss


def gradients(precision: str, pieces: int) -> dict[str, torch.Tensor]:
    """Gradients of one step, computed in so many micro-batches."""
    torch.set_num_threads(1)
    experiment = toy_experiment(
        trainer={"precision": precision}, model={"trunk": {"kind": "gine", "dropout": 0.0}}
    )
    mix = toy_mix(experiment=experiment)
    network = initial_network(experiment, mix.specs)
    sampler = PositionalSampler(mix.molecules("train"), 24, 0, accumulate=pieces)
    loader = iter(BatchLoader(HostMaker(mix.graphs, mix.tasks), sampler))
    for batch in (next(loader) for _ in range(pieces)):
        sums = task_sums(mix.specs, network(batch), batch.labels)
        total_loss(mix.specs, sums, batch.label_totals).backward()
    return {name: p.grad for name, p in network.named_parameters() if p.grad is not None}


@pytest.mark.parametrize(("precision", "dtype"), [("32", torch.float32), ("64", torch.float64)])
def test_a_network_computes_in_the_precision_of_its_experiment(precision, dtype):
    found = gradients(precision, 1)
    assert found
    assert {gradient.dtype for gradient in found.values()} == {dtype}


def test_in_float64_the_division_of_a_step_changes_nothing_but_rounding():
    whole, divided = gradients("64", 1), gradients("64", 3)
    assert whole.keys() == divided.keys()
    largest = max(float(one.abs().max()) for one in whole.values())
    for name, one in whole.items():
        assert torch.allclose(one, divided[name], rtol=0, atol=1e-12 * largest), name


def test_the_same_seed_gives_the_same_weights_in_both_formats():
    experiment = toy_experiment()
    mix = toy_mix(experiment=experiment)
    double = experiment.model_copy(
        update={"trainer": experiment.trainer.model_copy(update={"precision": "64"})}
    )
    short, long = (initial_network(one, mix.specs).state_dict() for one in (experiment, double))
    assert all(torch.equal(short[name].double(), long[name]) for name in short)
