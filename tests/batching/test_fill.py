import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphium.batching.cut import WORTH_MOLECULES
from graphium.batching.fill import PLAIN, best_filler, best_sum, divide

SIZES = st.lists(st.one_of(st.integers(1, 40), st.integers(1, 600)), max_size=300).map(
    lambda sizes: np.array(sizes, np.int64)
)


def random_sizes(count, seed=0):
    """Molecules of 5 to 38 atoms, as of a table of drugs."""
    rng = np.random.default_rng(seed)
    return np.clip(rng.normal(23, 4.5, count), 5, 38).astype(np.int64)


def atoms_of_pieces(sizes, order, starts):
    ends = np.concatenate([[0], np.cumsum(sizes[order])])
    return np.diff(ends[starts])


@given(SIZES, st.integers(1, 40))
def test_every_molecule_is_in_one_piece_and_none_has_more_than_its_share_and_the_largest(
    sizes, num_pieces
):
    order, starts = divide(sizes, num_pieces)

    assert sorted(order.tolist()) == list(range(len(sizes)))
    assert starts[0] == 0
    assert starts[-1] == len(sizes)
    share = sizes.sum() / num_pieces
    assert atoms_of_pieces(sizes, order, starts).max() <= share + sizes.max(initial=0)


@pytest.mark.parametrize("size", [16, 64, 256])
def test_pieces_of_drugs_have_equally_many_atoms(size):
    sizes = random_sizes(20 * size)

    atoms = atoms_of_pieces(sizes, *divide(sizes, 20))

    assert atoms.max() - atoms.min() <= 1


def test_molecules_stay_near_their_places():
    sizes = random_sizes(10_000)

    order, _ = divide(sizes, 40)

    moved = np.abs(order - np.arange(len(order)))
    assert (moved > 0).mean() < 0.9  # whoever follows one that is moved shifts by one or two
    assert np.median(moved) <= 3
    assert moved.max() < 500


def test_a_molecule_that_fits_nowhere_at_first_is_not_lost():
    sizes = np.array([500, *[10] * 60, 400], np.int64)

    order, starts = divide(sizes, 5)

    assert sorted(order.tolist()) == list(range(62))
    assert atoms_of_pieces(sizes, order, starts).sum() == sizes.sum()


@given(st.lists(st.integers(1, 12), max_size=8), st.integers(0, 40))
def test_the_best_sum_is_the_best_of_all(sizes, room):
    sizes = np.array(sizes, np.int64)
    every = [
        sizes[[bool(n >> i & 1) for i in range(len(sizes))]].sum() for n in range(2 ** len(sizes))
    ]

    chosen = best_sum(sizes, room)

    assert sizes[chosen].sum() == max(total for total in every if total <= room)


@settings(max_examples=10, deadline=None)
@given(SIZES, st.integers(1, 40))
def test_compiled_pieces_are_the_same(sizes, num_pieces):
    pytest.importorskip("numba")
    compiled = best_filler(WORTH_MOLECULES)
    assert compiled is not PLAIN

    ours, plain = divide(sizes, num_pieces, compiled), divide(sizes, num_pieces)

    assert [x.tolist() for x in ours] == [x.tolist() for x in plain]
