"""Each row counts once on any number of ranks, whatever is labelled where."""

import numpy as np
import pytest

from graphium.config.metrics import BINARY_METRICS, MULTICLASS_METRICS, REGRESSION_METRICS
from graphium.config.tasks import TaskSpec
from graphium.training.kept_rows import RowKeeper, TaskPredictions, halvings_needed, join_rows
from graphium.training.metrics import metrics_of
from graphium.training.task_meter import TaskMeter, merge_meters

LABELS = 3
KNOWN = dict(name="t", dataset="d", level="graph", labels=["a", "b", "c"])
SPECS = [
    TaskSpec(**KNOWN, loss="mae", metrics=list(REGRESSION_METRICS), mean=[9.0] * 3, std=[2.0] * 3),
    TaskSpec(**KNOWN, loss="bce", metrics=list(BINARY_METRICS)),
    TaskSpec(**KNOWN, loss="bce", metrics=list(BINARY_METRICS), threshold_for="mcc"),
    TaskSpec(**KNOWN, loss="ce", metrics=list(MULTICLASS_METRICS), num_classes=4),
]
IDS = ["numbers", "0/1", "0/1, threshold chosen", "classes"]


def some_rows(spec, rows, seed):
    """Labels, a third missing and column c only in the first two rows, and predictions."""
    rng = np.random.default_rng(seed)
    shape = (rows, LABELS)
    if spec.is_multiclass:
        labels, predictions = rng.integers(0, 4, shape), rng.dirichlet(np.ones(4), shape)
    elif spec.is_class:
        labels, predictions = rng.integers(0, 2, shape), rng.random(shape).round(1)
    else:
        labels = rng.normal(10, 2, shape).round(1)
        predictions = labels + rng.normal(0, 1, shape).round(1)
    labels = np.where(rng.random(shape) < 0.67, labels, np.nan).astype(np.float32)
    labels[2:, 2] = np.nan
    return labels, predictions.astype(np.float32)


def measure(spec, labels, predictions, ranks, limit=None):
    """The metrics as ranks find them that took every so manieth row, one at a time."""
    meters = []
    for rank in range(ranks):
        meter = TaskMeter(spec, limit)
        for row in range(rank, len(labels), ranks):
            meter.add(labels[row : row + 1], predictions[row : row + 1])
        meters.append(meter)
    return metrics_of(merge_meters(meters))


def assert_same(ours, expected, tolerance):
    assert ours.counts == expected.counts
    assert ours.defined == expected.defined
    assert ours.binned == expected.binned
    assert ours.task == pytest.approx(expected.task, abs=tolerance)
    for label, values in expected.labels.items():
        assert ours.labels[label] == pytest.approx(values, abs=tolerance)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
def test_any_number_of_ranks_has_the_metrics_of_one(spec):
    for rows in (1, 2, 3, 4, 7, 8, 13, 25, 40):
        labels, predictions = some_rows(spec, rows, seed=rows)
        whole = TaskMeter(spec)
        whole.add(labels, predictions)
        expected = metrics_of(whole)
        for ranks in (1, 2, 3, 4, 8):
            assert_same(measure(spec, labels, predictions, ranks), expected, 1e-12)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
@pytest.mark.parametrize("limit", [100, 300], ids=["each rank over", "only together over"])
def test_ranks_that_bin_have_the_metrics_of_one_that_does(spec, limit):
    labels, predictions = some_rows(spec, 40, seed=1)
    expected = measure(spec, labels, predictions, 1, limit)
    assert expected.binned
    for ranks in (2, 3, 8):
        assert_same(measure(spec, labels, predictions, ranks, limit), expected, 1e-12)


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
@pytest.mark.parametrize("ranks", [1, 3])
def test_what_just_fits_is_exact_and_what_does_not_is_binned(spec, ranks):
    labels, predictions = some_rows(spec, 40, seed=1)
    whole = TaskMeter(spec)
    whole.add(labels, predictions)
    exact = metrics_of(whole)
    assert_same(measure(spec, labels, predictions, ranks, whole.num_bytes), exact, 1e-12)
    assert measure(spec, labels, predictions, ranks, whole.num_bytes - 1).binned


@pytest.mark.parametrize("spec", SPECS, ids=IDS)
@pytest.mark.parametrize("limit", [None, 0], ids=["exact", "binned"])
def test_a_prediction_that_is_no_number_on_one_rank_makes_its_label_undefined(spec, limit):
    labels, predictions = some_rows(spec, 12, seed=1)
    row = np.flatnonzero(np.isfinite(labels[:, 1]))[-1]
    predictions[row, 1] = np.inf
    for ranks in (1, 4):
        ours = measure(spec, labels, predictions, ranks, limit)
        assert set(ours.labels["b"].values()) == set(ours.task.values()) == {None}
        assert ours.labels["a"][spec.metrics[0]] is not None


def kept(spec, molecules, ranks, limit):
    keepers = [RowKeeper(spec, limit) for _ in range(ranks)]
    for rank, keeper in enumerate(keepers):
        for molecule in molecules[rank::ranks]:
            rows = np.arange(3)
            values = np.full((3, LABELS), molecule, np.float32)
            ends = np.zeros((3, 2), np.int64)
            keeper.add(
                TaskPredictions(spec, np.full(3, molecule), rows, ends, values, values + 1, 3)
            )
    halvings = max(keeper.halvings for keeper in keepers)
    sizes = [keeper.bytes_by_halvings() for keeper in keepers]
    for keeper in keepers:
        keeper.halve(halvings_needed(sizes, halvings, limit))
    return join_rows(spec, [keeper.rows() for keeper in keepers])


def test_all_rows_are_kept_where_they_fit():
    rows = kept(SPECS[0], np.arange(50), 3, limit=10**6)
    np.testing.assert_array_equal(rows.molecule, np.repeat(np.arange(50), 3))
    np.testing.assert_array_equal(rows.inner, np.tile(np.arange(3), 50))
    assert rows.num_rows == 150


def test_of_too_many_rows_whole_molecules_are_kept_the_same_on_any_number_of_ranks():
    expected = kept(SPECS[0], np.arange(400), 1, limit=20_000)
    of_molecule = 3 * 56  # bytes
    assert 0.25 * 20_000 < len(expected.molecule) * 56 <= 20_000
    assert expected.num_rows == 1200
    molecules, sizes = np.unique(expected.molecule, return_counts=True)
    assert (sizes == 3).all()
    assert len(molecules) <= 20_000 / of_molecule
    assert molecules.mean() == pytest.approx(200, abs=60)  # from all over the part
    for ranks in (2, 3, 8):
        again = kept(SPECS[0], np.arange(400), ranks, limit=20_000)
        np.testing.assert_array_equal(again.molecule, expected.molecule)
        np.testing.assert_array_equal(again.predictions, expected.predictions)
        assert again.num_rows == 1200


def test_what_is_kept_is_as_much_as_was_counted():
    keeper = RowKeeper(SPECS[0], limit=2_000)
    molecules, none = np.arange(200), np.zeros((200, 2), np.int64)
    values = np.zeros((200, LABELS), np.float32)
    keeper.add(TaskPredictions(SPECS[0], molecules, molecules, none, values, values, 200))
    assert keeper.halvings > 1
    sizes = keeper.bytes_by_halvings()
    assert sizes[0] == 200 * 56
    assert len(keeper.rows().molecule) * 56 == sizes[keeper.halvings] <= 2_000


def test_nothing_fits_into_nothing():
    rows = kept(SPECS[0], np.arange(20), 2, limit=1)
    assert len(rows.molecule) == 0
    assert rows.num_rows == 60
