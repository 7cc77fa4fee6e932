"""N ranks and micro-batches give the gradient of one process, whatever is labelled where."""

import dataclasses
import itertools
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.distributed as dist
from safetensors.torch import load_file, save_file
from torch.nn.parallel import DistributedDataParallel

from graphium.batching.balanced import BalancedSampler
from graphium.batching.loader import BatchLoader, EvalLoader, evaluation_batches
from graphium.batching.maker import HostMaker
from graphium.batching.sampler import PositionalSampler
from graphium.batching.static import StaticMaker, count_molecules, static_shape
from graphium.batching.task_data import TaskData
from graphium.config.optimizers import AdamWConfig
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.evaluation import PassMeter
from graphium.training.losses import task_sums, total_loss
from graphium.training.optimizers import build_optimizer, build_schedule
from graphium.training.ranks import leave_ranks
from graphium.training.sharding import put_together, shard

SHAPES = ("varying", "static")
PARALLEL = ("ddp", "fsdp")
STEP_SIZE = 13  # does not divide evenly over ranks, nor the toy's molecules


def awkward_tasks(mix):
    """The toy's tasks and three more: of brackets, labelled on one molecule only, and nowhere."""
    graph = next(task for task in mix.tasks.values() if task.spec.level == "graph")
    first = PositionalSampler(mix.molecules("train"), STEP_SIZE, seed=0).whole_step(0, 0)[0]
    num_labels = len(graph.spec.labels)
    width = {"loss": "mse", "num_classes": None, "class_names": None, "mean": None, "std": None}

    def task(name, molecules):
        return TaskData(
            spec=graph.spec.model_copy(update={"name": name, **width}),
            molecule=np.asarray(molecules, np.int64),
            offset=np.arange(len(molecules) + 1),
            stored=np.full((len(molecules), num_labels), 3.0, np.float32),
            weight=np.full(len(molecules), 2.0, np.float32),
            source_row=np.asarray(molecules, np.int64),
        )

    brackets = mix.tasks["toy_class"]
    spec = brackets.spec.model_copy(update={"name": "brackets", "loss": "hybrid_ce"})
    brackets = dataclasses.replace(brackets, spec=spec)
    return {
        **mix.tasks,
        "brackets": brackets,
        "lonely": task("lonely", [first]),
        "nowhere": task("nowhere", []),
    }


def in_double(batch):
    """The same batch in float64."""
    return dataclasses.replace(
        batch,
        atom_table=batch.atom_table.double(),
        bond_table=batch.bond_table.double(),
        encodings={name: value.double() for name, value in batch.encodings.items()},
    )


def make_loader(mix, tasks, rank, world_size, accumulate, shape):
    """Batches as long as their molecules, or all of one shape."""
    sampler = PositionalSampler(mix.molecules("train"), STEP_SIZE, 0, world_size, accumulate)
    maker = HostMaker(mix.graphs, tasks)
    if shape == "varying":
        return BatchLoader(maker, sampler, rank=rank)
    counts = count_molecules(mix.graphs, tasks)
    balanced = BalancedSampler(sampler, counts.atoms, world_size, accumulate)
    maker = StaticMaker(maker, static_shape(balanced, counts))
    return BatchLoader(maker, balanced, rank=rank)


def joined(network, world_size, parallel):
    """What computes with other ranks; each keeps the whole network, or its share."""
    if world_size == 1:
        return network
    if parallel == "ddp":
        return DistributedDataParallel(network)
    number = sum(value.numel() for value in network.parameters())
    shard(network, torch.device("cpu"))
    kept = sum(value.to_local().numel() for value in network.parameters())
    assert kept <= (1 / world_size + 0.1) * number
    return network


def gradients(rank, world_size, accumulate, dtype, step, shape="varying", parallel="ddp"):
    """The gradient of one whole step, as one rank sees it after the exchange."""
    torch.set_num_threads(1)
    mix, experiment = toy_mix(), toy_experiment()
    tasks = awkward_tasks(mix)
    specs = [task.spec for task in tasks.values()]
    network = build_network(experiment.model, experiment.features, specs, seed=1).to(dtype).eval()
    model = joined(network, world_size, parallel)
    loader = make_loader(mix, tasks, rank, world_size, accumulate, shape)
    loader.load_state_dict({"epoch": 0, "position": step * accumulate})
    batches = iter(loader)
    for _ in range(accumulate):  # every micro-batch exchanges; the sum is the same
        batch = next(batches)
        outputs = model(in_double(batch) if dtype == torch.float64 else batch)
        sums = task_sums(specs, outputs, batch.labels)
        loss = total_loss(specs, sums, batch.label_totals, scale=world_size * accumulate)
        (loss / accumulate).backward()
    assert all(p.grad is not None for p in network.parameters())
    return {name: put_together(p.grad) for name, p in network.named_parameters()}


def run_rank(rank, world_size, accumulate, dtype, step, out):
    dist.init_process_group(
        "gloo", init_method=f"file://{out}/meeting", rank=rank, world_size=world_size
    )
    for shape, parallel in itertools.product(SHAPES, PARALLEL):
        found = gradients(rank, world_size, accumulate, dtype, step, shape, parallel)
        save_file(found, f"{out}/{shape}-{parallel}-{rank}.safetensors")
    (Path(out) / f"{rank}.json").write_text(json.dumps(evaluate(rank, world_size)))
    leave_ranks()
    assert not dist.is_initialized()


