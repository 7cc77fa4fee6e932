"""Batches cut on a device are those that the CPU cuts; here the device is a CPU too."""

import dataclasses

import numpy as np
import pytest
import pytorch_lightning as pl
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from graphium.batching import device_memory
from graphium.batching.datamodule import MolDataModule
from graphium.batching.device import DeviceMaker
from graphium.batching.device_arrays import DeviceGraphs, DeviceLabels, needed_bytes
from graphium.batching.loader import EvalLoader
from graphium.batching.maker import HostMaker
from graphium.batching.mix import open_mix
from graphium.batching.static import StaticMaker
from graphium.batching.step_encodings import to_device
from graphium.checkpoint.format import ModelRecord
from graphium.errors import UsageError
from graphium.graphs.mol_batch import BatchShape
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.module import TrainingModule

CPU = torch.device("cpu")
GPU = torch.device("cuda", 0)


def on_gpu(test):
    """Mark a test that needs a CUDA GPU."""
    skip = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
    return pytest.mark.gpu(skip(test))


def flat(batch):
    """Every tensor of a batch by name."""
    names = ("atom_table", "atom_code", "bond_table", "bond_code", "bond_index", "molecule", "keys")
    out = {name: getattr(batch, name) for name in names}
    out |= batch.encodings | batch.bond_encodings
    for name, task in batch.labels.items():
        parts = {"rows": task.rows, "values": task.values, "weights": task.weights}
        parts |= {} if task.pairs is None else {"pairs": task.pairs}
        out |= {f"{name}.{part}": value for part, value in parts.items()}
    return out


def assert_equal(one, other):
    assert one.label_totals == other.label_totals
    assert one.num_molecules == other.num_molecules
    one, other = flat(one), flat(other)
    assert list(one) == list(other)
    for name, value in one.items():
        assert value.dtype == other[name].dtype, name
        torch.testing.assert_close(
            value, other[name], rtol=0, atol=0, equal_nan=True, msg=lambda m, n=name: f"{n}: {m}"
        )
        assert value.is_contiguous(), name


def makers(compute="ahead"):
    """Both makers of the toy mix, with an encoding of bonds and a task that nobody knows."""
    encodings = {"heat_kernel": {"level": "edge"}, "compute": compute}
    experiment = toy_experiment(features={"encodings": encodings})
    mix = toy_mix(experiment=experiment)
    graph = mix.tasks["toy_class"]
    nowhere = dataclasses.replace(
        graph,
        molecule=graph.molecule[:0],
        offset=graph.offset[:1],
        stored=graph.stored[:0],
        weight=graph.weight[:0],
    )
    tasks = {**mix.tasks, "nowhere": nowhere}
    return [make(mix.graphs, tasks, experiment.features, CPU) for make in (HostMaker, DeviceMaker)]


@pytest.fixture(scope="module", params=["ahead", "step"])
def both(request):
    return makers(request.param)


positions = st.lists(st.integers(0, 35), max_size=12).map(lambda rows: np.array(rows, np.int64))


@settings(max_examples=40, deadline=None)
@given(molecules=positions, others=positions)
def test_a_batch_of_a_device_equals_that_of_the_cpu_in_every_bit(both, molecules, others):
    host, device = both
    whole_step = np.concatenate([molecules, others])

    assert_equal(device(molecules, whole_step), host(molecules, whole_step))


def test_all_molecules_at_once_make_an_equal_batch(both):
    host, device = both
    molecules = np.arange(36)

    assert_equal(device(molecules, molecules), host(molecules, molecules))


def static(maker, mix):
    """The maker with all its batches padded to one shape."""
    rows = dict.fromkeys([*mix.tasks, "nowhere"], 2000)
    return StaticMaker(maker, BatchShape(400, 400, 40, rows))


def test_static_batches_of_a_device_are_those_of_the_cpu():
    mix = toy_mix()
    host, device = (static(maker, mix) for maker in makers("ahead"))
    molecules = np.array([4, 19, 0, 30])

    with NoWaiting():
        batch = device(molecules, molecules)

    assert_equal(batch, host(molecules, molecules))
    assert batch.num_atoms == 400


