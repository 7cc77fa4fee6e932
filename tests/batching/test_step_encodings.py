"""Encodings of each batch on its way to the device are those that would have been kept."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from graphium.batching.collate import collate
from graphium.batching.maker import HostMaker
from graphium.batching.step_encodings import batch_encodings, to_device
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.losses import task_sums, total_loss

CPU = torch.device("cpu")
EVERY = {
    "random_walk": {"steps": 4},
    "laplacian": {"k": 3},
    "heat_kernel": {"level": "edge"},
    "transition": {"steps": 2},
    "shortest_path": {},
    "commute": {"level": "edge"},
    "electrostatic": {},
}


def experiment_of(compute):
    return toy_experiment(features={"encodings": {**EVERY, "compute": compute}})


def test_a_mix_keeps_no_encodings_that_each_step_computes():
    graphs = toy_mix(experiment=experiment_of("step")).graphs

    assert graphs.encodings == graphs.bond_encodings == {}


@pytest.mark.parametrize("molecules", [[4, 19, 0, 30], [0, 1], []])
def test_a_batch_is_told_the_same_numbers_ahead_and_in_its_step(molecules):
    ahead, step = (toy_mix(experiment=experiment_of(compute)) for compute in ("ahead", "step"))
    rows = np.array(molecules, np.int64)
    expected = collate(ahead.graphs, ahead.tasks, rows, {})

    got = to_device(collate(step.graphs, step.tasks, rows, {}), experiment_of("step").features, CPU)

    assert got.encodings.keys() == expected.encodings.keys()
    assert set(got.bond_encodings) == {"heat_kernel", "commute"} == set(expected.bond_encodings)
    for name, values in expected.encodings.items():
        torch.testing.assert_close(got.encodings[name], values, rtol=1e-6, atol=1e-6)
    for name, values in expected.bond_encodings.items():
        torch.testing.assert_close(got.bond_encodings[name], values, rtol=1e-6, atol=1e-6)


def test_what_a_batch_already_has_is_kept():
    mix = toy_mix(experiment=experiment_of("step"))
    length = np.ones((len(mix.graphs.bond_code), 1), np.float32)
    graphs = replace(mix.graphs, bond_encodings={"length": length})

    batch = collate(graphs, {}, np.array([4, 5]), {})
    batch = to_device(batch, experiment_of("step").features, CPU)

    assert set(batch.bond_encodings) == {"length", "heat_kernel", "commute"}


def test_only_encodings_that_a_batch_lacks_are_computed():
    features = experiment_of("step").features
    mix = toy_mix(experiment=experiment_of("step"))
    batch = collate(mix.graphs, {}, np.array([4, 5]), {})
    full = to_device(batch, features, CPU)
    given = {name: full.encodings[name] + 7 for name in ("laplacian_vectors", "laplacian_values")}

    mixed = to_device(replace(batch, encodings=given), features, CPU)

    assert mixed.encodings.keys() == full.encodings.keys()
    for name, values in full.encodings.items():
        assert torch.equal(mixed.encodings[name], given.get(name, values)), name
    assert to_device(full, features, CPU) is full


@pytest.mark.parametrize("compute", ["ahead", "step"])
def test_batches_for_a_cpu_leave_their_maker_with_all_encodings(compute):
    experiment = experiment_of(compute)
    mix = toy_mix(experiment=experiment)
    rows = np.array([4, 19, 0, 30])
    expected = to_device(collate(mix.graphs, mix.tasks, rows, {}), experiment.features, CPU)

    batch = HostMaker(mix.graphs, mix.tasks, experiment.features)(rows, rows)

    assert batch.encodings.keys() == expected.encodings.keys()
    for name, values in expected.encodings.items():
        assert torch.equal(batch.encodings[name], values), name
    assert to_device(batch, experiment.features, CPU) is batch


def losses(compute, make_batch):
    experiment = experiment_of(compute)
    mix = toy_mix(experiment=experiment)
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    optimizer = torch.optim.SGD(network.parameters(), 0.05)
    totals = {spec.name: 8.0 for spec in mix.specs}
    out = []
    for step in range(6):
        rows = np.arange(8) + 4 * step
        batch = make_batch(experiment, collate(mix.graphs, mix.tasks, rows, totals))
        loss = total_loss(mix.specs, task_sums(mix.specs, network(batch), batch.labels), totals)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        out.append(loss.item())
    return out


def by_the_loop(experiment, batch):
    return to_device(batch, experiment.features, CPU)


def test_training_ahead_and_in_steps_has_the_same_losses():
    ahead, step = losses("ahead", by_the_loop), losses("step", by_the_loop)

    assert ahead[-1] != ahead[0]
    np.testing.assert_allclose(step, ahead, rtol=1e-5)


def test_training_with_encodings_by_torch_has_nearly_the_same_losses():
    """What a GPU would compute; eigenvectors of equal eigenvalues have another basis there."""

    def by_torch(experiment, batch):
        encoded = batch_encodings(batch, experiment.features, torch.empty(0))
        ours = by_the_loop(experiment, batch).encodings
        kept = {"laplacian_vectors": ours["laplacian_vectors"]}
        return replace(batch, encodings={**encoded.atoms, **kept}, bond_encodings=encoded.bonds)

    np.testing.assert_allclose(losses("step", by_torch), losses("ahead", by_the_loop), rtol=1e-4)
