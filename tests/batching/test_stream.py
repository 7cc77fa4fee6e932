"""Batches streamed from stores are those of a mix that is held, and each row is visited once."""

import dataclasses
import shutil
import threading
from itertools import islice

import numpy as np
import pandas as pd
import pytest
import torch
from in_process import EncodesInProcess

from graphium.batching.loader import BatchLoader
from graphium.batching.maker import HostMaker
from graphium.batching.mix import open_mix
from graphium.batching.opened import data_module
from graphium.batching.stream_labels import Moments
from graphium.batching.stream_maker import evaluation_maker, streamed_batches, training_maker
from graphium.batching.stream_open import open_stream
from graphium.batching.stream_segments import SegmentReader
from graphium.config.experiment import Experiment
from graphium.errors import DataError, StoreError
from graphium.labels.normalize import label_statistics
from graphium.nn.build import build_network
from graphium.store.add_encoding import add_encoding
from graphium.store.encodings import plan_encoding
from graphium.store.prepare import prepare_dataset, prepare_experiment, store_path
from graphium.store.read import open_store
from graphium.training.losses import task_sums, total_loss

ROWS = 60
TASKS = {
    "y": {"dataset": "main", "labels": ["y", "far"], "loss": "mse"},
    "active": {"dataset": "main", "labels": ["active"], "loss": "bce"},
    "kind": {"dataset": "main", "labels": ["kind"], "loss": "ce", "num_classes": 3},
    "charge": {"dataset": "main", "level": "node", "labels": ["charge"], "loss": "mae"},
    "z": {"dataset": "other", "labels": ["z"], "loss": "mae"},
}


