"""The journal: exact numbers of trials, and what a crash may leave in it."""

import pytest
from sweep_steps import FakeTraining, fake_sweep

from graphium.errors import DataError
from graphium.studies.journal import JOURNAL


def journal_of(folder, monkeypatch):
    return fake_sweep(folder, monkeypatch, FakeTraining(lambda experiment, epoch: 1.0)).journal


def test_trials_are_made_once_for_all_processes(tmp_path, monkeypatch):
    first, second = journal_of(tmp_path, monkeypatch), journal_of(tmp_path, monkeypatch)
    first.top_up(4)
    second.top_up(4)
    first.top_up(3)
    assert len(first.trials()) == len(second.trials()) == 4


def test_a_trial_that_is_begun_again_keeps_its_values(tmp_path, monkeypatch):
    first = journal_of(tmp_path, monkeypatch)
    first.top_up(2)
    values = first.begin(1).params
    assert set(values) == {"optimizer.lr", "model.trunk.depth"}
    assert journal_of(tmp_path, monkeypatch).begin(1).params == values


def test_a_line_that_a_crash_cut_off_is_removed(tmp_path, monkeypatch):
    journal_of(tmp_path, monkeypatch).top_up(2)
    path = tmp_path / JOURNAL
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":4,"work')
    journal = journal_of(tmp_path, monkeypatch)
    assert path.read_bytes().startswith(whole)
    assert b"work{" not in path.read_bytes()
    journal.top_up(3)
    assert len(journal_of(tmp_path, monkeypatch).trials()) == 3


def test_a_damaged_journal_is_refused_by_name(tmp_path, monkeypatch):
    journal_of(tmp_path, monkeypatch).top_up(2)
    path = tmp_path / JOURNAL
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join([lines[0], b"no json\n", *lines[1:]]))
    with pytest.raises(DataError, match="damaged"):
        journal_of(tmp_path, monkeypatch)
