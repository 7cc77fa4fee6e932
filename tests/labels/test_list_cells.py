import json

import numpy as np
import pyarrow as pa
import pytest

from graphium.graphs.levels import LIST_LEVELS
from graphium.labels.columns import read_lists
from graphium.labels.list_cells import find_misfit, fitting_levels, one_number_each

NAN = float("nan")
LARGE = pa.large_list(pa.list_(pa.float32()))
SQUARE = [[9.0, 1.0, 2.0], [1.0, 9.0, NAN], [2.0, NAN, 9.0]]


def cell(values):
    return np.array(values, np.float32)


@pytest.mark.parametrize(
    "column",
    [
        pa.array([[[1.0, 2.0], [3.0, 4.0]], None, [], [[5.0], [None]]]),
        pa.array([[[1.0, 2.0], [3.0, 4.0]], None, [], [[5.0], [None]]], LARGE),
        pa.array(["[[1, 2], [3, 4]]", None, "[]", "[[5], [null]]"]),
        pa.array([None, [[1.0, 2.0], [3.0, 4.0]], None, [], [[5.0], [None]]])[1:],
    ],
    ids=["parquet", "large lists", "json", "a slice"],
)  # fmt: skip
def test_lists_of_rows_are_matrices(column):
    first, second, third, fourth = read_lists(column)

    assert first.tolist() == [[1, 2], [3, 4]]
    assert second is None
    assert third.size == 0
    np.testing.assert_array_equal(fourth, [[5], [NAN]])


@pytest.mark.parametrize(
    "ragged", [[[1.0, 2.0], [3.0]], [[1.0], None], [[[1.0]], [[2.0]]]], ids=str
)
def test_rows_of_different_lengths_are_no_matrix(ragged):
    assert read_lists(pa.array([ragged])) is None
    assert read_lists(pa.array([json.dumps(ragged)])) is None


@pytest.mark.parametrize("shape", [(3, 3), (9,)])
def test_a_matrix_gives_its_upper_triangle(shape):
    matrix = cell(SQUARE).reshape(shape)

    assert find_misfit(matrix, "nodepair", 3, 2) is None
    np.testing.assert_array_equal(one_number_each(matrix, "nodepair", 3), [1, 2, NAN])


def test_a_list_gives_itself():
    for level, size in (("node", 4), ("edge", 3), ("nodepair", 6)):
        values = cell(range(size))
        assert find_misfit(values, level, 4, 3) is None
        np.testing.assert_array_equal(one_number_each(values, level, 4), values)


@pytest.mark.parametrize(
    ("values", "level", "words"),
    [
        ([1, 2], "node", "has 2 numbers for 3 atoms"),
        ([1, 2, 3], "edge", "has 3 numbers for 2 bonds"),
        (SQUARE, "node", "has a 3 x 3 matrix for 3 atoms"),
        ([1, 2], "nodepair", "2 numbers for 3 pairs of atoms; a 3 x 3 matrix would fit"),
        ([[1, 2, 3]], "nodepair", "has a 1 x 3 matrix for 3 pairs"),
        ([[0, 1, 2], [1, 0, 4], [2, 5, 0]], "nodepair", r"4 at \(1, 2\) and 5 at \(2, 1\)"),
        ([0, 1, NAN, 1, 0, 4, 2, 4, 0], "nodepair", r"nan at \(0, 2\) and 2 at \(2, 0\)"),
    ],
)
def test_what_does_not_fit_is_said(values, level, words):
    with pytest.raises(AssertionError, match=words):
        raise AssertionError(find_misfit(cell(values), level, 3, 2))


@pytest.mark.parametrize("level", LIST_LEVELS)
@pytest.mark.parametrize("values", [[], [[]]])
def test_an_empty_cell_always_fits(level, values):
    assert find_misfit(cell(values), level, 3, 2) is None
    assert len(one_number_each(cell(values), level, 3)) == 0


def test_rounding_does_not_make_a_matrix_asymmetric():
    matrix = cell([[0, 1 / 3], [np.nextafter(np.float32(1 / 3), np.float32(1)), 0]])

    assert find_misfit(matrix, "nodepair", 2, 1) is None


@pytest.mark.parametrize(
    ("shape", "atoms", "bonds", "levels"),
    [
        ((4,), 4, 3, ("node",)),
        ((3,), 4, 3, ("edge",)),
        ((6,), 4, 3, ("nodepair",)),
        ((16,), 4, 3, ("nodepair",)),
        ((4, 4), 4, 3, ("nodepair",)),
        ((3,), 3, 3, ("node", "edge", "nodepair")),
        ((3,), 3, 2, ("node", "nodepair")),
        ((1,), 2, 1, ("edge", "nodepair")),
        ((1,), 1, 0, ("node", "nodepair")),
        ((2, 3), 3, 2, ()),
        ((5,), 3, 2, ()),
    ],
)
def test_shapes_tell_levels(shape, atoms, bonds, levels):
    assert fitting_levels(np.zeros(shape, np.float32), LIST_LEVELS, atoms, bonds) == levels