def smiles_of(number):
    return "C" * (number % 9 + 1) + "N" + "C" * (number // 9 + 1) + "O"


def write_tables(folder):
    """60 distinct molecules in one table; 20 in another, of which four are in the first, too."""
    numbers = range(ROWS)
    atoms = [number % 9 + number // 9 + 4 for number in numbers]
    main = pd.DataFrame(
        {
            "smiles": [smiles_of(n) for n in numbers],
            "y": [None if n % 3 == 0 else n / 7 for n in numbers],
            "far": [1e6 + n for n in numbers],
            "active": [None if n % 5 == 0 else n % 2 for n in numbers],
            "kind": [None if n % 7 == 0 else n % 3 for n in numbers],
            "charge": [
                None if n % 4 == 0 else str([(n + i) / 9 for i in range(size)])
                for n, size in enumerate(atoms)
            ],
            "weight": [1 + n % 4 for n in numbers],
            "part": ["test" if n % 6 == 5 else "val" if n % 6 == 4 else "train" for n in numbers],
        }
    )
    main.loc[[10, 17], ["y", "far", "active", "kind", "charge"]] = None  # without any label
    main.loc[20, "smiles"] = "no molecule"
    main.to_csv(folder / "main.csv", index=False)
    other = [100 + n for n in range(16)] + [1, 4, 5, 6]  # in train, val, test and train there
    table = {"smiles": [smiles_of(n) for n in other], "z": np.arange(20) / 3, "part": "train"}
    pd.DataFrame(table).to_csv(folder / "other.csv", index=False)


def experiment(folder, names=("main",), batch=None, tasks=TASKS, **main):
    split = {"kind": "column", "column": "part"}
    datasets = {
        "main": {"table": str(folder / "main.csv"), "split": split, "weights": "weight", **main},
        "other": {"table": str(folder / "other.csv"), "split": split},
    }
    return Experiment.model_validate(
        {
            "name": "t",
            "datasets": {name: datasets[name] for name in names},
            "features": {"encodings": {"random_walk": {"steps": 3}, "laplacian": {"k": 2}}},
            "tasks": {k: task for k, task in tasks.items() if task["dataset"] in names},
            "batch": {"held_in": "stream", "size": 8, "eval_size": 4, **(batch or {})},
            "trainer": {"accelerator": "cpu"},
        }
    )


BOTH = ("main", "other")


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("stream")
    write_tables(folder)
    both = experiment(folder, BOTH)
    for name, config in both.datasets.items():
        prepare_dataset(name, config, folder, workers=1, segment_rows=9)
    for one in (both, experiment(folder)):
        prepare_experiment(one, folder, workers=1)
    return folder


def rows_of(mix, molecules):
    """The (dataset, row) pairs of molecules of a mix that is held."""
    return list(zip(mix.dataset[molecules], mix.source_row[molecules], strict=True))


def assert_same_batch(batch, other):
    for field in dataclasses.fields(batch):
        ours, theirs = getattr(batch, field.name), getattr(other, field.name)
        if field.name in ("keys", "labels"):
            continue
        if isinstance(ours, torch.Tensor):
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)
        elif field.name in ("encodings", "bond_encodings"):
            assert list(ours) == list(theirs)
            for name, values in ours.items():
                torch.testing.assert_close(values, theirs[name], rtol=1e-5, atol=1e-6)
        else:
            assert ours == theirs, field.name
    assert list(batch.labels) == list(other.labels)
    for name, labels in batch.labels.items():
        for field in ("rows", "values", "weights"):
            ours, theirs = getattr(labels, field), getattr(other.labels[name], field)
            torch.testing.assert_close(ours, theirs, rtol=0, atol=0, equal_nan=True)


def positions(mix, streamed, rows):
    """Where the rows of a streamed mix of one table are in one that is held."""
    source = streamed.source_rows_of("y", np.sort(rows))
    order = np.argsort(np.argsort(rows))
    return np.searchsorted(mix.source_row, source)[order]


@pytest.mark.parametrize("batch", [{}, {"accumulate": 2, "prefetch": 0, "lanes": 3}])
def test_batches_equal_those_of_the_same_rows_in_memory(prepared, batch):
    one = experiment(prepared, batch=batch)
    streamed, mix = open_stream(one, prepared), open_mix(one, prepared)
    in_memory = HostMaker(mix.graphs, mix.tasks, one.features)
    loader = data_module(streamed, one).train_dataloader()
    sampler = data_module(streamed, one)._sampler(1)

    for position, found in enumerate(loader):
        whole_step = sampler.whole_step(0, position)
        at, whole = (positions(mix, streamed, rows) for rows in (found.keys.numpy(), whole_step))
        assert_same_batch(found, in_memory(at, whole))


def test_specs_parts_and_counts_are_those_of_the_mix_that_is_held(prepared):
    one = experiment(prepared, tasks={**TASKS, "y": {**TASKS["y"], "label_fraction": 0.5}})
    streamed, mix = open_stream(one, prepared), open_mix(one, prepared)

    assert [spec.model_copy(update={"mean": None, "std": None}) for spec in streamed.specs] == [
        spec.model_copy(update={"mean": None, "std": None}) for spec in mix.specs
    ]
    for ours, theirs in zip(streamed.specs[:1], mix.specs[:1], strict=True):
        assert ours.mean == pytest.approx(theirs.mean, rel=1e-12)
        assert ours.std == pytest.approx(theirs.std, rel=1e-9)
    assert streamed.report.molecules == mix.report.molecules
    assert streamed.report.datasets == mix.report.datasets
    assert streamed.report.tasks == mix.report.tasks
    assert streamed.report.tasks["y"].thinned > 0
    assert streamed.report.warnings == mix.report.warnings
    assert streamed.report.unmerged == 0
    for part in ("train", "val", "test"):
        at = positions(mix, streamed, streamed.molecules(part))
        np.testing.assert_array_equal(at, mix.molecules(part))
        assert streamed.label_totals(streamed.molecules(part)) == mix.label_totals(at)
        assert streamed.smiles_of(streamed.molecules(part)) == mix.smiles_of(at)


def test_a_molecule_of_two_tables_stands_in_one_part_and_is_visited_by_each_row(prepared):
    streamed = open_stream(experiment(prepared, BOTH), prepared)
    mix = open_mix(experiment(prepared, BOTH), prepared)
    texts = {
        part: streamed.smiles_of(streamed.molecules(part)) for part in streamed.report.molecules
    }

    assert texts["train"].count(smiles_of(1)) == 2
    assert texts["val"].count(smiles_of(4)) == 2  # train in the other table
    assert texts["test"].count(smiles_of(5)) == 2
    for part, found in texts.items():
        assert set(found) == set(mix.smiles_of(mix.molecules(part)))
    assert streamed.report.unmerged == 4
    assert streamed.report.shared == mix.report.shared == {"main + other": 4}
    assert streamed.report.moved == mix.report.moved
    assert "4 are the molecule of another and not" in "\n".join(streamed.report.lines())


@pytest.mark.parametrize("consumed", [1, 9])
def test_a_restored_loader_goes_on_with_exactly_the_next_batch(prepared, consumed):
    one = experiment(prepared, BOTH, batch={"accumulate": 2})
    streamed = open_stream(one, prepared)
    reference = list(data_module(streamed, one).train_dataloader())
    interrupted = data_module(streamed, one).train_dataloader()
    batches = iter(interrupted)
    for _ in range(consumed):
        next(batches)

    restored = data_module(streamed, one).train_dataloader()
    restored.load_state_dict(interrupted.state_dict())
    rest = list(restored)

    assert len(rest) == len(reference) - consumed
    for found, expected in zip(rest, reference[consumed:], strict=True):
        assert found.keys.equal(expected.keys)
        assert_same_batch(found, expected)


@pytest.mark.parametrize(("world_size", "accumulate"), [(2, 1), (3, 2)])
def test_ranks_together_have_the_gradient_of_one_process(prepared, world_size, accumulate):
    one = experiment(prepared, BOTH, batch={"accumulate": accumulate})
    streamed = open_stream(one, prepared)
    network = build_network(one.model, one.features, streamed.specs, seed=1).double().eval()
    data = data_module(streamed, one)

    def gradient(ranks, shares):
        network.zero_grad()
        for rank in range(ranks):
            sampler = data._sampler(ranks)
            maker = training_maker(streamed, data._reader, sampler, torch.device("cpu"))
            loader = BatchLoader(maker, sampler, rank=rank)
            loader.load_state_dict({"epoch": 0, "position": 2 * accumulate})
            for batch in islice(loader, accumulate):
                sums = task_sums(streamed.specs, network(in_double(batch)), batch.labels)
                scaled = total_loss(streamed.specs, sums, batch.label_totals, scale=shares)
                (scaled / shares).backward()  # the averages of ranks and of micro-batches
        return torch.cat([one.grad.flatten() for one in network.parameters()])

    alone, together = gradient(1, accumulate), gradient(world_size, world_size * accumulate)

    assert float((together - alone).norm() / alone.norm()) < 1e-12


def in_double(batch):
    return dataclasses.replace(
        batch,
        atom_table=batch.atom_table.double(),
        bond_table=batch.bond_table.double(),
        encodings={name: value.double() for name, value in batch.encodings.items()},
    )


@pytest.mark.parametrize("world_size", [1, 2, 3, 7])
def test_evaluation_visits_each_row_once_in_equal_numbers_of_batches(prepared, world_size):
    one = experiment(prepared, BOTH)
    streamed = open_stream(one, prepared)
    reader = SegmentReader(streamed.sources, streamed.rows, streamed.features)
    maker = evaluation_maker(streamed, reader, "val", torch.device("cpu"))
    ranks = [
        streamed_batches(streamed, "val", 3, rank=rank, world_size=world_size)
        for rank in range(world_size)
    ]
    found = [maker(rows, rows) for rank in ranks for rows in rank]

    assert len({len(rank) for rank in ranks}) == 1
    assert [key for batch in found for key in batch.keys.tolist()] == streamed.molecules(
        "val"
    ).tolist()
    assert max(batch.num_molecules for batch in found) <= 3


def test_encodings_that_a_store_keeps_are_read(prepared, tmp_path):
    root = shutil.copytree(prepared, tmp_path / "root")
    one = experiment(prepared)
    before = list(data_module(open_stream(one, root), one).train_dataloader())
    store = open_store(store_path(one.datasets["main"], root))
    plan = plan_encoding(store.record, "laplacian", one.features.encodings.laplacian, "float32")
    add_encoding(store, plan, EncodesInProcess())
    streamed = open_stream(one, root)
    assert streamed.report.encodings == ["laplacian of main is read from its store"]

    for found, expected in zip(data_module(streamed, one).train_dataloader(), before, strict=True):
        assert_same_batch(found, expected)


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_damaged_segment_stops_the_stream_with_its_name(prepared, tmp_path, prefetch):
    root = shutil.copytree(prepared, tmp_path / "root")
    one = experiment(prepared, batch={"prefetch": prefetch, "lanes": 1})
    streamed = open_stream(one, root)
    segment = streamed.sources[0].dataset.store.record.segments[3].folder
    file = store_path(one.datasets["main"], root) / segment / "atom_code" / "c.0"
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    loader = data_module(streamed, one).train_dataloader()
    file.write_bytes(content)

    with pytest.raises(StoreError, match=rf"{segment.rsplit('/')[-1]}.*atom_code is damaged"):
        list(loader)


def test_only_a_bounded_number_of_segments_is_in_memory(prepared):
    one = experiment(prepared, batch={"lanes": 2, "size": 4, "prefetch": 0})
    streamed = open_stream(one, prepared)
    loader = data_module(streamed, one).train_dataloader()
    sizes = set()
    for _ in loader:
        cache = loader._maker._cache
        sizes.add(len(cache._slots.graphs.atom_code))
        assert len(cache._slot_of) <= 4  # two lanes, one ahead, one that ends

    largest = max(one.atoms for one in streamed.sources[0].dataset.store.record.segments)
    assert sizes == {4 * largest}


def test_a_stream_that_is_left_alone_leaves_no_thread(prepared):
    one, before = experiment(prepared), threading.enumerate()
    batches = iter(data_module(open_stream(one, prepared), one).train_dataloader())
    next(batches)
    batches.close()
    for thread in threading.enumerate():
        if thread not in before:
            thread.join(20)
            assert not thread.is_alive()


def test_duplicates_that_must_be_compared_are_refused_by_name(prepared):
    with pytest.raises(ValueError, match=r"not compared where batch\.held_in is stream"):
        experiment(prepared, duplicates="missing")


def test_ranks_without_a_lane_are_refused_before_anything_is_read(prepared):
    one = experiment(prepared, batch={"lanes": 2}).model_dump()
    with pytest.raises(ValueError, match=r"4 ranks stream from 2 lanes.*use 4 or more"):
        Experiment.model_validate(one | {"trainer": {"devices": 2, "num_nodes": 2}})


def test_tasks_without_a_training_label_and_wrong_classes_are_refused_at_the_opening(prepared):
    held_out = {"kind": "file", "file": str(prepared / "held_out.json")}
    (prepared / "held_out.json").write_text('{"train": [10], "test": [11, 12]}')
    with pytest.raises(DataError, match="without labels"):
        open_stream(experiment(prepared, split=held_out), prepared)
    wrong = {"kind": {**TASKS["kind"], "num_classes": 2}}
    with pytest.raises(DataError, match=r"main.*row 2.*kind.* is 2, but labels"):
        open_stream(experiment(prepared, tasks=wrong), prepared)


def test_moments_of_blocks_are_those_of_the_whole():
    values = np.random.default_rng(3).normal(1e6, 1, (1000, 3)).astype(np.float32)
    values[values > 1e6 + 1] = np.nan
    values[:, 2] = 5.5
    moments = Moments(3)
    for block in np.array_split(values, 13):
        moments.add(block)

    mean, std = label_statistics(values)
    np.testing.assert_allclose(moments.statistics()[0], mean, rtol=1e-14)
    np.testing.assert_allclose(moments.statistics()[1], std, rtol=1e-9)
