"""Weights that torch saved become a checkpoint, without running anything."""

import os

import pytest
import torch

from graphium.apply.convert import convert_checkpoint
from graphium.apply.model import load_model
from graphium.checkpoint.load import read_model
from graphium.cli.main import main
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import CheckpointError, DataError, UsageError
from graphium.nn.build import build_network

EXPERIMENT = Experiment.model_validate(
    {
        "name": "foreign",
        "datasets": {"d": {"table": "d.csv"}},
        "tasks": {"y": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
        "model": {"trunk": {"kind": "gine", "depth": 1, "width": 8}},
    }
)
SPECS = [
    TaskSpec(
        name="y", dataset="d", level="graph", labels=["y"], loss="mae", metrics=["mae"],
        mean=[2.0], std=[0.5],
    )
]  # fmt: skip


@pytest.fixture
def network():
    return build_network(EXPERIMENT.model, EXPERIMENT.features, SPECS, seed=3)


def saved(tmp_path, content):
    path = tmp_path / "foreign.ckpt"
    torch.save(content, path)
    return path


@pytest.mark.parametrize("prefix", ["", "network.", "model.backbone."])
def test_a_lightning_checkpoint_becomes_a_model_with_the_same_weights(tmp_path, network, prefix):
    state = {prefix + name: value for name, value in network.state_dict().items()}
    path = saved(tmp_path, {"state_dict": state, "epoch": 3, "optimizer_states": [{"lr": 0.1}]})

    found = convert_checkpoint(path, tmp_path / "model", EXPERIMENT, SPECS)

    assert found == prefix
    record, weights = read_model(tmp_path / "model")
    assert record.tasks == SPECS
    assert all(torch.equal(weights[k], v) for k, v in network.state_dict().items())
    predicted = load_model(tmp_path / "model").predict(["CCO", "c1ccccc1"])
    assert predicted["y_predicted"].notna().all()


def test_a_dictionary_of_tensors_will_do(tmp_path, network):
    path = saved(tmp_path, network.state_dict())
    assert convert_checkpoint(path, tmp_path / "model", EXPERIMENT, SPECS) == ""


class Hostile:
    def __reduce__(self):
        return os.system, ("touch hostile-file",)


def test_a_file_that_holds_code_is_refused_and_nothing_runs(tmp_path, network, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
    path = saved(tmp_path, {"state_dict": network.state_dict(), "callbacks": Hostile()})
    with pytest.raises(DataError, match="could be code"):
        convert_checkpoint(path, tmp_path / "model", EXPERIMENT, SPECS)
    assert sorted(os.listdir(tmp_path)) == ["foreign.ckpt"]


def test_weights_of_another_network_are_refused_by_name(tmp_path, network):
    state = dict(network.state_dict())
    first, second, third = list(state)[:3]
    state[first] = torch.zeros(3, 3, 3)
    state["more"] = state.pop(second)
    state[third] = torch.full_like(state[third], torch.nan)
    with pytest.raises(CheckpointError) as error:
        convert_checkpoint(saved(tmp_path, state), tmp_path / "model", EXPERIMENT, SPECS)
    message = str(error.value)
    assert f"{first} has shape [3, 3, 3]" in message
    assert f"{second} is missing" in message
    assert "more is not in the experiment's network" in message
    assert f"{third} holds values that are no numbers" in message
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("content", [{"state_dict": {}}, [1, 2], {"a": 1}])
def test_a_file_without_weights_is_refused(tmp_path, content):
    with pytest.raises(CheckpointError, match="no dictionary of tensors"):
        convert_checkpoint(saved(tmp_path, content), tmp_path / "model", EXPERIMENT, SPECS)


def test_nothing_is_overwritten(tmp_path, network):
    (tmp_path / "model").mkdir()
    path = saved(tmp_path, network.state_dict())
    with pytest.raises(UsageError, match="exists"):
        convert_checkpoint(path, tmp_path / "model", EXPERIMENT, SPECS)


def said_to(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main(["convert", *map(str, words)])
    assert ended.value.code in (2, 3)
    return capsys.readouterr().err


def test_the_command_says_before_it_prepares_anything_where_it_cannot_write(tmp_path, capsys):
    bare, foreign = tmp_path / "weights", tmp_path / "foreign.ckpt"
    assert "is no file" in said_to(capsys, bare, "e.yaml")
    for path in (bare, foreign):
        path.write_bytes(b"")
    assert "name the new checkpoint with --out" in said_to(capsys, bare, "e.yaml")
    (tmp_path / "foreign").mkdir()
    assert f"{tmp_path / 'foreign'} exists" in said_to(capsys, foreign, "e.yaml")
    assert bare.read_bytes() == b""
