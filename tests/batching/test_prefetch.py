"""Batches made ahead in a thread are the same batches, and the thread never outlives its use."""

import subprocess
import sys
import threading
import traceback
from functools import partial

import pytest

from graphium.batching.prefetch import made_ahead


def workers():
    return [one for one in threading.enumerate() if one.name.startswith("graphium-batches")]


@pytest.fixture(autouse=True)
def no_thread_is_left():
    yield
    for thread in workers():
        thread.join(5)
        assert not thread.is_alive()


def squares(count, started):
    """Jobs that note when they run."""

    def square(number):
        started.append(number)
        return number * number

    return [partial(square, number) for number in range(count)]


@pytest.mark.parametrize("depth", [0, 1, 3, 100])
@pytest.mark.parametrize("count", [0, 1, 7])
def test_results_come_in_order_whatever_is_made_ahead(count, depth):
    started = []

    assert list(made_ahead(squares(count, started), depth)) == [n * n for n in range(count)]
    assert started == list(range(count))


@pytest.mark.parametrize("depth", [0, 1, 3])
def test_no_more_results_are_made_than_may_lie_ready(depth):
    started = []
    results = made_ahead(squares(20, started), depth)

    for taken in range(10):
        next(results)
        assert len(started) <= taken + 1 + depth
    results.close()

    for thread in workers():
        thread.join(5)
    assert len(started) <= 10 + depth


def test_the_next_result_is_made_while_the_consumer_holds_one():
    made = [threading.Event() for _ in range(3)]
    results = made_ahead([one.set for one in made], 1)

    next(results)

    assert made[1].wait(5)
    assert not made[2].is_set()
    results.close()


def divide(number):
    return 6 // number


def test_an_error_is_raised_in_its_turn_with_the_traceback_of_its_job():
    results = made_ahead([partial(divide, number) for number in (2, 1, 0, 3)], 3)

    assert [next(results), next(results)] == [3, 6]
    with pytest.raises(ZeroDivisionError) as caught:
        next(results)

    frames = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert frames[-1] == "divide"
    assert frames[0] == "test_an_error_is_raised_in_its_turn_with_the_traceback_of_its_job"


def test_an_error_of_the_consumer_ends_the_thread():
    started = []

    def consume():
        for _ in made_ahead(squares(1000, started), 2):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        consume()

    assert len(started) <= 3


def test_two_passes_at_once_do_not_disturb_each_other():
    one, other = (made_ahead(squares(5, []), 2) for _ in range(2))

    assert list(zip(one, other, strict=True)) == [(n * n, n * n) for n in range(5)]


def test_the_thread_begins_as_it_is_told():
    names = []
    results = made_ahead(
        [lambda: threading.current_thread().name] * 3, 1, begin=lambda: names.append(0)
    )

    assert len(set(results)) == 1
    assert names == [0]


def test_a_program_ends_though_an_iterator_was_left_open():
    code = (
        "import sys, time\n"
        "from graphium.batching.prefetch import made_ahead\n"
        "jobs = [lambda: 1] * 1000\n"
        "kept = made_ahead(jobs, 3)\n"
        "next(kept)\n"
        "print('end')\n"
    )

    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, text=True)

    assert (done.returncode, done.stdout, done.stderr) == (0, "end\n", "")
