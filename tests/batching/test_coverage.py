from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.batching.coverage import describe_tasks
from graphium.batching.task_data import TaskData
from graphium.config.tasks import TaskSpec
from graphium.errors import DataError

NAN = np.nan
PART = np.array([0, 0, 0, 1, 1, 2, 2], np.uint8)


def task(values, loss="mae", **more):
    values = np.array(values, np.float32)
    labels = ["a", "b", "c", "d", "e", "f", "g"][: values.shape[1]]
    spec = TaskSpec(
        name="t", dataset="d", level="graph", labels=labels, loss=loss, metrics=[], **more
    )
    count = np.arange(len(values))
    ones = np.ones(len(values), np.float32)
    return TaskData(spec, count, np.arange(len(values) + 1), values, ones, count)


def warnings(data):
    return describe_tasks({"t": data}, PART)[1]


def test_labels_are_counted_by_part_and_column():
    report = describe_tasks({"t": task([[1, NAN]] * 4 + [[1, 2]] * 3)}, PART)[0]["t"]

    assert report.molecules == {"train": 3, "val": 2, "test": 2}
    assert report.labels == {
        "train": {"a": 3, "b": 0},
        "val": {"a": 2, "b": 1},
        "test": {"a": 2, "b": 2},
    }


def test_a_task_without_training_labels_is_refused_unless_it_is_only_measured():
    data = task([[NAN]] * 3 + [[1]] * 4)

    with pytest.raises(DataError, match=r"task 't' is a task without labels"):
        describe_tasks({"t": data}, PART)
    assert describe_tasks({"t": data}, PART, need_training=False)[0]["t"].labels["val"] == {"a": 2}


def test_a_part_without_labels_of_a_task_or_of_a_column_is_reported():
    assert warnings(task([[1]] * 5 + [[NAN]] * 2)) == [
        "task 't' has no labels in test: it is not measured there"
    ]
    assert warnings(task([[1, 1]] * 3 + [[1, NAN]] * 2 + [[1, 1]] * 2)) == [
        "task 't': val has no label of b"
    ]
    assert warnings(task([[1, 1]] * 7)) == []


def test_a_part_that_lacks_a_class_is_reported():
    data = task([[0], [1], [0], [1], [1], [0], [1]], loss="bce")
    assert warnings(data) == ["task 't': val has no a of class 0: some metrics are undefined there"]

    names = {"num_classes": 3, "class_names": ["low", "mid", "high"]}
    data = task([[0], [1], [2], [0], [1], [2], [2]], loss="ce", **names)
    assert warnings(data) == [
        "task 't': val has no a of class high: some metrics are undefined there",
        "task 't': test has no a of class low, mid: some metrics are undefined there",
    ]


def test_many_sets_of_absent_classes_make_one_warning():
    rows = [[0, 1, 2, 3]] * 5 + [[0, 1, 2, 3]] * 2  # in each column another class alone
    found = warnings(task(rows, loss="ce", num_classes=4))
    assert found == [
        f"task 't': in {part}, 4 of 4 columns lack a class or several: some metrics are undefined "
        "there"
        for part in ("train", "val", "test")
    ]


def test_a_warning_about_many_columns_stays_short():
    (warning,) = warnings(
        task([[0] * 7, [1] * 7, [0] * 7, [0] * 7, [0] * 7, [0] * 7, [1] * 7], "bce")
    )

    assert "val has no a, b, c, d, e and 2 more columns of class 1" in warning


@given(st.lists(st.floats(-1e3, 1e3, width=32), min_size=4, max_size=4))
def test_whatever_val_and_test_labels_are_the_scaling_stays_the_same(held_out):
    data = task([[1], [2], [6], [0], [0], [0], [0]])
    values = data.values.copy()
    values[3:, 0] = held_out

    before, after = data.normalized(PART).spec, replace(data, stored=values).normalized(PART).spec

    assert before.mean == [3.0]
    assert (before.mean, before.std) == (after.mean, after.std)
