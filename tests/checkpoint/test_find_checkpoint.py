"""A path means a checkpoint, or the message says what is there instead."""

import os
from pathlib import Path

import pytest
from checkpoints import write_small

from graphium.checkpoint.format import MANIFEST
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

    with pytest.raises(CheckpointError, match=r"(?s)no checkpoints/best.*checkpoints/last"):
        find_checkpoint(run)


@pytest.mark.parametrize("up", [1, 2, 3])
def test_a_folder_of_runs_names_each_run_once_newest_first(run, up):
    for day in range(2, 15):
        newer = run.parent / f"2026-01-{day:02}" / "checkpoints" / "step-1"
        write_small(newer)
        point(newer.parent / "best", newer)
        os.utime(newer / MANIFEST, (day * 1e9, day * 1e9))
    (run.parent / "2026-01-03" / "checkpoints" / "best").unlink()  # stopped early
    for manifest in run.glob(f"checkpoints/step-*/{MANIFEST}"):
        os.utime(manifest, (1e9, 1e9))

    with pytest.raises(CheckpointError) as error:
        find_checkpoint(run.parents[up - 1])

    head, *lines = str(error.value).split("\n  ")
    assert head.endswith("give one of those inside it (newest first):")
    newest = [str(run.parent / f"2026-01-{day:02}") for day in range(14, 4, -1)]
    assert lines == [*newest, "and 4 more"]
    for line in newest:
        assert find_checkpoint(Path(line)).name == "step-1"


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
    (tmp_path / "store").mkdir()
    (tmp_path / "store" / MANIFEST).write_text("{}")
    with pytest.raises(CheckpointError, match="neither a checkpoint nor a run"):
        find_checkpoint(tmp_path)
