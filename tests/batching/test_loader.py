from itertools import chain

import numpy as np
import pytest

from graphium.batching.loader import BatchLoader, EvalLoader, evaluation_batches
from graphium.batching.maker import HostMaker
from graphium.batching.sampler import PositionalSampler
from graphium.testing.toy import toy_mix


@pytest.fixture(scope="module")
def mix():
    return toy_mix()


def loader(mix, *, rank=0, world_size=1, accumulate=1, size=8, prefetch=0):
    sampler = PositionalSampler(mix.molecules("train"), size, 5, world_size, accumulate)
    maker = HostMaker(mix.graphs, mix.tasks)
    return BatchLoader(maker, sampler, rank=rank, prefetch=prefetch)


def keys(batches):
    return [batch.keys.tolist() for batch in batches]


def flat(lists):
    return list(chain.from_iterable(lists))


def test_iterating_to_the_end_goes_on_to_the_next_epoch(mix):
    one, other = loader(mix), loader(mix)

    first, second = keys(one), keys(one)
    other.set_epoch(1)

    assert first != second
    assert sorted(flat(first)) == sorted(flat(second)) == mix.molecules("train").tolist()
    assert keys(other) == second


def test_the_length_counts_the_batches_of_a_whole_epoch(mix):
    one = loader(mix, accumulate=2)

    assert len(one) == len(list(one)) == 8  # ceil(26 / 8) steps of two micro-batches


@pytest.mark.parametrize("prefetch", [0, 2, 9])
@pytest.mark.parametrize("consumed", [0, 1, 3, 4, 6])
def test_a_restored_loader_hands_out_exactly_the_remaining_batches(mix, consumed, prefetch):
    reference = loader(mix)
    expected = (keys(reference) + keys(reference))[consumed:]
    interrupted = loader(mix, prefetch=prefetch)
    batches = iter(interrupted)
    for _ in range(consumed):
        batch = next(batches, None)
        if batch is None:
            batches = iter(interrupted)
            next(batches)

    restored = loader(mix, prefetch=prefetch)
    restored.load_state_dict(interrupted.state_dict())

    assert (keys(restored) + keys(restored))[: len(expected)] == expected


@pytest.mark.parametrize("prefetch", [0, 2])
def test_the_state_after_the_last_batch_is_the_start_of_the_next_epoch(mix, prefetch):
    one = loader(mix, prefetch=prefetch)
    batches = iter(one)
    for _ in range(len(one)):
        next(batches)

    assert one.state_dict() == {"epoch": 1, "position": 0}


def test_announcing_the_current_epoch_keeps_the_place_and_another_one_starts_it(mix):
    one = loader(mix)
    one.load_state_dict({"epoch": 3, "position": 2})

    one.sampler.set_epoch(3)
    assert one.state_dict() == {"epoch": 3, "position": 2}
    one.sampler.set_epoch(4)
    assert one.state_dict() == {"epoch": 4, "position": 0}


@pytest.mark.parametrize(("world_size", "accumulate"), [(1, 1), (2, 1), (3, 2), (1, 3), (16, 1)])
def test_every_micro_batch_knows_the_label_totals_of_its_whole_step(mix, world_size, accumulate):
    loaders = [
        loader(mix, rank=rank, world_size=world_size, accumulate=accumulate)
        for rank in range(world_size)
    ]
    micro_batches = list(zip(*(list(one) for one in loaders), strict=True))

    for first in range(0, len(micro_batches), accumulate):
        step = [batch for ranks in micro_batches[first : first + accumulate] for batch in ranks]
        for name in mix.tasks:
            counted = sum(
                float(
                    (~batch.labels[name].values.isnan() * batch.labels[name].weights[:, None]).sum()
                )
                for batch in step
            )
            assert {batch.label_totals[name] for batch in step} == {counted}


@pytest.mark.parametrize("world_size", [1, 2, 3, 4, 8])
@pytest.mark.parametrize("count", [0, 1, 5, 16, 17, 36])
def test_evaluation_counts_each_molecule_once_with_equal_numbers_of_batches(mix, world_size, count):
    loaders = [
        EvalLoader(
            HostMaker(mix.graphs, mix.tasks),
            evaluation_batches(np.arange(count), 4, rank=rank, world_size=world_size),
        )
        for rank in range(world_size)
    ]
    batches = [list(one) for one in loaders]

    assert sorted(k for rank in batches for b in rank for k in b.keys.tolist()) == list(
        range(count)
    )
    assert {len(rank) for rank in batches} == {len(loaders[0])}
    assert max((b.num_molecules for rank in batches for b in rank), default=0) <= 4


@pytest.mark.parametrize("prefetch", [0, 2])
def test_evaluation_keeps_the_order_and_counts_labels_of_each_batch_alone(mix, prefetch):
    maker = HostMaker(mix.graphs, mix.tasks)
    batches = list(EvalLoader(maker, evaluation_batches(np.arange(36), 10), prefetch=prefetch))

    assert flat(keys(batches)) == list(range(36))
    for batch in batches:
        labels = batch.labels["toy_size"]
        own = float((~labels.values.isnan() * labels.weights[:, None]).sum())
        assert batch.label_totals["toy_size"] == own
