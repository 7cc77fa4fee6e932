import mmap

import numpy as np
import pytest

from graphium.errors import UsageError
from graphium.molecules import parse
from graphium.molecules.featurize import featurize_chunk
from graphium.store.limits import Limits
from graphium.store.watch import BEAT, IDLE, SOME, Watch

TEXTS = ["C", "CC", None, "CCC"]


@pytest.fixture
def beat():
    return mmap.mmap(-1, BEAT.size)


@pytest.fixture
def watch(beat):
    return Watch(beat, 4.0, {})


def seen(beat):
    return BEAT.unpack(beat)[0]


def test_the_row_that_is_worked_on_can_be_read_from_outside(watch, beat):
    with watch.working():
        assert seen(beat) == SOME
        rows = [(text, seen(beat)) for text in watch.over(TEXTS, [5, 6, 9, 11])]
        assert rows == [("C", 5), ("CC", 6), (None, 9), ("CCC", 11)]
        assert seen(beat) == SOME
    assert seen(beat) == IDLE


def test_watched_rows_are_the_same_sequence(watch, beat):
    rows = watch.over(TEXTS, range(4))

    assert list(rows) == TEXTS
    assert len(rows) == 4
    assert list(rows[1:3]) == TEXTS[1:3]
    assert [seen(beat) for _ in rows[2:]] == [2, 3]
    assert rows[3] == "CCC"
    assert seen(beat) == 3


def test_a_pass_inside_a_row_belongs_to_that_row(watch, beat):
    rows = watch.over(TEXTS, range(4))
    for row, _ in enumerate(rows):
        list(rows)
        assert seen(beat) == row
    assert seen(beat) == SOME


@pytest.mark.parametrize("ranks", [False, True])
def test_while_a_molecule_is_parsed_its_row_is_named(watch, beat, monkeypatch, ranks):
    seen = []
    for name in ("_read_plain", "_read_any"):
        read = getattr(parse, name)

        def spy(text, *options, read=read):
            seen.append((BEAT.unpack_from(beat)[0], text))
            return read(text, *options)

        monkeypatch.setattr(parse, name, spy)
    featurize_chunk(watch.over(["C", "[NH4+]", "CC", "[Fe]"], [7, 8, 9, 11]), ranks=ranks)
    assert seen == [(7, "C"), (8, "[NH4+]"), (9, "CC"), (11, "[Fe]")]


def test_two_passes_side_by_side_end_with_no_row(watch, beat):
    rows = watch.over(TEXTS, range(4))
    for row, _ in enumerate(zip(rows, map(str, rows), strict=True)):
        assert seen(beat) == row
    assert seen(beat) == SOME


def test_memory_is_bounded_while_rows_are_worked_on_and_only_then(beat):
    watch = Watch(beat, 0.5, {})

    def take(size):
        with watch.working():
            watch.at(7)
            np.empty(size, np.uint8)

    take(1 << 28)
    with pytest.raises(MemoryError):
        take(1 << 30)

    assert seen(beat) == 7
    assert len(np.empty(1 << 30, np.uint8)) == 1 << 30


@pytest.mark.parametrize("memory", [1e12, float("inf")])
def test_more_memory_than_there_can_be_is_no_bound(beat, memory):
    with Watch(beat, memory, {}).working():
        assert len(np.empty(1 << 20, np.uint8)) == 1 << 20


@pytest.mark.parametrize("value", [0.0, -1.0, float("nan")])
@pytest.mark.parametrize("name", ["row_timeout", "worker_memory"])
def test_limits_under_which_no_row_can_be_read_are_refused(name, value):
    with pytest.raises(UsageError, match=f"{name} is {value}"):
        Limits(**{name: value})


def test_a_silent_watch_leaves_the_row_that_was_named(watch, beat):
    watch.at(3)
    list(watch.silent().over(TEXTS, range(4)))
    assert seen(beat) == 3
