"""Mixes that cannot be trained, or are not what they seem: said before training starts."""

import json

import pytest

from graphium.cli.train import main
from graphium.config.load import load_config
from graphium.store.prepare import cache_root, prepare_experiment

YAML = """\
name: m
datasets:
  a: {table: a.csv, split: {kind: column, column: part}}
  b: {table: b.csv, split: {kind: column, column: part}}
tasks:
  y: {dataset: a, labels: [y], loss: mae}
  z: {dataset: b, labels: [z], loss: mae}
model: {trunk: {kind: gine, depth: 1, width: 8}}
trainer: {max_epochs: 1, threads: 1, accelerator: cpu}
"""
A = "smiles,y,w,part\nCCO,1,1,train\nCCN,2,-1,train\nCCC,3,1,test\nCCCC,4,1,train\nC=O,5,,val\n"
B = "smiles,z,part\nC(C)C,1,train\n[2H]CCC,2,train\n"
"""Both are molecules that the other dataset holds out, by connectivity."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mixes")
    (folder / "a.csv").write_text(A)
    (folder / "b.csv").write_text(B)
    (folder / "m.yaml").write_text(YAML)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GRAPHIUM_CACHE_DIR", str(folder / "cache"))
        experiment = load_config("m.yaml").experiment
        prepare_experiment(experiment, cache_root(), workers=1)
        alone = {"datasets": {"a": experiment.datasets["a"]}}
        prepare_experiment(experiment.model_copy(update=alone), cache_root(), workers=1)
    return folder


@pytest.fixture
def train(prepared, monkeypatch, capsys):
    monkeypatch.chdir(prepared)
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(prepared / "cache"))

    def run(*words):
        with pytest.raises(SystemExit) as left:
            main([*words, "--run-dir", str(prepared / "run")])
        assert not (prepared / "run").exists()  # nothing had begun
        shown = capsys.readouterr()
        return left.value.code, shown.err

    return run


def alone(folder, name, **options):
    dataset = {"table": "a.csv", **options}
    tasks = {"y": {"dataset": "a", "labels": ["y"], "loss": "mae"}}
    content = {"name": "m", "datasets": {"a": dataset}, "tasks": tasks}
    (folder / name).write_text(json.dumps(content))
    return name


def test_a_store_that_must_not_be_made_is_named_with_the_command_that_makes_it(train, monkeypatch):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", "elsewhere")
    code, message = train("m.yaml", "model.pooling=[max, sum]", "--no-prepare")

    assert code == 3
    assert "not prepared: dataset 'a' (a.csv), dataset 'b' (b.csv) (looked in else" in message
    assert (
        "'graphium data prepare m.yaml 'model.pooling=[max, sum]'', or leave out --no-prepare"
        in message
    )


@pytest.mark.parametrize("held_in", ["ram", "stream"])
def test_a_dataset_that_has_no_training_row_left_is_told_why(train, held_in):
    words = ("features.encodings.compute=step",) if held_in == "stream" else ()
    code, message = train("m.yaml", f"batch.held_in={held_in}", *words)

    assert code == 3
    assert "task 'z' is a task without labels: no molecule of dataset 'b' in train" in message
    assert "2 rows of b went from train to test, where a copy of the molecule is held" in message


def test_negative_weights_are_named_with_their_row(train, prepared):
    code, message = train(alone(prepared, "w.yaml", weights="w"))

    assert code == 3
    assert "dataset 'a', row 1: the sample weight in column 'w' is -1" in message
    assert "weight of 0 or more (2 rows without)" in message


def test_a_split_file_of_a_longer_table_is_refused(train, prepared):
    (prepared / "long.json").write_text('{"train": [0, 1, 5], "val": [2], "test": [3]}')
    code, message = train(alone(prepared, "l.yaml", split={"kind": "file", "file": "long.json"}))

    assert code == 3
    assert (
        "split file long.json, train: row 5 does not exist: dataset 'a' has rows 0 to 4" in message
    )


def test_tasks_of_one_name_in_two_files_are_refused_with_both_places(train, prepared):
    other = YAML.replace("y: {dataset: a, labels: [y]", "y: {dataset: b, labels: [z]")
    (prepared / "other.yaml").write_text(other.replace("a: {table: a.csv", "a: {table: b.csv"))
    (prepared / "both.yaml").write_text("extends: [m.yaml, other.yaml]\n")
    code, message = train("both.yaml")

    assert code == 2
    assert "other.yaml:3  datasets.a.table: is 'b.csv' here and 'a.csv' at m.yaml:3: two" in message
    assert "other.yaml:6  tasks.y.dataset: is 'b' here and 'a' at m.yaml:6: two files" in message


def test_what_the_extending_file_writes_is_a_choice(prepared, monkeypatch):
    monkeypatch.chdir(prepared)
    (prepared / "chosen.yaml").write_text(
        "extends: [m.yaml]\ntasks: {y: {dataset: b, labels: [z]}}"
    )

    assert load_config("chosen.yaml").experiment.tasks["y"].dataset == "b"


def test_a_split_file_of_a_shorter_table_is_a_warning(prepared, monkeypatch):
    from graphium.batching.mix import open_mix

    monkeypatch.chdir(prepared)
    (prepared / "short.json").write_text('{"train": [0, 1], "val": [2], "test": []}')
    split = {"kind": "file", "file": "short.json"}
    experiment = load_config(alone(prepared, "s.yaml", split=split)).experiment
    report = open_mix(experiment, prepared / "cache").report

    assert (
        "dataset 'a': short.json lists 3 of its 5 molecules; the others are in no part. Is it the "
        "split of this table?"
    ) in report.warnings
