"""graphium-train starts ranks itself, and takes part in those that torchrun starts."""

import csv
import json
import os
import signal

import pytest
from rank_processes import (
    TORCHRUN,
    TRAIN,
    finish,
    has_checkpoint,
    is_running,
    rank_pids,
    start,
    until,
    write_experiment,
)

from graphium.config.load import load_config

pytestmark = [pytest.mark.dist, pytest.mark.slow]


def test_torchrun_trains_what_two_devices_train(tmp_path):
    experiment = write_experiment(tmp_path)
    own = finish(start(TRAIN, experiment, "trainer.devices=2", "--run-dir", "own", folder=tmp_path))
    by_torchrun = finish(start(TORCHRUN, experiment, "--run-dir", "torchrun", folder=tmp_path))

    weights = [
        (tmp_path / run / "checkpoints/last/model.safetensors").read_bytes()
        for run in ("own", "torchrun")
    ]
    assert weights[0] == weights[1]
    assert "a step is 6 molecules = 2 rank(s) x 1 micro-batch(es) x 3, with" in own
    assert by_torchrun.count("a step is 6 molecules") == 1  # one rank speaks
    config = load_config(tmp_path / "torchrun" / "config.yaml").experiment.trainer
    assert (config.devices, config.num_nodes) == (2, 1)
    with (tmp_path / "torchrun" / "metrics.csv").open(newline="") as file:
        lines = [tuple(row.values())[:6] for row in csv.DictReader(file)]
    assert len(lines) == len(set(lines))
    assert json.loads((tmp_path / "torchrun" / "results.json").read_text())["epochs"] == 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["trainer.devices=3"], "trainer.devices is 3, and 2 were started"),
        (["tasks.a.labels=[nothing]"], "nothing"),
        (["--seeds", "2"], "start a run for each seed"),
    ],
)
def test_a_mistake_is_said_by_one_rank(tmp_path, words, said):
    process = start(TORCHRUN, write_experiment(tmp_path), *words, folder=tmp_path)
    output = finish(process, code=1)  # torchrun's
    assert output.count("error: ") == 1
    assert said in output


def test_ctrl_c_ends_all_ranks_and_says_how_to_go_on(tmp_path):
    experiment = write_experiment(tmp_path)
    long = ["trainer.max_epochs=100000", "trainer.devices=2", "--run-dir", "out"]
    process = start(TRAIN, experiment, *long, folder=tmp_path)
    until(lambda: has_checkpoint(tmp_path / "out") or process.poll() is not None)
    pids = rank_pids(process)

    process.send_signal(signal.SIGINT)

    output = finish(process, code=130)
    assert "graphium-train --resume out" in output
    assert "Traceback" not in output
    assert not any(map(is_running, pids.values()))


def test_ranks_end_when_the_command_is_killed(tmp_path):
    experiment = write_experiment(tmp_path)
    long = ["trainer.max_epochs=100000", "trainer.devices=2", "--run-dir", "out"]
    process = start(TRAIN, experiment, *long, folder=tmp_path)
    until(lambda: has_checkpoint(tmp_path / "out") or process.poll() is not None)
    pids = rank_pids(process)
    assert pids.keys() == {0, 1}

    os.kill(process.pid, signal.SIGKILL)

    assert until(lambda: not any(map(is_running, pids.values())), 30) < 5
    process.communicate()
