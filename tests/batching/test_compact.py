"""Labels of classes are held as bytes, and nobody who reads them can tell."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.batching import compact as compact_module
from graphium.batching.compact import compact, decode, is_known, row_blocks, take
from graphium.batching.cut import PLAIN
from graphium.batching.kernels import COMPILED
from graphium.batching.task_data import TaskData
from graphium.config.tasks import TaskSpec
from graphium.training.run_files import _digest_labels

NAN = np.nan


def spec(num_labels=3, level="graph", **more):
    labels = [f"y{i}" for i in range(num_labels)]
    return TaskSpec(name="t", dataset="d", level=level, labels=labels, metrics=[], **more)


def task(values, **more):
    """A task of molecules of one row each, held as it is by default, and as numbers."""
    count = np.arange(len(values))
    kind = spec(values.shape[1], **more)
    offset, weight = np.arange(len(values) + 1), 1 + np.arange(len(values), dtype=np.float32)
    data = TaskData(kind, 2 * count, offset, compact(kind, values), weight, count)
    return data, dataclasses.replace(data, stored=values)


def classes(shape, count=2, seed=0):
    rng = np.random.default_rng(seed)
    values = rng.integers(0, count, shape).astype(np.float32)
    values[rng.random(shape) < 0.6] = NAN
    return values


@pytest.mark.parametrize(
    ("loss", "num_classes", "dtype"),
    [
        ("bce", None, np.int8),
        ("ce", 5, np.int8),
        ("hybrid_ce", 3, np.int8),
        ("ce", 128, np.int8),
        ("ce", 129, np.float32),
        ("mse", None, np.float32),
    ],
)
def test_classes_are_bytes_as_far_as_a_byte_can_tell_them_apart(loss, num_classes, dtype):
    values = classes((50, 3), num_classes or 2)
    values[0] = [(num_classes or 2) - 1, 0, NAN]

    held = compact(spec(loss=loss, num_classes=num_classes), values)

    assert held.dtype == dtype
    assert decode(held).dtype == np.float32
    np.testing.assert_array_equal(decode(held), values)
    np.testing.assert_array_equal(is_known(held), ~np.isnan(values))
    rows = np.array([7, 0, 7])
    np.testing.assert_array_equal(take(held, rows), values[rows])


@given(st.integers(0, 9), st.integers(1, 4), st.integers(1, 12))
def test_blocks_are_all_rows_in_order(num_rows, width, cells):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact_module, "BLOCK_CELLS", cells)
        blocks = list(row_blocks(np.zeros((num_rows, width), np.int8)))

    found = [row for block in blocks for row in range(num_rows)[block]]
    assert found == list(range(num_rows))
    assert len(blocks) == 1 or max(b.stop - b.start for b in blocks) <= max(1, cells // width)


@pytest.mark.parametrize("cutter", [PLAIN, COMPILED], ids=["plain", "compiled"])
@pytest.mark.parametrize("level", ["graph", "node"])
def test_bytes_and_numbers_make_the_same_batch(cutter, level):
    values = classes((40, 5), 3)
    values[11] = NAN
    values[12] = [NAN, NAN, 0, NAN, NAN]
    held, as_numbers = task(values, level=level, loss="ce", num_classes=3)
    molecules = np.random.default_rng(1).permutation(80)[:50]
    start = np.arange(len(molecules) + 1)

    one, other = (cutter.labels(data, molecules, start) for data in (held, as_numbers))

    assert one.values.dtype == other.values.dtype == np.float32
    for name in ("rows", "values", "weights"):
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


def test_whoever_looks_at_all_labels_block_by_block_sees_them_as_they_are(monkeypatch):
    held, as_numbers = task(classes((40, 3), 3), loss="ce", num_classes=3)
    part = np.arange(80, dtype=np.uint8) // 2 % 3
    expected = [as_numbers.label_weights(), as_numbers.values_of(part, 1)]
    digest = _digest_labels(as_numbers)

    monkeypatch.setattr(compact_module, "BLOCK_CELLS", 7)
    for data in (held, as_numbers):
        np.testing.assert_array_equal(data.label_weights(), expected[0])
        np.testing.assert_array_equal(data.values_of(part, 1), expected[1])
        assert _digest_labels(data) == digest  # a run goes on with labels held in another way
        np.testing.assert_array_equal(np.concatenate(list(data.value_blocks())), as_numbers.values)
