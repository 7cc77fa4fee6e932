"""Resuming with an experiment beside the run."""

import pytest

from graphium.cli.run_folder import alone
from graphium.cli.train import main
from graphium.config.dump import differ, dump_yaml
from graphium.config.load import load_config

EXPERIMENT = """
name: resumed
datasets: {d: {table: table.csv}}
tasks: {y: {dataset: d, labels: [y], loss: mae}}
"""


@pytest.fixture
def run(tmp_path):
    """A run that was interrupted before its first checkpoint."""
    (tmp_path / "experiment.yaml").write_text(EXPERIMENT)
    folder = tmp_path / "run"
    folder.mkdir()
    experiment = load_config(tmp_path / "experiment.yaml").experiment
    (folder / "config.yaml").write_text(dump_yaml(experiment))
    return folder


def said(capsys, *words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    assert ended.value.code == 2
    return capsys.readouterr().err


def test_another_experiment_is_refused_with_every_difference(run, capsys):
    experiment = run.parent / "experiment.yaml"
    changes = ("optimizer.lr=0.5", "model.trunk.depth=9", "trainer.early_stopping.patience=3")

    message = said(capsys, experiment, *changes, "--resume", run)

    assert "another experiment" in message
    assert "optimizer.lr is 0.001 in the run and 0.5 now" in message
    assert "model.trunk.depth is " in message
    assert "trainer.early_stopping" in message


def test_the_same_experiment_goes_on(run, capsys):
    message = said(capsys, run.parent / "experiment.yaml", "--resume", run)
    assert "no checkpoint to resume from" in message


@pytest.mark.parametrize("option", ["--resume", "--auto-resume"])
def test_a_run_in_which_another_process_is_at_work_is_left_alone(run, capsys, option):
    (run / "checkpoints").mkdir()
    (run / "checkpoints" / "last").symlink_to("step-1")
    words = [run.parent / "experiment.yaml", option]
    words += [run] if option == "--resume" else ["--run-dir", run]
    with alone(run):
        message = said(capsys, *words)
    assert f"another process is at work in {run}" in message
    assert (run / "config.yaml").is_file()
    with alone(run):  # free again
        pass


def test_an_experiment_without_a_run_is_refused(run, tmp_path, capsys):
    message = said(capsys, run.parent / "experiment.yaml", "--resume", tmp_path)
    assert "config.yaml" in message


def test_experiments_differ_where_they_differ(run):
    path = run.parent / "experiment.yaml"
    one, other = (load_config(path, words).experiment for words in ((), ("batch.size=7",)))
    assert list(differ(one, one)) == []
    assert list(differ(one, other)) == [("batch.size", 128, 7)]
