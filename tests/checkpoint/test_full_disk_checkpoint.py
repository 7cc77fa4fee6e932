"""A checkpoint that cannot be written: those before it stay, and the message says what to do."""

import errno
import os

import pytest
from checkpoints import RECORD, small_training, small_weights, write_small

from graphium.checkpoint import save
from graphium.checkpoint.load import verify_checkpoint
from graphium.errors import CheckpointError

WRITES = 5
"""Files of a checkpoint."""


@pytest.mark.parametrize("number", range(WRITES))
@pytest.mark.parametrize("reason", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_the_checkpoint_before_stays_and_nothing_else_is_left(
    tmp_path, monkeypatch, number, reason
):
    write_small(tmp_path / "step-1", seed=1)
    calls = []
    original = save._write

    def write(path, content):
        calls.append(path)
        if len(calls) == number + 1:
            path.write_bytes(content[: len(content) // 2])
            raise OSError(reason, os.strerror(reason), str(path))
        original(path, content)

    monkeypatch.setattr(save, "_write", write)
    for name in ("step-2", "step-1"):  # a new one, and one of the same name
        calls.clear()
        with pytest.raises(CheckpointError, match=r"could not be written.*--resume") as error:
            save.write_checkpoint(tmp_path / name, RECORD, small_weights(2), small_training())
        if reason == errno.ENOSPC:
            assert "no space is left" in str(error.value)
            assert "about 60 bytes are needed" in str(error.value)
    assert os.listdir(tmp_path) == ["step-1"]
    assert verify_checkpoint(tmp_path / "step-1") == []