class NoWaiting(TorchDispatchMode):
    """Refuses what makes the CPU wait for a GPU: numbers read back, sizes that depend on data."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.__name__.partition(".")[0]
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "_unique2"), name
        if name == "repeat_interleave":
            assert (kwargs or {}).get("output_size") is not None
        return func(*args, **(kwargs or {}))


def test_no_batch_waits_for_the_device():
    device = makers()[1]

    with NoWaiting():
        device(np.array([4, 19, 0, 30]), np.arange(8))
        device(np.empty(0, np.int64), np.arange(8))


def test_arrays_that_are_copied_in_many_blocks_are_the_same(monkeypatch):
    whole = makers()[1](np.arange(36), np.arange(36))
    monkeypatch.setattr(device_memory, "BLOCK_ELEMENTS", 7)

    assert_equal(makers()[1](np.arange(36), np.arange(36)), whole)


@pytest.mark.parametrize(
    ("limit", "dtype"),
    [(0, "u1"), (256, "u1"), (257, "i2"), (2**15, "i2"), (2**15 + 1, "i4"), (2**40, "i8")],
)
def test_whole_numbers_are_held_in_the_smallest_type_that_has_room(limit, dtype):
    assert device_memory.smallest_type(limit) == np.dtype(dtype)


def test_the_bytes_announced_are_those_that_are_copied():
    mix = toy_mix()
    arrays = [DeviceGraphs.copied_from(mix.graphs, CPU)]
    arrays += [DeviceLabels.copied_from(task, mix.graphs, CPU) for task in mix.tasks.values()]
    tensors = []
    for one in arrays:
        for field in dataclasses.fields(one):
            value = getattr(one, field.name)
            tensors += value.values() if isinstance(value, dict) else [value]
    copied = sum(t.nbytes for t in tensors if isinstance(t, torch.Tensor))

    announced = needed_bytes(mix.graphs, mix.tasks)

    unlabelled = sum(  # parts of molecules without a label stay behind
        int(np.isnan(task.values).all(1).sum()) * (task.stored.itemsize * task.stored.shape[1] + 2)
        for task in mix.tasks.values()
        if task.spec.level != "graph"
    )
    assert copied <= announced <= copied + unlabelled


def test_a_mix_that_does_not_fit_is_refused_before_it_is_copied():
    with (
        pytest.raises(UsageError) as caught,
        device_memory.room_for(3_200_000_000, 2_000_000_000, torch.device("cuda:1")),
    ):
        pytest.fail("copied")

    assert str(caught.value) == (
        "batch.held_in is cuda, but the mix needs 3.20 GB of the memory of cuda:1 and 2.00 GB are "
        "free; use batch.held_in: mmap"
    )


def test_memory_that_runs_out_while_copying_is_said_to():
    with (
        pytest.raises(UsageError, match=r"use batch\.held_in: mmap") as caught,
        device_memory.room_for(1, None, CPU),
    ):
        raise torch.OutOfMemoryError("CUDA out of memory")

    assert isinstance(caught.value.__cause__, torch.OutOfMemoryError)


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_a_mix_for_a_gpu_that_is_not_there_is_refused_before_anything_is_opened(tmp_path):
    with pytest.raises(UsageError, match=r"torch sees no CUDA GPU; use batch\.held_in: ram"):
        open_mix(toy_experiment(), tmp_path, to="cuda")


def losses(held_in, accelerator="cpu", prefetch=2, compute="ahead"):
    """Losses and weights after two epochs of Lightning's loop."""
    experiment = toy_experiment(
        batch={"held_in": held_in, "size": 8, "prefetch": prefetch},
        features={"encodings": {"compute": compute}},
        trainer={"accelerator": "auto", "max_epochs": 2},
    )
    mix = toy_mix(experiment=experiment)
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"), tasks=mix.specs, graphium_version=""
    )
    data = MolDataModule(mix, experiment)
    module = TrainingModule(network, record, experiment, data.steps_per_epoch(1))
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator=accelerator,
        devices=1,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    trainer.fit(module, data)
    return module.evaluation.losses, [p.detach().clone() for p in network.parameters()]


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("compute", ["ahead", "step"])
@pytest.mark.parametrize(("held_in", "prefetch"), [("ram", 3), ("cuda", 0), ("cuda", 2)])
def test_where_and_when_batches_are_made_changes_no_bit_of_a_training(held_in, prefetch, compute):
    expected, expected_weights = losses("ram", prefetch=0, compute=compute)
    found, weights = losses(held_in, prefetch=prefetch, compute=compute)

    assert found == expected
    assert all(torch.equal(a, b) for a, b in zip(weights, expected_weights, strict=True))


@on_gpu
def test_a_batch_of_a_gpu_equals_that_of_the_cpu_in_every_bit_and_nothing_waits_for_it():
    mix = toy_mix()
    host = HostMaker(mix.graphs, mix.tasks)
    device = DeviceMaker(mix.graphs, mix.tasks, None, GPU)
    molecules = np.array([4, 19, 0, 30])
    torch.cuda.synchronize()

    torch.cuda.set_sync_debug_mode("error")
    try:
        batch = device(molecules, molecules)
    finally:
        torch.cuda.set_sync_debug_mode("default")

    assert batch.bond_index.device == GPU
    assert_equal(batch.to("cpu"), host(molecules, molecules))


@on_gpu
def test_batches_for_a_gpu_are_made_ahead_in_pinned_memory_and_arrive_whole():
    mix = toy_mix()
    plain, pinned = HostMaker(mix.graphs, mix.tasks), HostMaker(mix.graphs, mix.tasks, None, GPU)
    loaders = [EvalLoader(maker, np.arange(36), 5, prefetch=2) for maker in (plain, pinned)]

    for expected, batch in zip(*loaders, strict=True):
        assert batch.bond_index.is_pinned()
        moved = to_device(batch, toy_experiment().features, GPU)
        assert_equal(moved.to("cpu"), expected)


@on_gpu
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("held_in", ["ram", "cuda"])
def test_training_on_a_gpu_has_nearly_the_losses_of_a_cpu(held_in):
    expected, _ = losses("ram")
    found, _ = losses(held_in, accelerator="gpu")

    assert found == pytest.approx(expected, rel=1e-3)
