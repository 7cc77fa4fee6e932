"""The state of a pass stays small, and what it costs in digits is said."""

import csv
import pickle

import numpy as np
import pytest

from graphium.config.tasks import TaskSpec
from graphium.training.metric_tables import write_metric_tables
from graphium.training.metrics import chosen_thresholds, compute_metrics, metrics_of
from graphium.training.task_meter import TaskMeter

MEGABYTE = 1_000_000


def spec(loss, num_labels, metrics, **changes):
    labels = [f"y{i}" for i in range(num_labels)]
    known = dict(name="t", dataset="d", level="graph", labels=labels, loss=loss, metrics=metrics)
    return TaskSpec(**known, **changes)


def read_rows(path):
    return list(csv.reader(path.read_text().splitlines()))


@pytest.mark.parametrize(
    ("task", "wide"),
    [
        (spec("bce", 1_328, ["auroc", "ap"]), ()),
        (spec("mae", 1_328, ["mae", "spearman"]), ()),
        (spec("ce", 978, ["auroc"], num_classes=3), (3,)),
    ],
    ids=["0/1", "numbers", "classes"],
)
def test_the_state_of_many_labels_stays_below_16_megabytes_however_many_rows_come(task, wide):
    random = np.random.default_rng(0)
    shape = (60, len(task.labels))
    meter = TaskMeter(task, limit=MEGABYTE)
    sizes = []
    for _ in range(6):
        labels = random.integers(0, 2, shape).astype(np.float32)
        meter.add(labels, random.random((*shape, *wide)).astype(np.float32))
        sizes.append(len(pickle.dumps(meter)))
    assert meter.is_binned
    assert max(sizes) <= 16 * MEGABYTE
    assert max(sizes[2:]) <= min(sizes[2:]) * 1.001


def test_sums_and_counts_are_exact_also_where_the_order_is_binned():
    random = np.random.default_rng(0)
    labels = random.integers(0, 2, (500, 3)).astype(np.float32)
    predictions = random.random(labels.shape).astype(np.float32)
    task = spec("bce", 3, ["auroc", "accuracy", "mcc"])
    meter = TaskMeter(task, limit=MEGABYTE // 1000)
    meter.add(labels, predictions)
    ours, exact = metrics_of(meter), compute_metrics(task, labels, predictions)
    assert ours.binned == ("auroc",)
    assert [ours.title(metric) for metric in task.metrics] == ["auroc_binned", "accuracy", "mcc"]
    for metric in ("accuracy", "mcc"):
        assert ours.task[metric] == exact.task[metric]
    assert ours.task["auroc"] == pytest.approx(exact.task["auroc"], abs=0.005)


def test_a_metric_that_does_not_sort_keeps_nothing():
    task = spec("mae", 4, ["mae", "rmse", "r2", "pearson"])
    meter = TaskMeter(task, limit=1)
    meter.add(np.ones((100, 4), np.float32), np.zeros((100, 4), np.float32))
    assert meter.num_bytes == 0
    assert not meter.is_binned


def test_a_threshold_chosen_on_val_is_used_for_test():
    random = np.random.default_rng(0)
    task = spec("bce", 2, ["f1", "recall"], threshold_for="f1")
    labels = (random.random((400, 2)) < 0.2).astype(np.float32)
    predictions = ((labels + 2 * random.random(labels.shape)) / 20).astype(np.float32)
    val = compute_metrics(task, labels, predictions)
    thresholds = chosen_thresholds([task], {"val": {"t": val}})
    assert (thresholds["t"] < 0.2).all()
    test = compute_metrics(task, labels[:50], predictions[:50], thresholds["t"])
    called = predictions[:50] > thresholds["t"]
    expected = (called & (labels[:50] == 1)).sum(0) / labels[:50].sum(0)
    assert [test.labels[f"y{i}"]["recall"] for i in range(2)] == pytest.approx(list(expected))
    usual = compute_metrics(task.model_copy(update={"threshold_for": None}), labels, predictions)
    assert usual.task["recall"] == 0
    assert val.task["f1"] > 0.4


def test_a_threshold_between_bins_calls_what_it_was_chosen_for():
    random = np.random.default_rng(0)
    task = spec("bce", 1, ["f1", "recall", "accuracy"], threshold_for="f1")
    labels = (random.random((3000, 1)) < 0.3).astype(np.float32)
    predictions = ((labels + random.random(labels.shape)) / 2000).astype(np.float32)
    meter = TaskMeter(task, limit=100)
    meter.add(labels, predictions)
    chosen = metrics_of(meter)
    assert chosen.binned
    thresholds = np.array(list(chosen.thresholds.values()))
    assert compute_metrics(task, labels, predictions, thresholds).task == chosen.task


def test_without_val_the_threshold_is_the_usual_one():
    task = spec("bce", 2, ["f1"], threshold_for="mcc")
    np.testing.assert_array_equal(chosen_thresholds([task], {})["t"], [0.5, 0.5])


def test_tables_hold_each_label_and_each_class(tmp_path):
    labels = np.array([[0, 2], [1, np.nan], [1, 2]], np.float32)
    predictions = np.zeros((3, 2, 3), np.float32)
    predictions[np.arange(3), 0, [0, 1, 2]] = 1
    predictions[:, 1, 2] = 1
    task = spec("ce", 2, ["accuracy", "mcc"], num_classes=3, class_names=["low", "mid", "high"])
    write_metric_tables(tmp_path, task, compute_metrics(task, labels, predictions))
    rows = read_rows(tmp_path / "t.csv")
    assert rows == [
        ["label", "labels", "accuracy", "mcc"],
        ["y0", "3", "0.6666667", "0.6123724"],
        ["y1", "2", "1", ""],
        ["(mean)", "5", "0.8333333", "0.6123724"],
        ["(labels that define it)", "", "2", "1"],
    ]
    rows = read_rows(tmp_path / "t_classes.csv")
    assert rows[0] == ["label", "class", "name", "labels", "precision", "recall", "f1"]
    assert rows[1:4] == [
        ["y0", "0", "low", "1", "1", "1", "1"],
        ["y0", "1", "mid", "2", "1", "0.5", "0.6666667"],
        ["y0", "2", "high", "0", "0", "", "0"],
    ]


def test_tables_of_two_classes_say_the_threshold(tmp_path):
    task = spec("bce", 2, ["recall"], threshold=0.25)
    labels = np.array([[0, 1], [1, np.nan]], np.float32)
    predictions = np.array([[0.1, 0.1], [0.3, 0.9]], np.float32)
    write_metric_tables(tmp_path, task, compute_metrics(task, labels, predictions))
    rows = read_rows(tmp_path / "t.csv")
    assert rows[:3] == [
        ["label", "labels", "ones", "threshold", "recall"],
        ["y0", "2", "1", "0.25", "1"],
        ["y1", "1", "1", "0.25", "0"],
    ]
