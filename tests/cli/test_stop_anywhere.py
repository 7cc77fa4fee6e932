"""A run that is asked to make room ends soon with code 75 wherever it is, and comes back once."""

import os
import sys
from pathlib import Path

import pytest
from fake_slurm import install
from forked_runs import ForkedRuns
from rank_processes import finish, start, write_experiment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="waits for children of children"),
]

COMMAND = [
    sys.executable, "-c", "from graphium.cli.start import graphium_train; graphium_train()"
]  # fmt: skip
WORKING = "graphium.store.pool:wait"
PREPARING = "graphium.store.prepare:finish_store"
OPENING = "graphium.training.run:open_data"
EVALUATING = "graphium.training.run:write_predictions"
BETWEEN_PARTS = "graphium.training.run:chosen_thresholds"
ENDING = "graphium.apply.summary:summarize_run"
JOB = "77"

ON_IMPORT = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        here = name, os.environ.get("RANK", "")
        if here == (os.environ["AT_IMPORT_OF"], os.environ["BY_RANK"]):
            sys.meta_path.remove(self)
            os.kill(os.getpid(), signal.SIGUSR1)

sys.meta_path.insert(0, Finder())
"""
"""Python reads it at its start."""


class Cluster:
    """Where runs are, and the jobs that asked to come back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.variables = {**install(folder / "slurm"), "SLURM_JOB_ID": JOB}
        self.experiment = write_experiment(folder)

    def came_back(self) -> int:
        """How often since the last question."""
        file = self.folder / "slurm" / "requeued"
        jobs = file.read_text().split() if file.exists() else []
        file.unlink(missing_ok=True)
        assert set(jobs) <= {JOB}
        return len(jobs)


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def weights(run: Path) -> bytes:
    return (run / "checkpoints/last/model.safetensors").read_bytes()


def test_one_process_is_asked_wherever_it_is(cluster):
    words = [cluster.experiment, "--auto-resume", "--run-dir"]
    with ForkedRuns(cluster.folder, **cluster.variables) as runs:
        stops = [("SIGUSR1", WORKING), ("SIGTERM", PREPARING), ("SIGUSR1", PREPARING)]
        stops += [("SIGUSR1", OPENING)]
        stops += [("SIGTERM", EVALUATING), ("SIGUSR1", ENDING)]
        for name, moment in stops:
            code, said = runs.run(*words, "stopped", signal=name, moment=moment)
            assert code == 75, said
            assert said.count(f"stopped on request ({name})") == 1
            assert "Traceback" not in said
            assert cluster.came_back() == (name == "SIGUSR1")
            if moment == PREPARING:
                (store,) = (cluster.folder / "cache" / "stores").iterdir()
                assert (store / "commits" / "00000.json").exists()
                assert not (store / "MANIFEST.json").exists()
            assert (cluster.folder / "stopped").exists() == (moment in (EVALUATING, ENDING))
        code, said = runs.run(*words, "stopped")
        assert code == 0, said
        code, said = runs.run(*words, "straight")
        assert code == 0, said
    assert weights(cluster.folder / "stopped") == weights(cluster.folder / "straight")


@pytest.mark.dist
def test_two_ranks_are_asked_wherever_one_of_them_is(cluster):
    words = [cluster.experiment, "trainer.devices=2", "--auto-resume", "--run-dir", "run"]
    with ForkedRuns(cluster.folder, **cluster.variables) as runs:
        stops = [(0, OPENING), (1, OPENING), (0, EVALUATING), (1, BETWEEN_PARTS), (0, ENDING)]
        for who, moment in stops:
            code, said = runs.run(*words, signal="SIGUSR1", moment=moment, who=who)
            assert code == 75, said
            assert said.count("stopped on request (SIGUSR1)") == 1
            assert "Traceback" not in said
            assert cluster.came_back() == 1
            assert (cluster.folder / "run").exists() == (moment != OPENING)
        code, said = runs.run(*words)
        assert code == 0, said
        assert "is finished" in said


@pytest.mark.dist
def test_tasks_of_srun_are_asked_before_the_run_begins(cluster):
    words = [cluster.experiment, "--auto-resume", "--run-dir", "run"]
    begun = "graphium.cli.rank:run_as_rank"  # of the second rank, which follows
    with ForkedRuns(cluster.folder, **cluster.variables) as runs:
        for who, moment in ((0, PREPARING), (1, begun)):
            code, said = runs.run(*words, srun=True, signal="SIGUSR1", moment=moment, who=who)
            assert code == 75, said
            assert said.count("stopped on request (SIGUSR1)") == 1
            assert "Traceback" not in said
            assert cluster.came_back() == 1
            assert not (cluster.folder / "run").exists()
        code, said = runs.run(*words, srun=True)
        assert code == 0, said


@pytest.mark.parametrize("module", ["typer", "torch"])
def test_it_is_asked_while_it_starts(cluster, module):
    said = asked_on_import(cluster, module, "")
    assert "start the same command again" not in said  # it is done by the scheduler
    assert f"job {JOB} goes back into the queue" in said


@pytest.mark.dist
def test_a_rank_is_asked_before_it_can_answer(cluster):
    asked_on_import(cluster, "typer", "1", "trainer.devices=2")


def asked_on_import(cluster: Cluster, module: str, rank: str, *words: str) -> str:
    site = cluster.folder / "early"
    site.mkdir()
    (site / "sitecustomize.py").write_text(ON_IMPORT)
    more = {
        **cluster.variables,
        "PYTHONPATH": os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")]),
        "AT_IMPORT_OF": module,
        "BY_RANK": rank,
    }
    words = (*words, "--run-dir", "run")
    process = start(COMMAND, cluster.experiment, *words, folder=cluster.folder, **more)
    said = finish(process, code=75, seconds=300)
    assert said.count("stopped on request (SIGUSR1)") == 1
    assert "Traceback" not in said
    assert cluster.came_back() == 1
    assert not (cluster.folder / "run").exists()
    return said
