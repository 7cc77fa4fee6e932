"""A run that is asked to make room keeps its step, and ends in the same bits as any other."""

import os
import random
import signal
import threading
import time
from pathlib import Path

import pytest
from rank_processes import TRAIN, finish, newest_step, start, until, write_experiment

from graphium.checkpoint.load import find_checkpoint, verify_checkpoint
from graphium.cli.train import main


def last(run: Path) -> Path:
    return find_checkpoint(run / "checkpoints" / "last")


def assert_same_end(one: Path, other: Path) -> None:
    """Compare weights, optimiser, counters and place, bit by bit."""
    assert last(one).name == last(other).name
    for name in ("model.safetensors", "training.safetensors"):
        assert (last(one) / name).read_bytes() == (last(other) / name).read_bytes()


@pytest.fixture
def no_stray_signals():
    """One that comes when no run is there to take it does not end the tests."""
    before = signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    yield
    signal.signal(signal.SIGUSR1, before)


@pytest.mark.slow
@pytest.mark.usefixtures("no_stray_signals")
def test_twenty_signals_at_random_times_change_no_bit(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    words = [str(write_experiment(tmp_path)), "trainer.max_epochs=60", "--no-report"]
    rng = random.Random(0)

    def train(run: str) -> int:
        with pytest.raises(SystemExit) as end:
            main([*words, "--run-dir", run, "--auto-resume"])
        return end.value.code or 0

    def disturb(before: int) -> None:
        until(lambda: newest_step(tmp_path / "stopped") > before)
        time.sleep(rng.random() * 0.05)
        os.kill(os.getpid(), signal.SIGUSR1)

    assert train("straight") == 0
    steps = []
    for _ in range(20):
        before = newest_step(tmp_path / "stopped")
        thread = threading.Thread(target=disturb, args=(before,))
        thread.start()
        assert train("stopped") == 75
        thread.join()
        assert verify_checkpoint(last(tmp_path / "stopped")) == []
        steps.append(newest_step(tmp_path / "stopped"))
    assert train("stopped") == 0

    assert steps == sorted(set(steps))
    assert any(step % 4 for step in steps), "no signal came in mid-epoch"
    assert capsys.readouterr().err.count("stopped on request after step ") == 20
    assert_same_end(tmp_path / "straight", tmp_path / "stopped")


@pytest.mark.dist
@pytest.mark.slow
def test_two_ranks_stop_after_the_same_step(tmp_path):
    experiment = write_experiment(tmp_path)
    options = ["trainer.max_epochs=40", "trainer.devices=2", "--auto-resume", "--run-dir"]
    finish(start(TRAIN, experiment, *options, "straight", folder=tmp_path))
    for signum in (signal.SIGTERM, signal.SIGUSR1):
        process = start(TRAIN, experiment, *options, "stopped", folder=tmp_path)
        wait_for_another_step(process, tmp_path / "stopped")
        process.send_signal(signum)
        output = finish(process, code=75)
        assert output.count("stopped on request after step ") == 1
        assert "Traceback" not in output
        assert verify_checkpoint(last(tmp_path / "stopped")) == []
    finish(start(TRAIN, experiment, *options, "stopped", folder=tmp_path))
    assert_same_end(tmp_path / "straight", tmp_path / "stopped")


def wait_for_another_step(process, run):
    """Return when there is a newer checkpoint than now."""
    before = newest_step(run)
    until(lambda: newest_step(run) > before or process.poll() is not None)
