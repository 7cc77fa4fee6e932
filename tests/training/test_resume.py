"""A run that is killed and resumed ends in the same bits as one that never was."""

import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from resumable import damage, final_state, same, write_resumable
from warm_start import Forked, Templates


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    return write_resumable(tmp_path)


@pytest.fixture
def start(trainers: Templates, tmp_path: Path) -> Callable[[list[str]], Forked]:
    """Start a training without report."""

    def start(arguments: list[str]) -> Forked:
        return trainers.of(os.environ).start(
            "from graphium.cli.train import main; main()",
            [*arguments, "--no-report"],
            env={**os.environ, "GRAPHIUM_CACHE_DIR": str(tmp_path / "cache")},
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            workers=True,
        )

    return start


def wait_for_step(process: Forked, run: Path, step: int) -> None:
    """Return when the checkpoint of a step has appeared."""
    deadline = time.monotonic() + 120
    while process.poll() is None and time.monotonic() < deadline:
        done = [int(p.name[5:]) for p in (run / "checkpoints").glob("step-*")]
        if max(done, default=0) >= step:
            return
        time.sleep(0.002)


def finish(process: Forked) -> str:
    output, _ = process.communicate(timeout=300)
    assert process.returncode == 0, output
    return output


@pytest.mark.parametrize("held_in", ["ram", pytest.param("stream", marks=pytest.mark.slow)])
def test_a_killed_and_resumed_run_equals_an_uninterrupted_one(
    experiment: Path, tmp_path: Path, held_in: str, start: Callable[[list[str]], Forked]
):
    text = experiment.read_text()
    experiment.write_text(text.replace("accumulate: 2}", f"accumulate: 2, held_in: {held_in}}}"))
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(start([str(experiment), "--run-dir", str(straight)]))

    for step in (4, 13):  # within the first epoch and within the second
        resume = ["--resume", str(killed)] if killed.exists() else None
        arguments = resume or [str(experiment), "--run-dir", str(killed)]
        process = start(arguments)
        wait_for_step(process, killed, step)
        os.kill(process.pid, signal.SIGKILL)
        process.communicate()
    assert not (killed / "results.json").exists()
    finish(start(["--resume", str(killed)]))

    (weights, optimizer, numbers), reference = final_state(killed), final_state(straight)
    assert weights == reference[0]
    assert same(optimizer, reference[1])
    assert numbers == reference[2]


@pytest.mark.slow
def test_ten_kills_and_a_damaged_checkpoint_change_no_bit(
    experiment: Path, tmp_path: Path, start: Callable[[list[str]], Forked]
):
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    finish(start([str(experiment), "--run-dir", str(straight)]))
    last_step = int((straight / "checkpoints" / "last").resolve().name[5:])
    rng = random.Random(0)
    starts = []
    for kill in range(10):
        resume = ["--resume", str(killed)] if (killed / "checkpoints" / "last").exists() else None
        if resume is None and killed.exists():
            shutil.rmtree(killed)
        process = start(resume or [str(experiment), "--run-dir", str(killed)])
        goal = 1 + last_step * (kill + 1) // 12
        wait_for_step(process, killed, goal)
        time.sleep(rng.random() * 0.05)
        os.kill(process.pid, signal.SIGKILL)
        output, _ = process.communicate()
        starts.append(output)
        if kill == 5:
            damaged = damage(killed)
    assert "is damaged" in starts[6]
    assert f"damaged-{damaged}" in starts[6]
    assert "going on from step-" in starts[6]
    finish(start(["--resume", str(killed)]))

    (weights, state, numbers), reference = final_state(killed), final_state(straight)
    assert weights == reference[0]
    assert same(state, reference[1])
    assert numbers == reference[2]
