"""One process at a time works on a trial, whatever happens to the others."""

import json
import os
import signal
import subprocess
import sys

import pytest

from graphium.studies import claims
from graphium.studies.claims import claim, deaths_at, is_held

HOLD = """
import sys, time
from pathlib import Path
from graphium.studies.claims import claim
with claim(Path(sys.argv[1]), 7) as held:
    print(held is not None, flush=True)
    time.sleep(60)
"""


def test_one_alone_holds_it(tmp_path):
    with claim(tmp_path, 0) as first, claim(tmp_path, 0) as second:
        assert first is not None
        assert first.is_ours()
        assert second is None
        assert is_held(tmp_path)
    assert not is_held(tmp_path)
    with claim(tmp_path, 0) as third:
        assert third is not None
        assert not first.is_ours()
    assert deaths_at(tmp_path, 0) == 0


def test_what_a_killed_process_held_is_free_at_once(tmp_path):
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout.readline() == "True\n"
    assert is_held(tmp_path)
    os.kill(holder.pid, signal.SIGKILL)
    holder.communicate()
    assert not is_held(tmp_path)
    assert deaths_at(tmp_path, 7) == 1
    assert deaths_at(tmp_path, 8) == 0
    with claim(tmp_path, 7) as held:
        assert held is not None


def test_a_claim_of_another_machine_is_judged_by_its_signs_of_life(tmp_path, monkeypatch):
    (tmp_path / "1").write_text(json.dumps({"machine": "elsewhere", "pid": 1, "progress": 0}))
    assert is_held(tmp_path)
    long_ago = (tmp_path / "1").stat().st_mtime - claims.STALE - 1
    os.utime(tmp_path / "1", (long_ago, long_ago))
    assert not is_held(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["1"]


def test_a_holder_gives_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(claims, "BEAT", 0.01)
    with claim(tmp_path, 0) as held:
        os.utime(held.path, (1, 1))
        for _ in range(200):
            if held.path.stat().st_mtime > 1:
                return
            held.path.parent.joinpath("wait").touch()
            signal.sigtimedwait([], 0.01)
    pytest.fail("no sign of life")
