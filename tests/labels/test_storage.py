import numpy as np
import pytest

from graphium.labels.storage import NumberRange


@pytest.mark.parametrize(
    ("numbers", "storage"),
    [
        ([], "bit"),
        ([np.nan, np.inf], "bit"),
        ([0, 1, np.nan, 1], "bit"),
        ([1, 1], "bit"),
        ([0, 2], "code"),
        ([-1, 0, 1, 254], "code"),
        ([-2, 0], "float"),
        ([0, 255], "float"),
        ([0, 1, 0.5], "float"),
        ([0, 1, -0.0], "float"),
        ([1e-30, 0], "float"),
    ],
)
def test_a_column_is_kept_in_the_smallest_way_that_loses_nothing(numbers, storage):
    values = np.array(numbers, np.float32)
    whole, parts = NumberRange(), NumberRange()
    whole.add(values)
    for value in values:
        parts.add(np.array([value]))

    assert whole.storage == parts.storage == storage
