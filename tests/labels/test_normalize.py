import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from graphium.labels.normalize import block_statistics, label_statistics

NAN = math.nan


def test_statistics_are_taken_over_the_labels_that_exist():
    mean, std = label_statistics(np.array([[1.0, NAN], [3.0, 10.0], [NAN, 10.5]]))

    assert mean == [2.0, 10.25]
    assert std == [1.0, 0.25]


def test_labels_that_do_not_vary_are_scaled_by_one():
    constant = np.full((7, 1), 0.1, np.float32)

    assert label_statistics(constant)[1] == [1.0]


def test_a_column_without_labels_is_left_as_it_is():
    assert label_statistics(np.array([[NAN], [NAN]])) == ([0.0], [1.0])
    assert label_statistics(np.empty((0, 2))) == ([0.0, 0.0], [1.0, 1.0])


def test_small_variation_on_a_large_offset_survives_float32_input():
    labels = np.array([[40000.0], [40000.25]], np.float32)

    assert label_statistics(labels) == ([40000.125], [0.125])


@given(
    arrays(
        np.float32,
        st.tuples(st.integers(1, 30), st.integers(1, 4)),
        elements=st.one_of(st.just(NAN), st.floats(-1e4, 1e4, width=32)),
    )
)
def test_statistics_equal_those_of_numpy(labels):
    mean, std = label_statistics(labels)

    for column, m, s in zip(labels.T.astype(np.float64), mean, std, strict=True):
        known = column[~np.isnan(column)]
        if len(known):
            assert m == pytest.approx(known.mean(), rel=1e-12, abs=1e-9)
        if len(known) and known.std() > 1e-6 * max(1, abs(m)):
            assert s == pytest.approx(known.std(), rel=1e-9)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_statistics_of_blocks_are_those_of_the_whole_to_the_last_bit(width):
    rng = np.random.default_rng(0)
    labels = rng.normal(size=(1_003, width)).astype(np.float32)
    labels[rng.random(labels.shape) < 0.3] = NAN
    blocks = [labels[:0], labels[:500], labels[500:501], labels[501:]]

    assert block_statistics(lambda: blocks) == label_statistics(labels)
    wide = labels.astype(np.float64)
    known = ~np.isnan(wide)
    assert label_statistics(labels)[0] == (np.where(known, wide, 0).sum(0) / known.sum(0)).tolist()
