"""What a run says of its speed, its waiting and the pull of its tasks."""

import math

import numpy as np
import pytest
import torch

from graphium.batching.loader import BatchLoader
from graphium.batching.maker import HostMaker
from graphium.batching.mix import open_mix
from graphium.batching.sampler import PositionalSampler
from graphium.checkpoint.format import ModelRecord
from graphium.config.experiment import Experiment
from graphium.nn.build import build_network
from graphium.store.prepare import prepare_experiment
from graphium.training.clock import Clock, peak_memory
from graphium.training.losses import task_sums, total_loss
from graphium.training.module import TrainingModule
from graphium.training.task_gradients import gradient_norms

ROWS = "smiles,a,b,c\n" + "".join(
    f"{'C' * n}O,{n},{n % 2},\n{'C' * n}N,{n + 0.5},,\n" for n in range(1, 9)
)


class Watch:
    """A clock that is set by hand."""

    def __init__(self):
        self.time = 100.0

    def __call__(self):
        return self.time


def test_waiting_is_the_time_between_steps():
    watch = Watch()
    clock = Clock(watch)
    clock.start()
    for waiting, working in ((1.0, 2.0), (0.5, 2.5), (0.0, 2.0)):
        watch.time += waiting
        clock.step_begins()
        watch.time += working
        clock.step_ends(molecules=40)
    assert clock.speed == pytest.approx(120 / 8)
    clock.stop()
    watch.time += 50  # a validation
    work = clock.end_epoch()
    assert (work.seconds, work.waited, work.molecules) == (8.0, 1.5, 120)
    assert work.molecules_per_second == pytest.approx(15)
    assert work.waiting == pytest.approx(1.5 / 8)
    assert clock.end_epoch().molecules == 0
    resumed = Clock(watch)
    resumed.load_state_dict(clock.state_dict())
    assert resumed.total == clock.total == work


def test_the_peak_of_memory_is_that_of_this_process():
    before = peak_memory()["peak_memory_mb"]
    block = np.ones(40_000_000 // 8)
    block += 1
    assert peak_memory()["peak_memory_mb"] >= max(before, 40)


@pytest.fixture(scope="module")
def opened(tmp_path_factory):
    folder = tmp_path_factory.mktemp("seeing")
    (folder / "table.csv").write_text(ROWS.replace("CCCO,3,1,", "CCCO,3,1,7"))
    experiment = Experiment.model_validate(
        {
            "name": "seeing",
            "datasets": {"d": {"table": str(folder / "table.csv")}},
            "tasks": {
                "a": {"dataset": "d", "labels": ["a"], "loss": "mse", "weight": 2.0},
                "b": {"dataset": "d", "labels": ["b"], "loss": "bce"},
            },
            "model": {"trunk": {"kind": "gine", "depth": 1, "width": 8, "dropout": 0.5}},
        }
    )
    prepare_experiment(experiment, folder / "stores", workers=1)
    mix = open_mix(experiment, folder / "stores")
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"), tasks=mix.specs, graphium_version="0"
    )
    module = TrainingModule(network, record, experiment, 1)
    sampler = PositionalSampler(mix.molecules("train"), 100, 0)
    (batch,) = BatchLoader(HostMaker(mix.graphs, mix.tasks), sampler)
    return mix, module, batch


def test_gradients_of_the_tasks_add_up_to_that_of_the_step(opened):
    mix, module, batch = opened
    network = module.network.train()
    norms = gradient_norms(module, batch)
    assert network.training
    assert all(p.grad is None for p in network.parameters())

    network.eval()
    shared = [p for n, p in network.named_parameters() if not n.startswith("heads.")]
    whole = {}
    for name in ("a", "b", ""):
        sums = task_sums(mix.specs, network(batch), batch.labels)
        totals = batch.label_totals
        if name:
            sums = {k: s if k == name else s.detach() * 0 for k, s in sums.items()}
        loss = total_loss(mix.specs, sums, totals)
        gradients = torch.autograd.grad(loss, shared, allow_unused=True)
        whole[name] = torch.cat([g.flatten() for g in gradients if g is not None])
    assert torch.allclose(whole["a"] + whole["b"], whole[""], atol=1e-6)
    for name in ("a", "b"):
        assert norms[name] == pytest.approx(float(whole[name].norm()), rel=1e-5)
        assert norms[name] > 0


def test_measuring_draws_no_random_number(opened):
    _, module, batch = opened
    torch.manual_seed(5)
    before = torch.random.get_rng_state()
    gradient_norms(module, batch)
    assert torch.equal(torch.random.get_rng_state(), before)


def test_labels_are_counted_for_each_molecule(opened):
    mix, _, _ = opened
    known = sum(int(np.isfinite(task.values_of(mix.part, 0)).sum()) for task in mix.tasks.values())
    mean = mix.report.labels_per_molecule("train")
    assert mean == pytest.approx(known / len(mix.molecules("train")))
    assert not math.isnan(mean)