def evaluate(rank, world_size):
    """Metrics and rows of val as one rank sees them; most tasks have labels on few ranks."""
    mix, experiment = toy_mix(), toy_experiment()
    tasks = awkward_tasks(mix)
    specs = [task.spec for task in tasks.values()]
    network = build_network(experiment.model, experiment.features, specs, seed=1).eval()
    meter = PassMeter(specs, limit=10**8, keep_rows=True)
    molecules = np.arange(len(mix.part))
    maker = HostMaker(mix.graphs, tasks)
    with torch.no_grad():
        batches = evaluation_batches(molecules, 7, rank=rank, world_size=world_size)
        for batch in EvalLoader(maker, batches):
            meter.add(batch, network(batch))
    rows = {name: rows.molecule.tolist() for name, rows in meter.rows().items()}
    found = {name: metrics.task for name, metrics in meter.metrics().items()}
    return {"metrics": found, "rows": rows}


def relative_error(ours, reference):
    a = torch.cat([ours[name].flatten() for name in reference]).double()
    b = torch.cat([value.flatten() for value in reference.values()]).double()
    return float((a - b).norm() / b.norm())


@pytest.mark.dist
@pytest.mark.parametrize(
    ("world_size", "dtype", "accumulate", "step", "bound"),
    [
        (2, torch.float64, 1, 0, 1e-12),
        (2, torch.float64, 3, 1, 1e-12),
        (2, torch.float32, 1, 0, 1e-5),
        pytest.param(4, torch.float64, 1, 1, 1e-12, marks=pytest.mark.slow),
        pytest.param(4, torch.float64, 3, 0, 1e-12, marks=pytest.mark.slow),
        pytest.param(4, torch.float32, 3, 1, 1e-5, marks=pytest.mark.slow),
    ],
)
def test_several_ranks_give_the_gradient_of_one_process(
    tmp_path: Path, world_size, dtype, accumulate, step, bound
):
    torch.multiprocessing.spawn(
        run_rank, (world_size, accumulate, dtype, step, str(tmp_path)), nprocs=world_size
    )
    for shape, parallel in itertools.product(SHAPES, PARALLEL):
        reference = gradients(0, 1, 1, dtype, step, shape)
        files = [f"{shape}-{parallel}-{rank}.safetensors" for rank in range(world_size)]
        ranks = [load_file(tmp_path / file) for file in files]
        for other in ranks[1:]:
            assert all(torch.equal(ranks[0][name], other[name]) for name in reference)
        assert relative_error(ranks[0], reference) <= bound
    first, *others = (
        json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(world_size)
    )
    alone = evaluate(0, 1)
    assert first["rows"] == alone["rows"]
    for other in others:
        assert other["metrics"] == first["metrics"]
        assert other["rows"] == {}
    assert alone["metrics"].keys() == first["metrics"].keys()
    for name, values in alone["metrics"].items():  # other batches: the network rounds otherwise
        assert first["metrics"][name] == pytest.approx(values, abs=1e-4), name


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("accumulate", [2, 5, 40])
def test_micro_batches_give_the_gradient_of_the_whole_step(accumulate, shape):
    reference = gradients(0, 1, 1, torch.float64, 0, shape)
    pieces = gradients(0, 1, accumulate, torch.float64, 0, shape)
    assert relative_error(pieces, reference) <= 1e-12


def trained(rank, world_size, steps=100, parallel="ddp"):
    """The weights after some steps of AdamW in float64, with clipping and a schedule."""
    torch.set_num_threads(1)
    mix, experiment = toy_mix(), toy_experiment()
    tasks = awkward_tasks(mix)
    specs = [task.spec for task in tasks.values()]
    network = build_network(experiment.model, experiment.features, specs, seed=1).double().eval()
    model = joined(network, world_size, parallel)
    config = AdamWConfig(lr=3e-3, warmup_epochs=1, clip_norm=1.0)
    optimizer = build_optimizer(network, config, is_frozen_first=lambda _: False)
    loader = make_loader(mix, tasks, rank, world_size, 1, "varying")
    schedule = build_schedule(optimizer, config, steps_per_epoch=len(loader), max_epochs=40)
    done = 0
    while done < steps:
        for batch in loader:
            sums = task_sums(specs, model(in_double(batch)), batch.labels)
            loss = total_loss(specs, sums, batch.label_totals, scale=world_size)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(network.parameters(), config.clip_norm)
            optimizer.step()
            schedule.step()
            done += 1
            if done == steps:
                break
    return {name: put_together(p.detach()) for name, p in network.named_parameters()}


def train_rank(rank, world_size, out):
    dist.init_process_group(
        "gloo", init_method=f"file://{out}/meeting", rank=rank, world_size=world_size
    )
    for parallel in PARALLEL:
        weights = trained(rank, world_size, parallel=parallel)
        save_file(weights, f"{out}/{parallel}-{rank}.safetensors")
    leave_ranks()


@pytest.mark.dist
@pytest.mark.slow
def test_a_hundred_steps_of_two_ranks_lead_where_those_of_one_process_do(tmp_path: Path):
    torch.multiprocessing.spawn(train_rank, (2, str(tmp_path)), nprocs=2)
    alone = trained(0, 1)
    start = trained(0, 1, steps=1)
    assert relative_error(start, alone) > 0.01
    for parallel in PARALLEL:
        ranks = [load_file(tmp_path / f"{parallel}-{rank}.safetensors") for rank in range(2)]
        assert all(torch.equal(ranks[0][name], ranks[1][name]) for name in alone)
        assert relative_error(ranks[0], alone) <= 1e-12
