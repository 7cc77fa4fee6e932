import os
import signal
import time

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.config.data import DatasetConfig
from graphium.errors import StoreError, UsageError
from graphium.store import owner, prepare
from graphium.store.commit import commit_store
from graphium.store.layout import COMMITS, MANIFEST, OWNERS, PARTS, SEGMENTS
from graphium.store.owner import machine_name, own_name
from graphium.store.parts import prepare_part
from graphium.store.pool import WorkerPool
from graphium.store.portions import Division, Part
from graphium.store.prepare import agree_on_plan, prepare_dataset, store_of
from graphium.store.read import open_store
from graphium.store.records import Plan
from graphium.store.source import find_source
from graphium.store.verify import verify_store

ELSEWHERE = "0123abcd-4321-89ef0000"
"""A writer of another machine."""


def digests(store):
    return {name: array.sha256 for name, array in open_store(store).record.arrays.items()}


def plan_segments(config, root, rows=17):
    """Do what the first of all parts does, with segments that are small enough for a test."""
    source = find_source(config)
    store = store_of(config, source, root)
    with WorkerPool(1) as pool, own_name(store) as writer:
        agree_on_plan(config, source, pool, rows, store, writer)
    return store


def make(config, root, number, count=3):
    division = Division("graphium data prepare table.parquet", "/work folder", count)
    reports = prepare_part({"all": config}, root, Part(number, count), division, workers=1)
    return reports["all"]


@pytest.fixture
def long_table(tmp_path):
    """Eight segments of 80 rows."""
    smiles = [f"{'C' * (k % 20 + 1)}N{'C' * (k // 40 + 1)}" for k in range(640)]
    path = tmp_path / "long.csv"
    pd.DataFrame({"smiles": smiles, "y": range(640)}).to_csv(path, index=False)
    return path


@pytest.fixture
def start_part(preparers):
    """Start the command that makes one of two parts."""
    started = []
    main = "import sys; from graphium.cli.main import main; main(sys.argv[1:])"

    def start(table, root, number):
        words = ["data", "prepare", str(table), "--store", str(root), "--part", f"{number}/2"]
        process = preparers.of(os.environ).start(main, words, workers=True)
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()


@pytest.fixture
def store(config, tmp_path):
    return plan_segments(config, tmp_path)


def test_parts_in_any_order_make_the_store_of_one_process(config, store, store_dir, tmp_path):
    missing = [make(config, tmp_path, number).missing for number in (3, 1, 1, 2)]
    assert missing == [(0, 1, 2), (2,), (2,), ()]
    assert not (store / MANIFEST).exists()

    commit_store(store)

    assert digests(store) == digests(store_dir)
    assert verify_store(store) == []
    assert make(config, tmp_path, 2).missing == ()
    commit_store(store)
    assert verify_store(store) == []


def test_parts_may_be_divided_differently_and_finished_by_a_preparation(
    config, store, store_dir, tmp_path
):
    make(config, tmp_path, 2, 2)
    make(config, tmp_path, 1, 4)

    assert prepare_dataset("all", config, tmp_path, workers=1) == store
    assert digests(store) == digests(store_dir)
    assert verify_store(store) == []


def test_a_store_with_missing_segments_is_not_committed_but_told_how_to_go_on(
    config, store, tmp_path
):
    with pytest.raises(StoreError, match=r"4 of its 4 .*missing \(0-3\)\. Run .*all-levels"):
        commit_store(store)
    make(config, tmp_path, 2)

    with pytest.raises(StoreError) as refusal:
        commit_store(store)

    message = str(refusal.value)
    assert "3 of its 4 segments are missing (0-1, 3)" in message
    assert "called in /work folder" in message
    assert message.endswith(
        "  graphium data prepare table.parquet --part 1/3\n"
        "  graphium data prepare table.parquet --part 3/3"
    )
    with pytest.raises(StoreError, match="not the folder of a store that is being prepared"):
        commit_store(tmp_path)


