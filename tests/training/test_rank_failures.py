"""A rank that raises, dies or hangs ends all ranks in time, and the first cause is said."""

import sys

import pytest
from rank_processes import (
    TORCHRUN,
    TRAIN,
    finish,
    has_checkpoint,
    hurt,
    is_running,
    rank_pids,
    start,
    until,
    write_experiment,
)

pytestmark = [
    pytest.mark.dist,
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="reads /proc"),
]

TIMEOUT = 6
"""Seconds of an exchange, instead of 300."""
WITHIN = 5


@pytest.mark.parametrize("launcher", ["own", "torchrun"])
@pytest.mark.parametrize("rank", [0, 1])
@pytest.mark.parametrize("how", ["raise", "kill", "stop"])
def test_a_rank_that_fails_ends_all(tmp_path, launcher, rank, how):
    experiment = write_experiment(tmp_path)
    options = ["trainer.max_epochs=100000", f"trainer.timeout={TIMEOUT}"]
    command = TORCHRUN if launcher == "torchrun" else [*TRAIN]
    options += [] if launcher == "torchrun" else ["trainer.devices=2"]
    process = start(command, experiment, *options, "--run-dir", "out", folder=tmp_path)
    until(lambda: has_checkpoint(tmp_path / "out") or process.poll() is not None)
    pids = rank_pids(process)
    assert pids.keys() == {0, 1}, process.communicate()

    hurt(how, rank, pids, tmp_path)

    others = [pid for other, pid in pids.items() if how != "stop" or other != rank]
    bound = WITHIN + (TIMEOUT if how == "stop" else 0)
    assert until(lambda: not any(map(is_running, others)), 60) < bound
    if launcher == "torchrun" and how == "stop":
        # torchrun itself waits half a minute for one that is stopped
        hurt("kill", rank, pids, tmp_path)
    output = finish(process, code=1)
    assert not any(map(is_running, pids.values()))
    said = {
        "raise": f"rank {rank} of 2 on ",
        "kill": f"rank {rank} of 2 has ended without a word",
        "stop": f"rank {1 - rank} of 2 on ",
    }
    assert said[how] in output
    assert ("PlannedError" in output) == (how == "raise")
    assert output.count("Traceback (most recent call last)") == (how != "kill") + (
        launcher == "torchrun"  # its own, behind ours
    )
