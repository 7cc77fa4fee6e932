"""Of many processes that need the same, one does it."""

import logging
import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from graphium.batching import turns
from graphium.batching.turns import turn

HOLD = """
import sys, time
from pathlib import Path
from graphium.batching.turns import turn
with turn(Path(sys.argv[1]), "holds"):
    print("held", flush=True)
    time.sleep(600)
"""


def test_the_body_runs_in_one_at_a_time(tmp_path):
    inside, most = [], []

    def work():
        for _ in range(5):
            with turn(tmp_path / "x.lock", "works"):
                inside.append(1)
                most.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(turns, "LOOK_EVERY", 0.001)
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    assert most == [1] * 20
    assert not (tmp_path / "x.lock").exists()


def test_who_waits_says_for_whom_and_goes_on_when_that_process_is_killed(
    tmp_path, monkeypatch, caplog
):
    lock = tmp_path / "x.lock"
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(lock)], stdout=subprocess.PIPE)
    assert holder.stdout.readline() == b"held\n"
    monkeypatch.setattr(turns, "SAY_AFTER", 0.05)
    killer = threading.Timer(0.4, os.kill, (holder.pid, signal.SIGKILL))
    killer.start()

    with caplog.at_level(logging.WARNING), turn(lock, "joins the stores"):
        killer.join()  # the turn came after the kill
        holder.wait()

    said = f"Waiting for process {holder.pid} of this machine, which joins the stores."
    assert said in caplog.text
    assert not lock.exists()
    holder.stdout.close()


def test_an_error_gives_the_turn_to_the_next(tmp_path):
    with pytest.raises(ZeroDivisionError), turn(tmp_path / "x.lock", "fails"):
        _ = 1 / 0

    with turn(tmp_path / "x.lock", "works"):
        assert (tmp_path / "x.lock").exists()


def test_where_there_are_no_locks_nobody_waits(tmp_path, monkeypatch, caplog):
    def refuse(handle, how):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(turns.fcntl, "flock", refuse)
    with turn(tmp_path / "x.lock", "works"), turn(tmp_path / "x.lock", "works"):
        assert "cannot be locked" in caplog.text
    (tmp_path / "file").write_text("in the way")
    with turn(tmp_path / "file" / "x.lock", "works"):
        pass
