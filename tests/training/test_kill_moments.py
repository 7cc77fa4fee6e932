"""Runs of one and two ranks that are killed at chosen and at random moments, and resumed."""

import csv
import json
import random
import sys

import pytest
import torch
from forked_runs import ForkedRuns
from resumable import damage, final_state, same, write_resumable

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="waits for children of children"),
]

KILLED = -9
STEPS = 24
"""Of the whole training, 4 in each of 6 epochs; every second one is validated."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("runs")


@pytest.fixture(scope="module")
def runs(folder):
    with ForkedRuns(folder) as server:
        yield server


@pytest.fixture(scope="module")
def experiment(folder):
    return write_resumable(folder)


@pytest.fixture(scope="module")
def straight(runs, experiment, folder):
    """What one process, never killed, ends in."""
    code, said = runs.run(experiment, "--run-dir", "straight")
    assert code == 0, said
    assert (folder / "straight/checkpoints/last").resolve().name == f"step-{STEPS:08d}"
    return final_state(folder / "straight")


def assert_same_end(run, reference):
    """Compare weights, averages, optimiser, predictions and every number but the speed."""
    (weights, state, numbers), expected = final_state(run), reference
    assert weights == expected[0]
    assert same(state, expected[1])
    assert numbers == expected[2]


@pytest.mark.parametrize(
    ("moment", "step"),
    [
        pytest.param("micro-batch", 1, id="after the first step"),
        pytest.param("micro-batch", 10, id="in the middle of an epoch"),
        pytest.param("micro-batch", STEPS - 1, id="before the last step"),
        pytest.param("micro-batch", 8, id="between two epochs"),
        pytest.param("accumulation", 5, id="between two micro-batches of a step"),
        pytest.param("accumulation", 12, id="within the first step of an epoch"),
        pytest.param("validation", 8, id="while it is validated"),
        pytest.param("validation", STEPS, id="while the last epoch is validated"),
        pytest.param("files", 15, id="while a checkpoint is written"),
        pytest.param("name", 16, id="before the checkpoint of an epoch is the last"),
    ],
)
def test_a_run_killed_at_a_moment_ends_as_if_it_never_was(
    runs, experiment, folder, straight, moment, step
):
    run = folder / f"{moment}-{step}"
    code, said = runs.run(experiment, "--run-dir", run, moment=moment, step=step)
    assert code == KILLED, said
    code, said = runs.run("--resume", run)
    assert code == 0, said
    assert_same_end(run, straight)


@pytest.mark.dist
def test_two_ranks_killed_again_and_again_end_as_if_they_never_were(runs, experiment, folder):
    words = [experiment, "trainer.devices=2", "--run-dir"]
    code, said = runs.run(*words, "two")
    assert code == 0, said

    rng = random.Random(0)
    kills = [(0, 2), (1, 5), ("launcher", 8), ("all", 11), (1, 15), (0, 18), ("all", 21)]
    for number, (who, step) in enumerate(kills):
        kill = {"moment": "micro-batch", "step": step, "delay": 0.05 * rng.random(), "who": who}
        code, said = runs.run(*words, "killed", "--auto-resume", **kill)
        assert code != 0, said
        if number == 4:
            damaged = damage(folder / "killed")
        if number == 5:
            assert f"damaged-{damaged}" in said
            assert "going on from step-" in said
    code, said = runs.run(*words, "killed", "--auto-resume")
    assert code == 0, said
    assert_same_end(folder / "killed", final_state(folder / "two"))


@pytest.mark.dist
@pytest.mark.parametrize(
    ("precision", "bound"), [("64", 1e-12), ("32", 1e-4)], ids=["float64", "float32"]
)
def test_a_run_goes_on_with_another_number_of_ranks(runs, experiment, folder, precision, bound):
    options = [
        experiment,
        "model.trunk.dropout=0",
        "optimizer.kind=adamw",
        "optimizer.ema_decay=0.9",
        f"trainer.precision={precision}",
    ]
    weights, losses = {}, {}
    for before, after in ((1, 1), (1, 2), (2, 1)):
        run = folder / f"{before}-then-{after}-{precision}"
        words = [*options, "--run-dir", run, "--auto-resume"]
        several = ["trainer.devices=2"]
        code, said = runs.run(*words, *several * (before == 2), moment="micro-batch", step=10)
        assert code != 0, said
        code, said = runs.run(*words, *several * (after == 2))
        assert code == 0, said
        tensors = final_state(run)[1]["trained_weights"]
        weights[before, after] = torch.cat([one.flatten().double() for one in tensors.values()])
        with (run / "metrics.csv").open(newline="") as file:
            rows = [row for row in csv.DictReader(file) if row["metric"] == "loss"]
        losses[before, after] = [float(row["value"]) for row in rows]
        assert json.loads((run / "results.json").read_text())["epochs"] == 6

    alone = weights[1, 1]
    for ranks in ((1, 2), (2, 1)):
        assert (weights[ranks] - alone).norm() / alone.norm() < bound
        assert losses[ranks] == pytest.approx(losses[1, 1], rel=10 * bound)
