import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.batching.sampler import PositionalSampler

COUNTS = st.integers(1, 60)


def sampler(num_molecules, size=4, seed=0, world_size=1, accumulate=1):
    return PositionalSampler(np.arange(num_molecules), size, seed, world_size, accumulate)


@given(COUNTS, st.integers(1, 17), st.integers(1, 8), st.integers(1, 3))
def test_every_molecule_is_seen_once_in_an_epoch_on_any_number_of_ranks(
    num_molecules, size, world_size, accumulate
):
    s = sampler(num_molecules, size, world_size=world_size, accumulate=accumulate)

    seen = [
        s.micro_batch(3, position, rank)
        for position in range(s.micro_batches_per_epoch)
        for rank in range(world_size)
    ]

    assert sorted(np.concatenate(seen).tolist()) == list(range(num_molecules))


@given(COUNTS, st.integers(1, 17))
def test_steps_are_full_to_within_one_molecule_and_never_too_large(num_molecules, size):
    s = sampler(num_molecules, size)

    sizes = [len(s.whole_step(0, step)) for step in range(s.steps_per_epoch)]

    assert max(sizes) <= size
    assert max(sizes) - min(sizes) <= 1
    assert s.steps_per_epoch == -(-num_molecules // size)


@given(COUNTS, st.integers(1, 17), st.integers(1, 5), st.integers(1, 3))
def test_ranks_and_micro_batches_divide_the_same_steps(num_molecules, size, world_size, accumulate):
    plain = sampler(num_molecules, size)
    divided = sampler(num_molecules, size, world_size=world_size, accumulate=accumulate)

    for step in range(plain.steps_per_epoch):
        parts = [
            divided.micro_batch(2, step * accumulate + micro_batch, rank)
            for micro_batch in range(accumulate)
            for rank in range(world_size)
        ]
        sizes = [len(part) for part in parts]
        assert np.concatenate(parts).tolist() == plain.micro_batch(2, step, 0).tolist()
        assert max(sizes) - min(sizes) <= 1


def test_the_order_is_a_function_of_seed_and_epoch_only():
    first = sampler(50, seed=7)
    orders = [first.order(epoch).tolist() for epoch in (0, 1, 0)]
    other_history = sampler(50, seed=7, size=13, world_size=3)

    assert orders[0] == orders[2]
    assert orders[0] != orders[1]
    assert other_history.order(1).tolist() == orders[1]
    assert sampler(50, seed=8).order(0).tolist() != orders[0]


def test_the_order_never_changes_between_versions():
    # Recorded: a resumed run must see the order that the interrupted one would have seen.
    assert sampler(12, seed=1).order(2).tolist() == [0, 9, 3, 6, 8, 4, 7, 10, 11, 5, 1, 2]


def test_each_place_of_an_epoch_is_equally_likely():
    places = np.stack([np.argsort(sampler(20).order(epoch)) for epoch in range(2000)])

    assert np.abs(places.mean(0) - 9.5).max() < 0.6  # four deviations of the mean


def test_a_rank_without_molecules_gets_an_empty_micro_batch():
    s = sampler(3, size=3, world_size=8)

    assert sorted(len(s.micro_batch(0, 0, rank)) for rank in range(8)) == [0] * 5 + [1] * 3


def test_no_molecules_make_no_steps():
    assert sampler(0).micro_batches_per_epoch == 0


@pytest.mark.parametrize("accumulate", [1, 3])
def test_micro_batches_of_one_step_share_its_molecules(accumulate):
    s = sampler(30, size=10, accumulate=accumulate)

    assert s.whole_step(0, 0).tolist() == s.whole_step(0, accumulate - 1).tolist()
    assert s.whole_step(0, accumulate).tolist() != s.whole_step(0, 0).tolist()
