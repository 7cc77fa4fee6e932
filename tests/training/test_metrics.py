"""Every metric agrees with an independent implementation on the labels that exist."""

import numpy as np
import pytest
from scipy.stats import kendalltau, pearsonr, spearmanr
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    balanced_accuracy_score,
    cohen_kappa_score,
    explained_variance_score,
    f1_score,
    matthews_corrcoef,
    max_error,
    mean_absolute_error,
    mean_squared_error,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
    root_mean_squared_error,
)

from graphium.config.metrics import BINARY_METRICS, MULTICLASS_METRICS, REGRESSION_METRICS
from graphium.config.tasks import TaskSpec
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
            "mse": mean_squared_error(a, b),
            "max_error": max_error(a, b),
            "explained_variance": explained_variance_score(a, b),
            "kendall": kendalltau(a, b).statistic,
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
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_binary_metrics_agree_with_scikit_learn(rng, decimals, dtype):
    y = with_gaps(rng, (rng.random((ROWS, LABELS)) < 0.2).astype(float))
    p = rng.random(y.shape).round(decimals).astype(dtype)
    task = spec("bce", list(BINARY_METRICS), threshold=0.7)

    ours = compute_metrics(task, y, p)

    for i, label in enumerate(task.labels):
        known = ~np.isnan(y[:, i])
        a, b = y[known, i], p[known, i]
        called = b > 0.7
        expected = {
            "auroc": roc_auc_score(a, b),
            "ap": average_precision_score(a, b),
            "accuracy": accuracy_score(a, called),
            "balanced_accuracy": balanced_accuracy_score(a, called),
            "precision": precision_score(a, called),
            "recall": recall_score(a, called),
            "specificity": recall_score(a, called, pos_label=0),
            "f1": f1_score(a, called),
            "mcc": matthews_corrcoef(a, called),
            "kappa": cohen_kappa_score(a, called),
        }
        assert ours.labels[label] == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("loss", ["ce", "hybrid_ce"])
def test_multiclass_metrics_agree_with_scikit_learn(rng, loss):
    y = with_gaps(rng, rng.integers(0, 3, (ROWS, LABELS)).astype(float))
    p = rng.dirichlet(np.ones(3), (ROWS, LABELS))
    task = spec(loss, list(MULTICLASS_METRICS), num_classes=3)

    ours = compute_metrics(task, y, p)

    for i, label in enumerate(task.labels):
        known = ~np.isnan(y[:, i])
        a, b = y[known, i], p[known, i]
        called = b.argmax(1)
        expected = {
            "accuracy": accuracy_score(a, called),
            "auroc": roc_auc_score(a, b, multi_class="ovr", average="macro"),
            "ap": average_precision_score(np.eye(3)[a.astype(int)], b, average="macro"),
            "balanced_accuracy": balanced_accuracy_score(a, called),
            "mcc": matthews_corrcoef(a, called),
            "kappa": cohen_kappa_score(a, called),
        }
        for name, score in (
            ("precision", precision_score),
            ("recall", recall_score),
            ("f1", f1_score),
        ):
            for average in ("macro", "micro", "weighted"):
                expected[f"{name}_{average}"] = score(a, called, average=average)
        assert ours.labels[label] == pytest.approx(expected, abs=1e-12)


def test_a_class_that_is_never_predicted_has_no_precision_and_enters_no_mean():
    y = np.array([0, 0, 1, 1, 2], np.float32)[:, None].repeat(LABELS, 1)
    called = np.array([0, 1, 1, 1, 1])
    p = np.eye(3)[called][:, None].repeat(LABELS, 1)
    ours = compute_metrics(spec("ce", list(MULTICLASS_METRICS), num_classes=3), y, p).labels["y0"]
    a = y[:, 0].astype(int)
    for average in ("macro", "weighted"):
        for name, score in (("precision", precision_score), ("f1", f1_score)):
            expected = score(a, called, average=average, zero_division=np.nan)
            assert ours[f"{name}_{average}"] == pytest.approx(expected, abs=1e-12)


def test_a_decision_that_is_always_the_same_has_no_value_where_it_divides_by_nothing():
    y = np.tile(np.array([0, 1, 1], np.float32)[:, None], LABELS)
    y[:, 1] = 0
    ours = compute_metrics(spec("bce", list(BINARY_METRICS)), y, np.zeros_like(y))
    nothing_called = {"accuracy": 1 / 3, "balanced_accuracy": 0.5, "precision": None, "recall": 0.0}
    nothing_called |= {"specificity": 1.0, "f1": 0.0, "mcc": None, "kappa": 0.0}
    nothing_called |= {"auroc": 0.5, "ap": 2 / 3}
    assert ours.labels["y0"] == pytest.approx(nothing_called)
    one_class = dict.fromkeys(BINARY_METRICS) | {"accuracy": 1.0, "specificity": 1.0}
    assert ours.labels["y1"] == one_class
    assert ours.defined["accuracy"] == LABELS
    assert ours.defined["auroc"] == LABELS - 1
    assert ours.defined["precision"] == 0
    assert ours.task["precision"] is None
    assert ours.task["auroc"] == 0.5


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
    p = np.full(y.shape, 0.1)  # whose mean is another number
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


@pytest.mark.parametrize("sign", [-1, 1])
def test_no_correlation_is_beyond_one(rng, sign):
    y = rng.normal(1000, 1, (ROWS, LABELS)).astype(np.float32)
    metrics = ["pearson", "spearman", "kendall"]
    for rows in range(2, ROWS, 9):
        ours = compute_metrics(spec("mae", metrics), y[:rows], sign * y[:rows])
        for values in ours.labels.values():
            assert [abs(value) <= 1 for value in values.values()] == [True] * 3
            assert list(values.values()) == pytest.approx([sign] * 3, abs=1e-12)


def test_labels_far_from_zero_lose_no_digits(rng):
    y = (1e7 + rng.normal(0, 3, (ROWS, LABELS))).astype(np.float32)
    p = (y + rng.normal(0, 2, y.shape)).astype(np.float32)
    ours = compute_metrics(spec("mse", ["pearson", "r2", "explained_variance"]), y, p)
    for i in range(LABELS):
        a, b = y[:, i].astype(np.float64) - 1e7, p[:, i].astype(np.float64) - 1e7
        expected = {"pearson": pearsonr(a, b).statistic, "r2": r2_score(a, b)}
        expected["explained_variance"] = explained_variance_score(a, b)
        assert ours.labels[f"y{i}"] == pytest.approx(expected, abs=1e-12)
