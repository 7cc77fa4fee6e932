"""The search for a learning rate: what it sees, when it ends, and what the command says."""

import csv

import numpy as np
import pytest

from graphium.batching.mix import open_mix
from graphium.cli.main import main
from graphium.config.load import load_config
from graphium.errors import DataError
from graphium.store.prepare import cache_root, prepare_experiment
from graphium.training import lr_finder
from graphium.training.losses import task_sums
from graphium.training.lr_finder import LearningRates, find_learning_rate
from graphium.training.optimizers import build_optimizer

ROWS = "smiles,y\n" + "".join(f"{'C' * n}O,{n}\n{'C' * n}N,{n + 0.5}\n" for n in range(1, 16))
EXPERIMENT = """
name: search
datasets: {d: {table: TABLE}}
tasks: {y: {dataset: d, labels: [y], loss: mse}}
model: {trunk: {kind: gine, depth: 1, width: 8}}
batch: {size: 8}
trainer: {threads: 1, accelerator: cpu}
"""


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "table.csv").write_text(ROWS)
    path = tmp_path / "search.yaml"
    path.write_text(EXPERIMENT.replace("TABLE", str(tmp_path / "table.csv")))
    return path


def opened(path, *overrides):
    experiment = load_config(path, overrides).experiment
    prepare_experiment(experiment, cache_root(), workers=1)
    return experiment, open_mix(experiment, cache_root())


def test_it_ends_where_the_loss_runs_away_and_suggests_a_lower_rate(path):
    experiment, mix = opened(path, "optimizer.kind=sgd", "optimizer.clip_norm=null")
    found = find_learning_rate(experiment, mix, first=1e-4, last=1e4, steps=60)
    again = find_learning_rate(experiment, mix, first=1e-4, last=1e4, steps=60)
    assert len(found.rates) < 60
    assert np.all(np.diff(found.rates) > 0)
    assert found.suggestion is not None
    assert 1e-4 < found.suggestion < found.rates[-1]
    assert np.array_equal(found.losses, again.losses)


def test_the_smoothed_loss_is_an_average_that_begins_with_the_first_loss(path):
    experiment, mix = opened(path)
    found = find_learning_rate(experiment, mix, last=1e-3, steps=15)
    shares = 0.95 ** np.arange(15)
    for step in (0, 1, 14):
        latest_first = found.losses[step::-1]
        expected = np.average(latest_first, weights=shares[: step + 1])
        assert found.smoothed[step] == pytest.approx(expected)


def test_gradients_are_clipped_and_lower_blocks_learn_as_much_more_slowly(path, monkeypatch):
    made = []

    def recording(*args, **kwargs):
        made.append(build_optimizer(*args, **kwargs))
        return made[-1]

    monkeypatch.setattr(lr_finder, "build_optimizer", recording)
    options = ("optimizer.kind=sgd", "optimizer.weight_decay=0", "optimizer.layer_decay=0.5")
    experiment, mix = opened(path, *options, "optimizer.clip_norm=1e-9")
    fast = find_learning_rate(experiment, mix, first=0.1, last=1.0, steps=12)
    slow = find_learning_rate(experiment, mix, first=1e-9, last=1e-8, steps=12)
    np.testing.assert_allclose(fast.losses, slow.losses, rtol=1e-4)
    rates = {group["lr"] for group in made[0].param_groups}
    assert sorted(rates) == pytest.approx([0.25, 0.5, 1.0])


def test_steps_of_a_budget_have_all_micro_batches_of_all_ranks(path, monkeypatch):
    seen = []

    def recording(specs, outputs, labels):
        seen.append(float(labels["y"].weights.sum()))
        return task_sums(specs, outputs, labels)

    monkeypatch.setattr(lr_finder, "task_sums", recording)
    budget = ("batch.shape=static", "batch.budget={atoms: 64}")
    for more in ((), ("batch.accumulate=2",), ("trainer.devices=2",)):
        experiment, mix = opened(path, *budget, *more)
        find_learning_rate(experiment, mix, last=1e-5, steps=20)
    assert seen[20] > 1.5 * seen[0]
    assert seen[40] == seen[20]


def test_the_suggestion_is_where_the_curve_falls_most_steeply():
    rates = np.geomspace(1e-5, 1, 101)
    falls_at = np.log10(rates) + 3  # a step down around 1e-3, and up at the end
    curve = 1 - np.tanh(4 * falls_at) + np.exp(10 * (np.log10(rates) + 0.2))
    found = LearningRates(rates, curve, curve)
    assert found.suggestion == pytest.approx(1e-3, rel=0.15)
    assert LearningRates(rates, rates, rates).suggestion is None


def test_first_batches_that_are_easy_by_chance_hide_no_fall():
    rates = np.geomspace(1e-6, 1, 51)
    loss = 1 - 0.1 / (1 + np.exp(-4 * (np.log10(rates) + 3)))
    loss[:4] = (0.7, 0.8, 0.9, 0.95)
    loss[45:] += np.arange(6)
    found = LearningRates(rates, loss, loss)
    assert 10**-3.3 < found.suggestion < 10**-2.7
    assert 40 < found.lowest < 46


def test_a_loss_that_is_no_number_from_the_start_is_an_error(path):
    experiment, mix = opened(path, "optimizer.kind=sgd", "optimizer.clip_norm=null")
    with pytest.raises(DataError, match="begin lower"):
        find_learning_rate(experiment, mix, first=1e30, last=1e37, steps=30)


def test_the_command_writes_a_table_and_a_picture_and_says_what_to_try(path, tmp_path, capsys):
    out = tmp_path / "lr"
    with pytest.raises(SystemExit) as ended:
        main(["find-lr", str(path), "--steps", "30", "--out", str(out)])
    assert not ended.value.code
    said = capsys.readouterr().out
    assert "optimizer.lr=" in said
    assert (out / "lr.svg").read_text().startswith("<svg")
    with (out / "lr.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) >= 10
    assert all(float(row["loss"]) > 0 for row in rows)


def test_rates_that_do_not_rise_are_refused(path, capsys):
    with pytest.raises(SystemExit) as ended:
        main(["find-lr", str(path), "--from", "1", "--to", "0.1"])
    assert ended.value.code == 2
    assert "--from" in capsys.readouterr().err
