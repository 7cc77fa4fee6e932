"""A run that is asked to make room keeps its step, and ends in the same bits as any other."""

import os
import random
import signal
import time

import pytest
from rank_processes import TRAIN, finish, newest_step, start, until, write_experiment

from graphium.checkpoint.load import find_checkpoint, read_training, verify_checkpoint
from graphium.errors import StoppedError
from graphium.training.preemption import StopFlag, stop_signals


def test_a_signal_only_sets_a_flag_and_the_stronger_wish_wins():
    before = signal.getsignal(signal.SIGUSR1)
    with stop_signals() as flag:
        assert flag == StopFlag(0)
        os.kill(os.getpid(), signal.SIGUSR1)
        os.kill(os.getpid(), signal.SIGTERM)
        assert flag == StopFlag(2)
    assert signal.getsignal(signal.SIGUSR1) == before
    assert StoppedError("", requeue=True).exit_code == 75


def wait_for_another_step(process, run):
    """Return when there is a newer checkpoint than now."""
    before = newest_step(run)
    until(lambda: newest_step(run) > before or process.poll() is not None)


@pytest.mark.dist
@pytest.mark.slow
@pytest.mark.parametrize(("devices", "times"), [(1, 8), (2, 4)])
def test_signals_at_any_time_change_no_bit(tmp_path, devices, times):
    experiment = write_experiment(tmp_path)
    options = ["trainer.max_epochs=60", f"trainer.devices={devices}", "--auto-resume"]
    finish(start(TRAIN, experiment, *options, "--run-dir", "straight", folder=tmp_path))
    last_step = newest_step(tmp_path / "straight")
    stopped, rng = tmp_path / "stopped", random.Random(devices)
    for i in range(times):
        process = start(TRAIN, experiment, *options, "--run-dir", "stopped", folder=tmp_path)
        wait_for_another_step(process, stopped)
        time.sleep(rng.random() * 0.03)
        process.send_signal(signal.SIGUSR1 if i % 2 else signal.SIGTERM)
        output = finish(process, code=75)
        assert "stopped on request after step " in output
        assert "Traceback" not in output
        assert verify_checkpoint(find_checkpoint(stopped / "checkpoints" / "last")) == []
        assert newest_step(stopped) < last_step, "the training is too short for so many signals"
    finish(start(TRAIN, experiment, *options, "--run-dir", "stopped", folder=tmp_path))

    ends = [
        find_checkpoint(run / "checkpoints" / "last") for run in (tmp_path / "straight", stopped)
    ]
    weights = [(end / "model.safetensors").read_bytes() for end in ends]
    assert weights[0] == weights[1]
    tensors = [(end / "training.safetensors").read_bytes() for end in ends]
    assert tensors[0] == tensors[1]
    assert [read_training(end)["global_step"] for end in ends] == [last_step] * 2
