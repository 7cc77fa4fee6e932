"""The order of streamed rows, without any store."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphium.batching.stream_rows import StreamRows
from graphium.batching.stream_sampler import StreamSampler
from graphium.errors import UsageError

SETTINGS = settings(max_examples=20, deadline=None)


@st.composite
def stores(draw):
    """One to three stores of one to twenty segments of one to fifty rows."""
    sizes = [
        draw(st.lists(st.integers(1, 50), min_size=1, max_size=20))
        for _ in range(draw(st.integers(1, 3)))
    ]
    flat = np.concatenate(sizes)
    starts = np.concatenate([[0], np.cumsum(flat)])
    seed = draw(st.integers(0, 2**16))
    part = np.random.default_rng(seed).choice([0, 0, 0, 1, 255], size=starts[-1])
    first_segments = np.concatenate([[0], np.cumsum([len(one) for one in sizes])])
    return StreamRows(first_segments, starts, part.astype(np.uint8))


def even_rows(segments, rows):
    part = np.zeros(segments * rows, np.uint8)
    return StreamRows(np.array([0, segments]), np.arange(segments + 1) * rows, part)


@SETTINGS
@given(stores(), st.integers(1, 64), st.integers(1, 8), st.integers(1, 3), st.integers(0, 3))
def test_every_row_is_seen_once_in_an_epoch_on_any_number_of_ranks(
    rows, size, world_size, accumulate, epoch
):
    one = StreamSampler(rows, size, 7, world_size, accumulate)
    positions = range(one.micro_batches_per_epoch)

    seen = [one.micro_batch(epoch, p, rank) for p in positions for rank in range(world_size)]

    everything = np.concatenate([np.zeros(0, np.int64), *seen])
    np.testing.assert_array_equal(np.sort(everything), np.flatnonzero(rows.part == 0))


@SETTINGS
@given(stores(), st.integers(1, 64), st.integers(2, 8), st.integers(1, 3))
def test_a_step_holds_the_same_rows_on_any_number_of_ranks(rows, size, world_size, accumulate):
    alone = StreamSampler(rows, size, 7)
    many = StreamSampler(rows, size, 7, world_size, accumulate)
    assert many.steps_per_epoch == alone.steps_per_epoch

    for step in range(min(alone.steps_per_epoch, 12)):
        shares = [
            many.micro_batch(1, step * accumulate + part, rank)
            for part in range(accumulate)
            for rank in range(world_size)
        ]
        whole = np.sort(alone.whole_step(1, step))
        np.testing.assert_array_equal(np.sort(np.concatenate(shares)), whole)
        np.testing.assert_array_equal(np.sort(many.whole_step(1, step * accumulate)), whole)


@SETTINGS
@given(stores(), st.integers(1, 64))
def test_steps_differ_by_less_than_the_lanes(rows, size):
    one = StreamSampler(rows, size, 7)
    sizes = [len(one.whole_step(0, step)) for step in range(one.steps_per_epoch)]
    mean = sum(sizes) / max(len(sizes), 1)

    assert all(abs(each - mean) < 8 * rows.num_stores for each in sizes)


@pytest.mark.parametrize(("segments", "rows"), [(8, 30), (16, 41), (80, 100)])
def test_steps_of_equal_lanes_differ_by_one_row(segments, rows):
    one = StreamSampler(even_rows(segments, rows), 32, 7)
    sizes = {len(one.whole_step(0, step)) for step in range(one.steps_per_epoch)}

    assert max(sizes) - min(sizes) <= 1
    assert max(sizes) <= 32


def test_steps_of_several_tables_hold_rows_of_each():
    rows = StreamRows(
        np.array([0, 40, 42]),
        np.concatenate([np.arange(41) * 100, [4100, 4200]]),
        np.zeros(4200, np.uint8),
    )
    one = StreamSampler(rows, 210, 7)
    small = [int((one.whole_step(0, step) >= 4000).sum()) for step in range(one.steps_per_epoch)]

    assert min(small) >= 5  # 10 on average
    assert max(small) <= 18


def test_epochs_and_seeds_have_their_own_orders_and_rows_of_a_step_come_from_many_segments():
    rows = even_rows(32, 100)
    steps = [
        StreamSampler(rows, 128, seed).whole_step(epoch, 3).tolist()
        for seed, epoch in ((1, 0), (1, 1), (2, 0))
    ]

    assert len({tuple(step) for step in steps}) == 3
    assert all(len(np.unique(rows.segments_of(np.array(step)))) >= 8 for step in steps)


def test_a_rank_reads_no_segment_of_another_and_knows_what_it_reads_next():
    rows = even_rows(64, 50)
    one = StreamSampler(rows, 40, 7, world_size=2)
    read = []
    for rank in range(2):
        held, foretold = [], set()
        for position in range(one.micro_batches_per_epoch):
            batch = one.micro_batch(0, position, rank)
            new = set(rows.segments_of(batch).tolist()) - set(held)
            assert position == 0 or new <= foretold
            held += sorted(new)
            foretold = set(one.upcoming())
        read.append(set(held))

    assert len(read[0] & read[1]) == 0
    assert len(read[0] | read[1]) == 64


def test_more_ranks_than_lanes_are_refused_with_the_option_to_change():
    with pytest.raises(UsageError, match=r"batch\.lanes to 9"):
        StreamSampler(even_rows(20, 10), 4, 0, world_size=9)
