"""An opened mix that is kept on disk is the one that would be made anew."""

import dataclasses
import logging
import shutil
import threading

import numpy as np
import pytest
import torch
from mutations import hunt

from graphium.batching import kept
from graphium.batching import mix as mix_module
from graphium.batching.collate import collate
from graphium.batching.cut import PLAIN
from graphium.batching.kernels import COMPILED
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.errors import DataError, StoreError
from graphium.store.layout import MANIFEST
from graphium.store.prepare import prepare_experiment

ROWS = """\
smiles,y,kind,charge,distance
CCO,1.0,a,"[1, 2, 3]","[1, 2, 3]"
OCC,3.0,b,"[30, 20, 10]",
c1ccccc1,4.0,a,,
CC(=O)O,,b,"[1, null, 4, 2]",
CN,6.0,,"[1, 2]",[7]
CCN,2.0,a,,
"""


def experiment(folder, seed=0, **batch):
    labels = {"y": ("graph", "mae"), "kind": ("graph", "ce")}
    labels |= {"charge": ("node", "mse"), "distance": ("nodepair", "mae")}
    table = {
        "table": str(folder / "a.csv"),
        "categories": {"kind": ["a", "b"]},
        "split": {"kind": "random", "fractions": [0.6, 0.2, 0.2], "seed": seed},
    }
    return Experiment.model_validate(
        {
            "name": "t",
            "datasets": {"a": table},
            "features": {"encodings": {"random_walk": {"steps": 3}, "laplacian": {"k": 2}}},
            "tasks": {
                name: {"dataset": "a", "level": level, "labels": [name], "loss": loss}
                for name, (level, loss) in labels.items()
            },
            "batch": batch,
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    (folder / "a.csv").write_text(ROWS)
    prepare_experiment(experiment(folder), folder, workers=1)
    return folder


@pytest.fixture
def folder(prepared, monkeypatch):
    """Prepared stores, nothing opened before."""
    monkeypatch.setattr(kept, "WORTH_MOLECULES", 1)
    shutil.rmtree(prepared / kept.FOLDER, ignore_errors=True)
    return prepared


@pytest.fixture
def joins(monkeypatch):
    """How often a mix was made of its stores."""
    calls = []
    join = mix_module._join

    def counted(*arguments):
        calls.append(arguments)
        return join(*arguments)

    monkeypatch.setattr(mix_module, "_join", counted)
    return calls


def plain(value):
    """The same content without types of arrays, to be compared by ``==``."""
    if isinstance(value, np.ndarray):
        return str(value.dtype), value.shape, value.tobytes()
    if dataclasses.is_dataclass(value):
        fields = [one.name for one in dataclasses.fields(value) if one.name != "read_smiles"]
        return {name: plain(getattr(value, name)) for name in fields}
    if isinstance(value, dict):
        return [(key, plain(one)) for key, one in value.items()]
    return value


@pytest.mark.parametrize("to", ["ram", "mmap"])
def test_the_second_opening_joins_nothing_and_gives_the_same_mix(folder, joins, to):
    first = open_mix(experiment(folder), folder, to=to)
    again = open_mix(experiment(folder), folder, to=to)

    assert len(joins) == 1
    assert plain(again) == plain(first)
    assert again.smiles() == first.smiles() == ["CCO", "c1ccccc1", "CC(=O)O", "CN", "CCN"]
    assert again.splits() == first.splits()
    assert again.contradictions.keys() == {"y", "kind", "charge", "distance"}


@pytest.mark.parametrize("cutter", [PLAIN, COMPILED], ids=["plain", "compiled"])
def test_batches_are_the_same_from_memory_and_from_a_mapped_file(folder, cutter):
    ram, mapped = (open_mix(experiment(folder), folder, to=to) for to in ("ram", "mmap"))
    molecules = np.array([4, 0, 2, 2])

    ours, theirs = (collate(mix.graphs, mix.tasks, molecules, {}, cutter) for mix in (ram, mapped))

    assert not mapped.graphs.atom_code.flags.writeable
    assert torch.equal(ours.bond_index, theirs.bond_index)
    assert torch.equal(ours.atom_table[ours.atom_code], theirs.atom_table[theirs.atom_code])
    assert torch.equal(ours.encodings["random_walk"], theirs.encodings["random_walk"])
    for name, task in ours.labels.items():
        assert torch.equal(task.rows, theirs.labels[name].rows)
        torch.testing.assert_close(
            task.values, theirs.labels[name].values, rtol=0, atol=0, equal_nan=True
        )


def test_a_copy_is_of_one_split_one_set_of_features_and_one_code(folder, joins, monkeypatch):
    open_mix(experiment(folder), folder)
    open_mix(experiment(folder, seed=1), folder)
    open_mix(experiment(folder).model_copy(update={"hydrogens": "implicit"}), folder)
    assert len(joins) == 2

    options = experiment(folder).model_dump() | {"features": {"atoms": ["degree"]}}
    open_mix(Experiment.model_validate(options), folder)
    monkeypatch.setattr(kept, "_code_sha256", lambda: "other code")
    open_mix(experiment(folder), folder)
    assert len(joins) == 4


def test_how_a_model_is_trained_makes_no_other_copy(folder, joins):
    open_mix(experiment(folder), folder)
    open_mix(experiment(folder, size=3, held_in="mmap"), folder, to="mmap")
    assert len(joins) == 1


def test_a_split_file_with_other_content_makes_another_copy(folder, joins):
    file = folder / "splits.json"
    options = experiment(folder).model_dump()
    options["datasets"]["a"]["split"] = {"kind": "file", "file": str(file)}
    for test in ([3, 4], [3, 5]):
        train = sorted({0, 1, 2, 3, 4, 5} - set(test))
        file.write_text(f'{{"train": {train}, "val": [], "test": {test}}}')
        mix = open_mix(Experiment.model_validate(options), folder)
        assert mix.splits()["a"]["test"] == test
    assert len(joins) == 2


def test_a_table_whose_columns_changed_their_names_alone_makes_another_copy(folder, tmp_path):
    """The arrays of both tables are equal."""
    table = tmp_path / "a.csv"
    options = experiment(tmp_path).model_dump()
    options["tasks"] = {
        name: {"dataset": "a", "level": "graph", "labels": [name], "loss": "mae"} for name in "yz"
    }
    options["datasets"]["a"] |= {"categories": {}}
    swapped = Experiment.model_validate(options)
    for header, first in (("smiles,y,z", 0.5), ("smiles,z,y", 10.0)):
        table.write_text(f"{header}\nC,0.5,10\nCC,1.5,20\nCCC,2.5,30\nCCCC,3.5,40\nCCCCC,4.5,50\n")
        prepare_experiment(swapped, tmp_path, workers=1)
        mix = open_mix(swapped, tmp_path)
        assert mix.tasks["y"].values[0, 0] == first


def changed_manifests(folder, monkeypatch, count):
    """Read a copy with many changed manifests."""
    taken = []
    monkeypatch.setattr(
        mix_module, "read_kept", lambda at, datasets, mapped: taken.append((at, datasets))
    )
    monkeypatch.setattr(kept.shutil, "rmtree", lambda *_, **__: None)
    open_mix(experiment(folder), folder)
    ((at, datasets),) = taken
    file = at / MANIFEST

    def read(content):
        file.write_bytes(content)
        mix = kept.read_kept(at, datasets, mapped=False)
        if mix is None:
            raise StoreError("it is made again")
        return plain(mix)

    logging.disable(logging.CRITICAL)
    try:
        content = file.read_bytes()
        assert hunt(content, "json", read, count, protected=True)["refused"]
    finally:
        logging.disable(logging.NOTSET)


def test_a_changed_manifest_of_a_kept_mix_is_made_again(folder, monkeypatch):
    changed_manifests(folder, monkeypatch, 60)


@pytest.mark.slow
def test_20000_changed_manifests_of_a_kept_mix_are_made_again(folder, monkeypatch):
    changed_manifests(folder, monkeypatch, 20_000)


def test_tasks_stand_in_the_order_of_the_experiment(folder):
    options = experiment(folder).model_dump()
    for names in (["y", "kind", "charge"], ["charge", "y", "kind"]):
        tasks = {name: options["tasks"][name] for name in names}
        mix = open_mix(Experiment.model_validate(options | {"tasks": tasks}), folder)
        assert list(mix.tasks) == names


def test_a_split_file_that_is_missing_is_named(folder):
    options = experiment(folder).model_dump()
    options["datasets"]["a"]["split"] = {"kind": "file", "file": str(folder / "none.json")}
    with pytest.raises(DataError, match=r"none\.json cannot be read"):
        open_mix(Experiment.model_validate(options), folder)


def test_a_copy_that_cannot_be_written_stops_only_who_has_to_map_it(folder, caplog):
    (folder / kept.FOLDER).write_text("in the way")
    try:
        with caplog.at_level(logging.WARNING):
            assert open_mix(experiment(folder), folder).graphs.num_molecules == 5
        assert "not kept for the next run" in caplog.text
        with pytest.raises(StoreError, match="held_in: ram"):
            open_mix(experiment(folder), folder, to="mmap")
    finally:
        (folder / kept.FOLDER).unlink()


def test_a_copy_of_another_user_is_read(folder, joins, monkeypatch):
    open_mix(experiment(folder), folder)

    def refuse(path):
        raise PermissionError(f"not yours: {path}")

    monkeypatch.setattr(kept.os, "utime", refuse)
    open_mix(experiment(folder), folder)
    assert len(joins) == 1


def damage(copy, how):
    victim = copy / "graphs.atom_code.npy"
    match how:
        case "flipped":
            content = bytearray(victim.read_bytes())
            content[-1] ^= 1
            victim.write_bytes(content)
        case "short":
            victim.write_bytes(victim.read_bytes()[:-1])
        case "missing":
            victim.unlink()
        case "manifest":
            (copy / MANIFEST).write_text("{}")


@pytest.mark.parametrize("how", ["flipped", "short", "missing", "manifest"])
def test_a_damaged_copy_is_made_again_and_said(folder, joins, caplog, how):
    first = open_mix(experiment(folder), folder)
    (copy,) = (path for path in (folder / kept.FOLDER).iterdir() if (path / MANIFEST).exists())
    damage(copy, how)

    with caplog.at_level(logging.WARNING):
        again = open_mix(experiment(folder), folder)

    assert plain(again) == plain(first)
    assert "made again" in caplog.text
    assert len(joins) == 2
    open_mix(experiment(folder), folder)
    assert len(joins) == 2


def test_a_copy_that_another_process_removes_before_it_is_mapped_is_written_again(
    folder, joins, monkeypatch
):
    answers = []

    def late(copy, datasets, *, mapped):
        if len(answers) == 2:  # looked twice, and wrote it
            shutil.rmtree(copy)
        answers.append(kept.read_kept(copy, datasets, mapped=mapped))
        return answers[-1]

    monkeypatch.setattr(mix_module, "read_kept", late)
    assert open_mix(experiment(folder), folder, to="mmap") is answers[3]
    assert answers[:3] == [None, None, None]
    assert len(joins) == 1


def test_of_several_that_map_a_mix_for_the_first_time_one_joins_it(folder, joins):
    found = []
    threads = [
        threading.Thread(
            target=lambda: found.append(open_mix(experiment(folder), folder, to="mmap"))
        )
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(joins) == 1
    assert len(found) == 3
    assert plain(found[0]) == plain(found[1]) == plain(found[2])
    assert not list((folder / kept.FOLDER).glob("*.lock"))


def test_what_was_not_used_for_longest_makes_room(folder, joins, monkeypatch):
    open_mix(experiment(folder), folder)
    monkeypatch.setattr(kept, "MOST_BYTES", 1)
    open_mix(experiment(folder, seed=1), folder)
    assert len(list((folder / kept.FOLDER).glob(f"*/{MANIFEST}"))) == 1

    open_mix(experiment(folder, seed=1), folder)
    assert len(joins) == 2
    open_mix(experiment(folder), folder)
    assert len(joins) == 3


def test_a_small_mix_is_not_kept_unless_it_is_to_be_mapped(folder, monkeypatch):
    monkeypatch.setattr(kept, "WORTH_MOLECULES", 1_000)
    open_mix(experiment(folder), folder)
    assert not (folder / kept.FOLDER).exists()

    open_mix(experiment(folder), folder, to="mmap")
    assert len(list((folder / kept.FOLDER).glob(f"*/{MANIFEST}"))) == 1
