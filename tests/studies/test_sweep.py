"""What a sweep does with its trials; trainings are formulas (``sweep_steps.py``)."""

import csv
import math
import signal
import time
from dataclasses import replace
from types import SimpleNamespace

import pytest
from optuna.trial import TrialState
from sweep_steps import EPOCHS, FakeTraining, fake_sweep

from graphium.errors import ConfigError, DataError, DivergenceError, StoppedError, UsageError
from graphium.studies import sweep as module
from graphium.studies import trial_watch
from graphium.studies.claims import claim
from graphium.studies.sweep_files import SweepRecord, enter, trial_folder
from graphium.testing.toy import toy_experiment


def bowl(experiment, epoch):
    """Best at a rate of 1e-3, and lowest after the last epoch but one."""
    return abs(math.log10(experiment.optimizer.lr) + 3) + 1 / epoch + 0.5 * (epoch == EPOCHS)


def table(sweep):
    with (sweep.folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_every_trial_is_trained_once_and_the_best_is_kept(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training)
    assert sweep.work()
    rows = table(sweep)
    assert [row["trial"] for row in rows] == [str(n) for n in range(6)]
    assert {row["state"] for row in rows} == {"finished"}
    assert {row["best_epoch"] for row in rows} == {str(EPOCHS - 1)}
    for row in rows:
        expected = abs(math.log10(float(row["optimizer.lr"])) + 3) + 1 / (EPOCHS - 1)
        assert float(row["value"]) == pytest.approx(expected, rel=1e-12)
    best = min(rows, key=lambda row: float(row["value"]))
    assert sweep.journal.best().number == int(best["trial"])
    kept = [n for n in range(6) if (trial_folder(sweep.folder, n) / "checkpoints").exists()]
    assert kept == [int(best["trial"])]
    assert (sweep.folder / "best.yaml").exists()


def test_trials_never_look_at_test_and_the_best_is_tested_once_when_asked(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=2)
    sweep.work()
    assert [evaluate for _, _, evaluate in training.calls] == [["val"], ["val"]]
    best = trial_folder(sweep.folder, sweep.journal.best().number)
    assert sweep.test_best() == best
    assert training.calls[-1] == (best.name, True, [])  # by default, val and test


def test_more_trials_can_be_asked_for_later(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=2).work()
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=5)
    assert sweep.work()
    assert len(training.calls) == len(table(sweep)) == 5


def test_the_same_seed_gives_the_same_trials(tmp_path, monkeypatch):
    tables = []
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        sweep = fake_sweep(tmp_path / name, monkeypatch, FakeTraining(bowl), seed=seed)
        sweep.work()
        tables.append([(row["optimizer.lr"], row["value"]) for row in table(sweep)])
    assert tables[0] == tables[1] != tables[2]


def test_a_trial_that_died_goes_on_where_it_was(tmp_path, monkeypatch):
    training = FakeTraining(bowl)

    def die(run_dir, epoch):
        if run_dir.name == "0001" and epoch == 3:
            raise KeyboardInterrupt

    training.on_epoch = die
    first = fake_sweep(tmp_path / "s", monkeypatch, training)
    with pytest.raises(KeyboardInterrupt):
        first.work()
    values = first.journal.trials()[1].params
    training.on_epoch = lambda run_dir, epoch: None
    second = fake_sweep(tmp_path / "s", monkeypatch, training)
    assert second.work()
    assert second.journal.trials()[1].params == values
    names = [name for name, _, _ in training.calls]
    assert names == ["0000", "0001", "0001", "0002", "0003", "0004", "0005"]
    assert training.calls[2][1]  # resumed
    assert list(second.journal.trials()[1].intermediate_values) == [1, 2, 3, 4, 5]


def test_a_trial_at_which_processes_keep_dying_is_given_up(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=2)
    folder = trial_folder(sweep.folder, 0) / "claims"
    for _ in range(module.MAX_DEATHS):
        with claim(folder, 0) as held:
            path = held.path
        path.touch()  # not given back
    assert sweep.work()
    first, second = table(sweep)
    assert first["state"] == "failed"
    assert "3 processes in a row died" in first["reason"]
    assert second["state"] == "finished"


def test_bad_trials_end_early(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=14, pruner="median")
    assert sweep.work()
    pruned = [row for row in table(sweep) if row["state"] == "pruned"]
    assert pruned
    assert all(int(row["epochs"]) < EPOCHS and "after epoch" in row["reason"] for row in pruned)
    worst = max(float(row["value"]) for row in table(sweep) if row["value"])
    assert float(sweep.journal.best().value) < worst


def test_a_loss_that_is_no_number_ends_the_trial_and_not_the_sweep(tmp_path, monkeypatch):
    def explodes(experiment, epoch):
        if experiment.optimizer.lr > 1e-3:
            raise DivergenceError("epoch 1: the train loss is nan: training has diverged. Lower it")
        return bowl(experiment, epoch)

    sweep = fake_sweep(tmp_path / "s", monkeypatch, FakeTraining(explodes))
    assert sweep.work()
    pruned = [row for row in table(sweep) if row["state"] == "pruned"]
    assert all("diverged" in row["reason"] for row in pruned)
    assert 0 < len(pruned) < 6


