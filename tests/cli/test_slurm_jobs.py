"""graphium slurm: jobs that train on several machines, and come back when their time is over."""

import os
import signal
import sys
from pathlib import Path

import pytest
from fake_slurm import install
from rank_processes import TRAIN, finish, newest_step, start, until, write_experiment

pytestmark = [pytest.mark.dist, pytest.mark.slow]

SLURM = [sys.executable, "-c", "from graphium.cli.main import main; main()", "slurm"]
RESOURCES = ["--gpus-per-node", "0", "--cpus-per-task", "1", "--submit"]


@pytest.fixture
def cluster(tmp_path: Path) -> dict[str, str]:
    return install(tmp_path / "slurm")


def ended(folder: Path, job: str) -> bool:
    return (folder / "slurm" / f"ended-{job}").exists()


def test_a_job_on_two_machines_comes_back_and_ends_as_if_it_had_never_left(tmp_path, cluster):
    experiment = write_experiment(tmp_path)
    epochs = "trainer.max_epochs=40"
    words = [epochs, "--nodes", "2", *RESOURCES, "--run-dir", "job"]
    said = finish(start(SLURM, experiment, *words, folder=tmp_path, **cluster))
    assert "to be prepared first: dataset 'd'" in said
    assert "2 machine(s) with 1 CPU processes: 2 ranks of 3 molecules a step" in said

    until(lambda: newest_step(tmp_path / "job") > 6)
    for pid in (tmp_path / "slurm" / "tasks").read_text().split():
        os.kill(int(pid), signal.SIGUSR1)
    until(lambda: ended(tmp_path, "4001"), 200)

    log = (tmp_path / "job.log").read_text()
    assert (tmp_path / "slurm" / "ended-4001").read_text() == "0", log
    assert (tmp_path / "slurm" / "requeued").read_text() == "4001\n"  # once, by one rank
    assert log.count("stopped on request after step ") == 1
    assert "goes back into the queue" in log
    own = ["trainer.devices=2", "--run-dir", "straight", "--no-prepare"]
    finish(start(TRAIN, experiment, epochs, *own, folder=tmp_path))
    weights = [
        (tmp_path / run / "checkpoints/last/model.safetensors").read_bytes()
        for run in ("job", "straight")
    ]
    assert weights[0] == weights[1]


def test_an_array_trains_each_seed_and_names_its_own_task_when_it_comes_back(tmp_path, cluster):
    experiment = write_experiment(tmp_path)
    words = ["trainer.max_epochs=30", "--array", "2", *RESOURCES, "--run-dir", "seeds"]
    finish(start(SLURM, experiment, *words, folder=tmp_path, **cluster))

    until(lambda: newest_step(tmp_path / "seeds" / "ranks-43") > 6, 200)
    (pid,) = (tmp_path / "slurm" / "tasks").read_text().split()
    os.kill(int(pid), signal.SIGUSR1)
    until(lambda: ended(tmp_path, "4001"), 200)

    log = (tmp_path / "seeds.1.log").read_text()
    assert (tmp_path / "slurm" / "ended-4001").read_text() == "0", log
    assert (tmp_path / "slurm" / "requeued").read_text() == "4001_1\n"
    runs = [tmp_path / "seeds" / f"ranks-{seed}" for seed in (42, 43)]
    assert all((run / "results.json").exists() for run in runs)
    weights = [(run / "checkpoints/last/model.safetensors").read_bytes() for run in runs]
    assert weights[0] != weights[1]
