"""kill -9 at every step of writing, and at random: the next process makes the same store."""

import json
import os
import random
import signal
import time
from collections import Counter
from contextlib import suppress

import pytest
from fault_server import FaultServer
from in_process import digests, prepare_here, small_table

from graphium.config.data import DatasetConfig
from graphium.errors import StoreError
from graphium.store.fault_points import POINTS, VARIABLE
from graphium.store.layout import MANIFEST, OWNERS, TEMPORARY
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store
from graphium.store.verify import verify_store

ROWS = 10
"""Of a segment; the table has three."""
SCENARIOS = {"parts": "part", "segment": "race", "keys": "keys", "share": "grow"}
"""What passes the steps of these beginnings; all others are passed by every preparation."""


@pytest.fixture(scope="module")
def server():
    server = FaultServer()
    yield server
    server.close()


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return small_table(tmp_path_factory.mktemp("tables") / "small.csv", 30)


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    return digests(prepare_here(table, tmp_path_factory.mktemp("root"), ROWS))


@pytest.fixture(scope="module")
def passages(server, table, tmp_path_factory):
    """How often each step is passed by what passes it."""
    log = tmp_path_factory.mktemp("logs")
    found = {}
    for what in ("prepare", "part", "race", "keys", "grow"):
        root = log / what
        assert server.run(what, table, root, ROWS, log=str(log / f"{what}.log")) == 0
        found[what] = Counter((log / f"{what}.log").read_text().split())
    return found


def scenario(point):
    return SCENARIOS.get(point.split(".")[0], "prepare")


def left_over(root):
    return [path for path in root.rglob("*") if path.name.startswith((TEMPORARY, OWNERS))]


def assert_refused_or_right(root, undisturbed):
    for path in root.glob("stores/*"):
        if (path / MANIFEST).exists():
            if open_store(path).num_rows == 2 * ROWS:  # finished before the longer one was begun
                continue
            assert digests(path) == undisturbed
        else:
            with pytest.raises(StoreError, match="not finished"):
                open_store(path)


def test_every_step_that_is_passed_has_a_name_and_every_name_is_passed(passages):
    passed = set().union(*passages.values()) | {"dead.unfinished"}  # by who comes after a kill

    assert passed == set(POINTS)


@pytest.mark.parametrize("point", POINTS)
def test_who_is_killed_at_a_step_is_continued_to_the_same_store(
    point, server, table, undisturbed, passages, tmp_path
):
    root, log, what = tmp_path / "root", str(tmp_path / "log"), scenario(point)
    times = passages[what][point]
    if point == "dead.unfinished":
        died = {"log": log, "point": "tree.files", "at": 2, "kind": "kill"}
        assert server.run(what, table, root, ROWS, **died) == -signal.SIGKILL
        times = 1

    fault = {"log": log, "point": point, "at": times // 2 + 1, "kind": "kill"}
    assert server.run(what, table, root, ROWS, **fault) == -signal.SIGKILL

    assert_refused_or_right(root, undisturbed)
    assert server.run(what, table, root, ROWS) == 0
    *_, store = sorted((root / "stores").iterdir(), key=lambda one: open_store(one).num_rows)
    assert digests(store) == undisturbed
    for folder in (*root.glob("stores/*"), *root.glob("mixes/*")):
        assert verify_store(folder) == []
    assert left_over(root) == []


def test_25_random_kills_change_nothing(server, tmp_path):
    """Runs are killed and continued until 25 were hit; stores that get done are compared."""
    table = small_table(tmp_path / "table.csv", 120)
    expected = digests(prepare_here(table, tmp_path / "undisturbed", ROWS))
    choose = random.Random(0)
    kills = number = 0
    while kills < 25:
        root = tmp_path / f"root-{number}"
        number += 1
        status = -signal.SIGKILL
        while status != 0:
            process = server.start("prepare", table, root, ROWS)
            if kills < 25:
                time.sleep(choose.uniform(0.02, 0.4))
                with suppress(ProcessLookupError):  # it was faster
                    os.kill(process, signal.SIGKILL)
            status = server.wait()
            assert status in (0, -signal.SIGKILL)
            kills += status != 0
            assert_refused_or_right(root, expected)
        (store,) = (root / "stores").iterdir()
        assert digests(store) == expected
        assert verify_store(store) == []
        assert left_over(root) == []


@pytest.mark.parametrize("point", ["arrays.array", "tree.files", "record.linked", "record.durable"])
def test_a_worker_that_is_killed_at_a_step_is_replaced(
    point, table, undisturbed, monkeypatch, tmp_path
):
    """The process that prepares lives on, and another worker makes the segment again."""
    fault = {"log": str(tmp_path / "log"), "point": point, "at": 2, "kind": "kill"}
    monkeypatch.setenv(VARIABLE, json.dumps(fault))

    config = DatasetConfig(table=str(table))
    store = prepare_dataset("table", config, tmp_path / "root", workers=1, segment_rows=ROWS)

    assert (tmp_path / "log").read_text().split().count(point) > 2
    assert digests(store) == undisturbed
    assert verify_store(store) == []
    assert left_over(tmp_path / "root") == []
