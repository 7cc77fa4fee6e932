import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.graphs.levels import level_sizes, pair_ends, pair_number

UP_TO_300 = st.integers(0, 300)


@given(num_atoms=UP_TO_300)
def test_pairs_stand_in_the_order_of_the_upper_triangle(num_atoms):
    expected = np.stack(np.triu_indices(num_atoms, 1), axis=1)
    size = np.full(len(expected), num_atoms)

    assert level_sizes("nodepair", np.array([num_atoms]), np.array([0])) == [len(expected)]
    np.testing.assert_array_equal(pair_ends(np.arange(len(expected)), size), expected)
    np.testing.assert_array_equal(pair_number(expected, size), np.arange(len(expected)))
    np.testing.assert_array_equal(pair_number(expected[:, ::-1], size), np.arange(len(expected)))


def test_pairs_of_the_largest_molecules_are_exact():
    num_atoms = np.full(5, 65_535)
    last = 65_535 * 65_534 // 2 - 1
    number = np.array([0, 65_533, 65_534, last - 1, last])

    ends = pair_ends(number, num_atoms)

    assert ends.tolist() == [
        [0, 1], [0, 65_534], [1, 2], [65_532, 65_534], [65_533, 65_534],
    ]  # fmt: skip
    np.testing.assert_array_equal(pair_number(ends, num_atoms), number)


@pytest.mark.parametrize(
    ("level", "expected"),
    [("graph", [1, 1, 1]), ("node", [1, 2, 5]), ("edge", [0, 1, 4]), ("nodepair", [0, 1, 10])],
)
def test_a_molecule_has_as_many_labels_as_its_level_says(level, expected):
    sizes = level_sizes(level, np.array([1, 2, 5], np.int32), np.array([0, 1, 4], np.int32))

    assert sizes.tolist() == expected
    assert sizes.dtype == np.int64
