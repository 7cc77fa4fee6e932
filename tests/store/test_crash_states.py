"""The power goes at any moment of a preparation: no state of the disk is silently wrong.

Real preparations are recorded, operation by operation, and every prefix is replayed with every
choice of what may be lost (``tests/support/crash_states.py`` states the model).
"""

import itertools
import os
import random
import shutil
from collections import Counter
from dataclasses import dataclass

import pytest
from crash_states import Cut, Disk, Tree, crash_states, show, tree_of
from in_process import InProcess, RacedInProcess, digests, prepare_here, small_table
from recorded_disk import Operation, Recorder

from graphium.errors import StoreError
from graphium.store.layout import MANIFEST, OWNERS, TEMPORARY
from graphium.store.read import open_store
from graphium.store.verify import verify_store

ROWS = 8
"""Of a segment; the table has two."""
SEGMENT_DEPTH = 4
"""Slashes in the path of a segment's folder."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A preparation, and what stood on the disk at its end."""

    operations: list[Operation]
    end: Tree
    store: str
    """Path of the store."""
    skip: int = 0
    """Operations of an earlier process, which was killed."""

    @property
    def manifest(self):
        return f"{self.store}/{MANIFEST}"

    @property
    def named(self):
        """What the manifest names, and itself."""
        left = (TEMPORARY, OWNERS)
        return {
            path: content
            for path, content in self.end.items()
            if content is not None and not any(part.startswith(left) for part in path.split("/"))
        }


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return small_table(tmp_path_factory.mktemp("tables") / "small.csv", 2 * ROWS)


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    return digests(prepare_here(table, tmp_path_factory.mktemp("root"), ROWS))


def record(table, top, runner=None, rows=ROWS):
    with Recorder(top) as recorder:
        path = prepare_here(table, top / "root", rows, runner or InProcess())
    return recorder.operations, path.relative_to(top).as_posix()


@pytest.fixture(scope="module")
def preparation(table, tmp_path_factory):
    top = tmp_path_factory.mktemp("recorded")
    operations, store = record(table, top)
    return Recorded(operations, tree_of(top), store)


def replayed(operations):
    disk = Disk()
    for operation in operations:
        disk.apply(operation)
    return disk


def continued(preparation, table, top, cut):
    """Record who goes on with a preparation that was killed, with nothing made durable since."""
    begun = preparation.operations[:cut]
    show(replayed(begun).tree(), top)
    operations, store = record(table, top)
    return Recorded([*begun, *operations], tree_of(top), store, skip=cut)


def naming(preparation, name):
    """Return how many operations there are up to that which gives a file or folder its name."""
    for count, one in enumerate(preparation.operations):
        path = one.other or one.path
        if path.split("/")[-1] == name and one.kind in ("mkdir", "link", "rename"):
            return count + 1
    raise AssertionError(name)


def judge(tree, recorded, expected, scratch):
    """Open what was left and read all of it.

    Returns:
        ``absent``: not finished, and refused as such; ``right``; ``refused``: finished, and
        refused as damaged; or ``WRONG``.
    """
    if recorded.manifest not in tree:
        return "absent"  # nothing else is looked at
    if all(tree.get(path) == content for path, content in recorded.named.items()):
        return "right"
    show(tree, scratch)
    try:
        store = open_store(scratch / recorded.store)
        store.graphs(), store.smiles(), store.rejects(), store.text("source")
        store.labels(["y", "active"])
        is_right = digests(scratch / recorded.store) == expected
    except StoreError:
        return "refused"
    finally:
        shutil.rmtree(scratch)
    return "right" if is_right else "WRONG"


def judge_all(recorded, expected, scratch):
    states = crash_states(recorded.operations, 0, recorded.skip)
    verdicts = Counter(judge(tree, recorded, expected, scratch) for _, tree in states)
    print(f"{verdicts.total()} states: {dict(verdicts)}")
    return verdicts


