"""A path means a checkpoint, or the message says what is there instead."""

import pytest
from checkpoints import write_small

from graphium.checkpoint.load import find_checkpoint
from graphium.checkpoint.save import point
from graphium.errors import CheckpointError


@pytest.fixture
def run(tmp_path):
    run = tmp_path / "runs" / "demo" / "2026-01-01"
    write_small(run / "checkpoints" / "step-1")
    write_small(run / "checkpoints" / "step-2")
    point(run / "checkpoints" / "best", run / "checkpoints" / "step-1")
    point(run / "checkpoints" / "last", run / "checkpoints" / "step-2")
    return run


def test_a_run_directory_means_its_best_checkpoint(run):
    for path in (run, run / "checkpoints", run / "checkpoints" / "best"):
        assert find_checkpoint(path) == (run / "checkpoints" / "step-1").resolve()


def test_a_checkpoint_means_itself(run):
    assert find_checkpoint(run / "checkpoints" / "last").name == "step-2"


def test_a_run_without_best_names_its_checkpoints(run):
    (run / "checkpoints" / "best").unlink()

    with pytest.raises(CheckpointError, match=r"no checkpoints/best.*checkpoints/last"):
        find_checkpoint(run)


def test_a_folder_of_runs_names_their_checkpoints(run):
    with pytest.raises(CheckpointError, match=r"2026-01-01/checkpoints/best"):
        find_checkpoint(run.parent)


def test_a_misspelt_path_gets_a_suggestion(run):
    with pytest.raises(CheckpointError, match=r"did you mean .2026-01-01.\?"):
        find_checkpoint(run.parent / "2026-01-02")


def test_a_path_to_nowhere_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="there is no checkpoint"):
        find_checkpoint(tmp_path / "no" / "where")


def test_a_pickled_checkpoint_is_refused(tmp_path):
    (tmp_path / "model.ckpt").write_bytes(b"x")
    with pytest.raises(CheckpointError, match="reads no pickled"):
        find_checkpoint(tmp_path / "model.ckpt")


def test_a_folder_of_something_else_is_refused(tmp_path):
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a run"):
        find_checkpoint(tmp_path)
