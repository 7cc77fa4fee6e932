"""Every metric agrees with an independent implementation on the labels that exist."""

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    mean_absolute_error,
    r2_score,
    roc_auc_score,
    root_mean_squared_error,
)

from graphium.config.tasks import BINARY_METRICS, REGRESSION_METRICS, TaskSpec
from graphium.training.metrics import compute_metrics

ROWS, LABELS = 300, 7


def spec(loss, metrics, **changes):
    labels = [f"y{i}" for i in range(LABELS)]
    known = dict(name="t", dataset="d", level="graph", labels=labels, loss=loss, metrics=metrics)
    return TaskSpec(**(known | changes))


@pytest.fixture
def rng():
    return np.random.default_rng(7)


def with_gaps(rng, labels, share=0.6):
    return np.where(rng.random(labels.shape) < share, labels, np.nan).astype(np.float32)


def test_numbers_agree_with_scikit_learn_and_scipy(rng):
    y = with_gaps(rng, rng.normal(300, 2, (ROWS, LABELS)))
    p = (y + rng.normal(0, 1, y.shape)).astype(np.float32)
    p[np.isnan(p)] = 1e9  # what is predicted where nothing is known does not matter
    std = [2.0] * LABELS
    task = spec("mae", list(REGRESSION_METRICS), mean=[300.0] * LABELS, std=std)

    ours = compute_metrics(task, y, p)

    for i, label in enumerate(task.labels):
        known = ~np.isnan(y[:, i])
        a, b = y[known, i].astype(np.float64), p[known, i].astype(np.float64)
        expected = {
            "mae": mean_absolute_error(a, b),
            "rmse": root_mean_squared_error(a, b),
            "mae_scaled": mean_absolute_error(a, b) / 2,
            "rmse_scaled": root_mean_squared_error(a, b) / 2,
            "r2": r2_score(a, b),
            "pearson": pearsonr(a, b).statistic,
            "spearman": spearmanr(a, b).statistic,
        }
        assert ours.labels[label] == pytest.approx(expected, rel=1e-10)
        assert ours.counts[label] == known.sum()
    assert ours.task["mae"] == pytest.approx(np.mean([m["mae"] for m in ours.labels.values()]))


@pytest.mark.parametrize("decimals", [1, 8], ids=["many ties", "few ties"])
def test_binary_metrics_agree_with_scikit_learn(rng, decimals):
    y = with_gaps(rng, (rng.random((ROWS, LABELS)) < 0.2).astype(float))
    p = rng.random(y.shape).round(decimals)
    task = spec("bce", list(BINARY_METRICS))

    ours = compute_metrics(task, y, p)

    for i, label in enumerate(task.labels):
        known = ~np.isnan(y[:, i])
        a, b = y[known, i], p[known, i]
        expected = {
            "auroc": roc_auc_score(a, b),
            "ap": average_precision_score(a, b),
            "accuracy": accuracy_score(a > 0.5, b > 0.5),
        }
        assert ours.labels[label] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("loss", ["ce", "hybrid_ce"])
def test_multiclass_metrics_agree_with_scikit_learn(rng, loss):
    y = with_gaps(rng, rng.integers(0, 3, (ROWS, LABELS)).astype(float))
    p = rng.dirichlet(np.ones(3), (ROWS, LABELS))
    task = spec(loss, ["accuracy", "auroc", "ap"], num_classes=3)

    ours = compute_metrics(task, y, p)

    for i, label in enumerate(task.labels):
        known = ~np.isnan(y[:, i])
        a, b = y[known, i], p[known, i]
        assert ours.labels[label]["accuracy"] == pytest.approx(accuracy_score(a, b.argmax(1)))
        expected = roc_auc_score(a, b, multi_class="ovr", average="macro")
        assert ours.labels[label]["auroc"] == pytest.approx(expected, abs=1e-12)
        expected = average_precision_score(np.eye(3)[a.astype(int)], b, average="macro")
        assert ours.labels[label]["ap"] == pytest.approx(expected, abs=1e-12)


def test_one_class_has_no_auroc_and_does_not_enter_the_mean(rng):
    y = (rng.random((ROWS, LABELS)) < 0.5).astype(np.float32)
    y[:, 0] = 0
    y[:, 1] = np.nan
    p = rng.random(y.shape)
    ours = compute_metrics(spec("bce", ["auroc", "ap"]), y, p)

    assert ours.labels["y0"] == {"auroc": None, "ap": None}
    assert ours.labels["y1"] == {"auroc": None, "ap": None}
    others = [ours.labels[f"y{i}"]["auroc"] for i in range(2, LABELS)]
    assert ours.task["auroc"] == pytest.approx(np.mean(others))


def test_a_constant_has_no_correlation_and_no_r2():
    y = np.ones((5, LABELS), np.float32)
    p = np.random.default_rng(0).random(y.shape)
    ours = compute_metrics(spec("mse", ["r2", "pearson", "spearman", "mae_scaled"]), y, p)
    undefined = {"r2": None, "pearson": None, "spearman": None, "mae_scaled": None}
    assert ours.task == undefined


def test_rounding_noise_of_a_constant_prediction_is_no_correlation():
    y = np.random.default_rng(0).normal(size=(1000, LABELS)).astype(np.float32)
    p = np.full(y.shape, 0.1, np.float32)
    ours = compute_metrics(spec("mse", ["pearson"]), y, p)
    assert ours.task == {"pearson": None}


@pytest.mark.parametrize("loss", ["mae", "bce", "ce"])
def test_no_rows_at_all_is_undefined_rather_than_an_error(loss):
    classes = 3 if loss == "ce" else None
    shape = (0, LABELS, 3) if loss == "ce" else (0, LABELS)
    metric = "mae" if loss == "mae" else "accuracy"
    task = spec(loss, [metric], num_classes=classes)
    ours = compute_metrics(task, np.zeros((0, LABELS), np.float32), np.zeros(shape, np.float32))
    assert ours.task == {metric: None}


@pytest.mark.parametrize("loss", ["mae", "bce", "ce"])
def test_a_prediction_that_is_no_number_makes_label_and_task_undefined(loss, rng):
    y = rng.integers(0, 2, (50, LABELS)).astype(np.float32)
    p = rng.random((50, LABELS, 2) if loss == "ce" else y.shape)
    p[3, 2] = np.nan
    metric = "mae" if loss == "mae" else "accuracy"
    ours = compute_metrics(spec(loss, [metric], num_classes=2 if loss == "ce" else None), y, p)
    assert ours.labels["y2"] == {metric: None}
    assert ours.labels["y1"][metric] is not None
    assert ours.task == {metric: None}