def test_any_other_error_ends_the_process_and_leaves_the_trial_to_the_next(tmp_path, monkeypatch):
    training = FakeTraining(bowl)

    def fail(run_dir, epoch):
        raise DataError("the disk is full")

    training.on_epoch = fail
    with pytest.raises(DataError):
        fake_sweep(tmp_path / "s", monkeypatch, training).work()
    training.on_epoch = lambda run_dir, epoch: None
    assert fake_sweep(tmp_path / "s", monkeypatch, training).work()


def test_a_trial_with_the_same_error_each_time_does_not_stop_the_sweep(tmp_path, monkeypatch):
    training = FakeTraining(bowl)

    def fail(run_dir, epoch):
        if run_dir.name == "0000":
            raise DataError("no label is left")

    training.on_epoch = fail
    for _ in range(module.MAX_DEATHS):
        with pytest.raises(DataError):
            fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=2).work()
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training, num_trials=2)
    assert sweep.work()
    assert [row["state"] for row in table(sweep)] == ["failed", "finished"]


def test_a_combination_that_is_not_valid_fails_alone(tmp_path, monkeypatch):
    sweep = fake_sweep(tmp_path / "s", monkeypatch, FakeTraining(bowl), num_trials=3)
    seen = []

    def load(overrides):
        seen.append(overrides)
        if len(seen) == 2:
            raise ConfigError("1 mistake in the experiment:\n  these do not fit together")
        return toy_experiment()

    assert replace(sweep, load=load).work()
    rows = table(sweep)
    assert [row["state"] for row in rows] == ["finished", "failed", "finished"]
    assert rows[1]["reason"] == "1 mistake in the experiment: these do not fit together"


def test_when_time_is_up_the_trial_stops_between_epochs_and_goes_on_later(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    late = fake_sweep(tmp_path / "s", monkeypatch, training, deadline=1.0)
    clock = SimpleNamespace(monotonic=lambda: 2.0 * len(training.calls), sleep=time.sleep)
    monkeypatch.setattr(module, "time", clock)
    monkeypatch.setattr(trial_watch, "time", clock)
    assert not late.work()
    trial = late.journal.trials()[0]
    assert trial.state == TrialState.RUNNING
    assert list(trial.intermediate_values) == [1]
    assert fake_sweep(tmp_path / "s", monkeypatch, training).work()
    assert [name for name, _, _ in training.calls[:2]] == ["0000", "0000"]
    assert training.calls[1][1]  # resumed


def test_a_signal_ends_the_process_and_the_trial_goes_on_later(tmp_path, monkeypatch):
    training = FakeTraining(bowl)
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training)
    training.on_epoch = lambda run_dir, epoch: sweep.asked.answer(signal.SIGTERM)
    with pytest.raises(StoppedError):
        sweep.work()
    assert list(sweep.journal.trials()[0].intermediate_values) == [1]
    training.on_epoch = lambda run_dir, epoch: None
    assert fake_sweep(tmp_path / "s", monkeypatch, training).work()
    assert training.calls[1][:2] == ("0000", True)


def test_a_trial_that_another_process_holds_is_left_to_it(tmp_path, monkeypatch):
    sweep = fake_sweep(tmp_path / "s", monkeypatch, FakeTraining(bowl), waits=False)
    with claim(trial_folder(sweep.folder, 2) / "claims", 0):
        assert not sweep.work()
    assert [row["trial"] for row in table(sweep)] == ["0", "1", "3", "4", "5"]


def test_a_process_that_was_taken_for_dead_stops(tmp_path, monkeypatch):
    training = FakeTraining(bowl)

    def lose(run_dir, epoch):
        if run_dir.name == "0000" and epoch == 2:
            claims = run_dir / "claims"
            (claims / "2").write_text((claims / "1").read_text())

    training.on_epoch = lose
    sweep = fake_sweep(tmp_path / "s", monkeypatch, training, waits=False, num_trials=1)
    sweep.journal.top_up(1)
    sweep._try(0)
    assert list(sweep.journal.trials()[0].intermediate_values) == [1]


def test_another_sweep_in_the_folder_is_refused_with_what_differs(tmp_path):
    folder = tmp_path / "s"
    first = SweepRecord({"model": {"width": 8}, "seed": 1}, {"a": 1}, {"pruner": "none"})
    assert enter(folder, first, b"a")
    assert not enter(folder, first, b"a")
    other = SweepRecord({"model": {"width": 9}, "seed": 1}, {"a": 1}, {"pruner": "median"})
    with pytest.raises(UsageError) as error:
        enter(folder, other, b"a")
    assert "experiment.model.width: 8 there, 9 here" in str(error.value)
    assert 'options.pruner: "none" there, "median" here' in str(error.value)
    assert "seed" not in str(error.value)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(UsageError, match="something else"):
        enter(tmp_path, SweepRecord({}, {}, {}), b"")