def assert_resumed(tree, table, top, undisturbed, monkeypatch):
    """Prepare again where the power was cut."""
    show(tree, top)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    store = prepare_here(table, top / "root", ROWS)
    monkeypatch.undo()
    assert digests(store) == undisturbed
    assert verify_store(store) == []
    assert not [path for path in top.rglob("*") if path.name.startswith((TEMPORARY, OWNERS))]
    shutil.rmtree(top)


def sample(recorded, each):
    """Choose states at random: some of each set of names outside of segments."""
    groups = {}
    for _, tree in crash_states(recorded.operations, 0, recorded.skip):
        kind = tuple(sorted(path for path in tree if path.count("/") <= SEGMENT_DEPTH))
        groups.setdefault(kind, []).append(tree)
    choose = random.Random(1)
    chosen = [choose.sample(group, min(each, len(group))) for group in groups.values()]
    print(f"{sum(map(len, chosen))} states of {len(groups)} kinds")
    return itertools.chain(*chosen)


def test_the_recorded_operations_are_all_there_were(preparation):
    assert replayed(preparation.operations).tree() == preparation.end


def test_a_finished_store_outlasts_a_cut(preparation):
    disk = replayed(preparation.operations)
    cut = Cut(frozenset(change for _, change in disk.pending), dict.fromkeys(disk.unsynced, "old"))

    assert preparation.named.items() <= disk.tree(cut).items()


def test_no_state_of_a_preparation_is_wrong_or_damaged(preparation, undisturbed, tmp_path):
    verdicts = judge_all(preparation, undisturbed, tmp_path / "scratch")

    assert verdicts.total() > 5_000
    assert set(verdicts) == {"absent", "right"}


@pytest.mark.parametrize("name", ["segments", "00000.json", "00001.json", MANIFEST])
def test_no_state_is_wrong_where_a_killed_preparation_is_continued(
    name, preparation, table, undisturbed, tmp_path
):
    """The first process leaves a name that is not durable; the second one must see to it."""
    recorded = continued(preparation, table, tmp_path / "top", naming(preparation, name))

    verdicts = judge_all(recorded, undisturbed, tmp_path / "scratch")

    assert set(verdicts) == {"absent", "right"}


def test_no_state_of_a_race_is_wrong(table, tmp_path):
    """Two processes make the only segment at the same time."""
    operations, store = record(table, tmp_path, RacedInProcess(), rows=2 * ROWS)
    recorded = Recorded(operations, tree_of(tmp_path), store)
    expected = digests(tmp_path / store)

    assert set(judge_all(recorded, expected, tmp_path / "scratch")) == {"absent", "right"}


def test_from_any_state_the_same_store_is_made(
    preparation, table, undisturbed, tmp_path, monkeypatch
):
    for tree in itertools.islice(sample(preparation, 1), 0, None, 3):
        assert_resumed(tree, table, tmp_path / "top", undisturbed, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", [None, "plan.json", "commits", "segments", "00000.json"])
def test_from_very_many_states_the_same_store_is_made(
    name, preparation, table, undisturbed, tmp_path, monkeypatch
):
    recorded = preparation
    if name is not None:
        cut = naming(preparation, name)
        recorded = continued(preparation, table, tmp_path / "first", cut)
    for tree in sample(recorded, 8):
        assert_resumed(tree, table, tmp_path / "top", undisturbed, monkeypatch)


def test_without_fsync_stores_are_damaged_and_still_refused(preparation, undisturbed, tmp_path):
    """The search can find something; and checksums alone keep what is wrong from being read."""
    operations = [one for one in preparation.operations if one.kind != "fsync"]
    weaker = Recorded(operations, preparation.end, preparation.store)
    skip = naming(weaker, MANIFEST)
    finished = [tree for _, tree in crash_states(operations, 0, skip) if weaker.manifest in tree]

    verdicts = Counter(
        judge(tree, weaker, undisturbed, tmp_path / "scratch")
        for tree in random.Random(0).sample(finished, 60)
    )

    assert verdicts["refused"] > 30
    assert verdicts["WRONG"] == 0