def test_a_part_that_is_killed_can_be_made_again_while_another_is_made(
    long_table, start_part, tmp_path
):
    config = DatasetConfig(table=str(long_table))
    store = plan_segments(config, tmp_path, 80)
    killed = start_part(long_table, tmp_path, 1)
    deadline = time.monotonic() + 60
    while not list(store.glob(f"{SEGMENTS}/*")):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    killed.send_signal(signal.SIGKILL)
    killed.wait()

    parts = [start_part(long_table, tmp_path, number) for number in (1, 2)]

    assert [part.wait() for part in parts] == [0, 0]
    commit_store(store)
    serial = prepare_dataset("x", config, tmp_path / "serial", workers=1, segment_rows=80)
    assert digests(store) == digests(serial)
    assert verify_store(store) == []


def test_the_writer_of_another_machine_is_left_alone_until_nobody_needs_it(config, store, tmp_path):
    def leave(*, here):
        name = ELSEWHERE if not here else f"{machine_name()}-4321-89ef0000"
        (store / OWNERS).mkdir(exist_ok=True)
        left = [
            store / OWNERS / f"{name}.lock",
            store / SEGMENTS / f"00003-{name}" / "zarr.json",
            store / COMMITS / f".tmp-{name}-00003.json",
        ]
        for path in left:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.touch()
        return left

    there, here = leave(here=False), leave(here=True)

    make(config, tmp_path, 1, 1)
    assert [path.exists() for path in there] == [True] * 3
    assert [path.exists() for path in here] == [False] * 3

    commit_store(store)
    assert [path.exists() for path in there] == [False] * 3
    assert verify_store(store) == []
    assert not (store / OWNERS).exists()
    assert not (store / PARTS).exists()


def test_who_loses_its_files_because_another_machine_has_finished_ends_well(
    config, store, store_dir, tmp_path, monkeypatch
):
    write = prepare.write_segments

    def be_overtaken(*arguments):
        with monkeypatch.context() as other:
            other.setattr(prepare, "write_segments", write)
            other.setattr(owner, "machine_name", lambda: "0123abcd")
            prepare_dataset("all", config, tmp_path, workers=1)
        write(*arguments)
        raise StoreError("segment 3 could not be written: its folder has gone")

    monkeypatch.setattr(prepare, "write_segments", be_overtaken)

    assert prepare_dataset("all", config, tmp_path, workers=1) == store
    assert digests(store) == digests(store_dir)
    assert verify_store(store) == []


def test_a_file_system_without_locks_loses_no_writer(config, store, tmp_path, monkeypatch):
    def refuse(*_):
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr(owner.fcntl, "flock", refuse)
    with own_name(store):
        (lock,) = (store / OWNERS).iterdir()
        owner.remove_dead_writers(store)
        assert lock.exists()
    make(config, tmp_path, 1, 1)
    commit_store(store)
    assert verify_store(store) == []


@given(st.integers(1, 2_000), st.integers(1, 100))
def test_each_segment_is_in_one_part_and_parts_are_even(segments, count):
    plan = Plan(
        source="t.csv",
        source_sha256="",
        smiles="smiles",
        rows=10 * segments - 3,
        segment_rows=10,
        columns=(),
        skipped={},
        infinite={},
        computed=(),
        versions={},
    )

    parts = [Part(number, count).segments(plan) for number in range(1, count + 1)]

    assert [one for part in parts for one in part] == list(range(segments))
    sizes = [len(part) for part in parts]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize("text", ["", "1", "0/3", "4/3", "1/0", "a/b", "1/3/4", "-1/3", "1.0/2"])
def test_a_part_is_given_as_k_of_n(text):
    assert Part.parse("2/3") == Part(2, 3)
    with pytest.raises(UsageError, match="it is K/N, part K of N, counted from 1"):
        Part.parse(text)
