"""Several ranks that cannot begin say why once, and leave no folder that is in the way."""

import os
import sys

import pytest
from forked_runs import ForkedRuns
from rank_processes import TRAIN, finish, start, write_experiment

pytestmark = [
    pytest.mark.slow,
    pytest.mark.dist,
    pytest.mark.skipif(sys.platform != "linux", reason="waits for children of children"),
]

DIES = """
import os, signal, sys

class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == "torch" and os.environ.get("RANK") == "1":
            os.kill(os.getpid(), signal.SIGKILL)

sys.meta_path.insert(0, Finder())
"""
NO_VAL = ["datasets.d.split.fractions=[0.9, 0.0, 0.1]", "optimizer.schedule=plateau"]


@pytest.mark.parametrize("by", ["command", "srun"])
def test_a_start_that_fails_on_all_ranks_is_told_once_and_leaves_no_folder(tmp_path, by):
    words = [write_experiment(tmp_path), "--run-dir", "run"]
    words += ["trainer.devices=2"] if by == "command" else []
    mistakes = [
        (["tasks.a.labels=[nothing]"], "nothing", 3),
        (["trainer.precision=16-mixed"], "which CPUs do not compute in", 2),
        (NO_VAL, "no molecule of val has a label", 3),
    ]
    with ForkedRuns(tmp_path) as runs:
        for mistake, message, expected in mistakes:
            code, said = runs.run(*words, *mistake, srun=by == "srun")
            assert code == expected, said
            assert said.count("error: ") == 1
            assert message in said
            assert not (tmp_path / "run").exists()
        code, said = runs.run(*words, srun=by == "srun")
        assert code == 0, said


def test_a_rank_that_dies_while_it_starts_leaves_no_folder(tmp_path):
    site = tmp_path / "early"
    site.mkdir()
    (site / "sitecustomize.py").write_text(DIES)
    path = os.pathsep.join([str(site), os.environ.get("PYTHONPATH", "")])
    words = [write_experiment(tmp_path), "trainer.devices=2", "--run-dir", "run"]
    process = start(TRAIN, *words, folder=tmp_path, PYTHONPATH=path)
    assert "rank 1 was ended by SIGKILL" in finish(process, code=1, seconds=300)
    assert not (tmp_path / "run").exists()


def test_a_folder_that_was_begun_and_has_no_checkpoint_says_how_to_use_it(tmp_path):
    words = [write_experiment(tmp_path), "--run-dir", "run"]
    with ForkedRuns(tmp_path) as runs:
        code, said = runs.run(*words, moment="graphium.training.run:open_data")
        assert code == -9, said
        code, said = runs.run(*words)
        assert code == 2
        assert "it has no checkpoint yet" in said
        code, said = runs.run(*words, "--auto-resume")
        assert code == 0, said
