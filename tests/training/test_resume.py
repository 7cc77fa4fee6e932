"""A run that is killed and resumed ends in the same bits as one that never was."""

import csv
import os
import random
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from warm_start import Forked, Templates

from graphium.checkpoint.load import find_checkpoint, read_training
from graphium.training.progress import OF_MACHINE

SMILES = """
CCO CC(=O)O c1ccccc1 CCN CCCC CC(C)O OCCO c1ccncc1 CC#N C=CC CCOC(=O)C Cc1ccccc1 CCCl CC=O C1CCCCC1
NCC(=O)O CSC CCBr O=C=O C FC(F)F c1ccc(O)cc1 CC(C)(C)O CNC OC1CCCC1 N#CCO CCS c1ccoc1 CCCO CCCCO
""".split()  # noqa: SIM905  # a list of quoted SMILES reads worse


@pytest.fixture
def experiment(tmp_path: Path) -> Path:
    """A small experiment with everything that has a memory of its own."""
    rows = [
        {"smiles": s, "a": len(s) * 0.5 if i % 3 else "", "b": int("O" in s)}
        for i, s in enumerate(SMILES * 2)
    ]
    with (tmp_path / "table.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, ["smiles", "a", "b"])
        writer.writeheader()
        writer.writerows(rows)
    path = tmp_path / "experiment.yaml"
    path.write_text(
        f"""
name: resumed
datasets:
  d: {{table: {tmp_path}/table.csv}}
tasks:
  a: {{dataset: d, labels: [a], loss: mae}}
  b: {{dataset: d, labels: [b], loss: bce}}
model:
  trunk: {{kind: gine, depth: 2, width: 16, dropout: 0.2}}
batch: {{size: 6, accumulate: 2}}
optimizer: {{kind: muon, ema_decay: 0.9, schedule: plateau, plateau: {{patience: 0}}}}
trainer:
  {{max_epochs: 6, threads: 1, accelerator: cpu, checkpoint_every_steps: 1, validate_every: 2}}
"""
    )
    return path


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


def final_state(run: Path):
    """The weights and optimiser of the last checkpoint, and every number but the speed."""
    checkpoint = find_checkpoint(run / "checkpoints" / "last")
    files = {name: (checkpoint / name).read_bytes() for name in ("model.safetensors",)}
    best = run / "checkpoints" / "best"
    files |= {
        "best": best.resolve().name,
        "best weights": (best / "model.safetensors").read_bytes(),
    }
    files |= {str(p.relative_to(run)): p.read_bytes() for p in run.glob("predictions/*/*.csv")}
    with (run / "metrics.csv").open(newline="") as file:
        numbers = [row for row in csv.DictReader(file) if row["metric"] not in OF_MACHINE]
    training = read_training(checkpoint)
    kept = ("optimizer_states", "trained_weights", "plateau")
    return files, {name: training[name] for name in kept}, numbers


def same(a, b) -> bool:
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(same(x, y) for x, y in zip(a, b, strict=True))
    if hasattr(a, "equal"):
        return a.equal(b)
    return a == b


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


def damage(run: Path) -> str:
    """Flip one bit of the newest checkpoint's weights; return its name."""
    newest = (run / "checkpoints" / "last").resolve()
    path = newest / "training.safetensors"
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    return newest.name


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
        process = start(resume or [str(experiment), "--run-dir", str(killed)], tmp_path)
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
