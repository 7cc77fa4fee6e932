"""Metrics of an evaluation pass, ours against torchmetrics' objects: processor time of one thread.

* ranking: 1,328 tasks of 0/1 labels x 20,000 rows in batches of 512, a tenth of the labels known:
  our AUROC and average precision together, against torchmetrics' exact ``MultilabelAUROC`` alone,
  all updates and the result of each. Both are compared with scikit-learn on every 16th task.
* numbers: 19 labels in batches of 256 rows, six in ten known: mean absolute error, Pearson's r and
  R2 of each, against one object for each label and metric; time of an update, and of the pass with
  its results divided by its steps.
* binned: the same ranking where cells may take 1 MB: bytes of the histograms, largest difference.

Rounds take turns in one process; figures are medians. Run: python benchmarks/metrics.py
"""

import json
import pickle
import statistics
import time
import warnings
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import torch
import torchmetrics
from sklearn.metrics import average_precision_score, roc_auc_score

from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_batch import MolBatch, TaskLabels
from graphium.training.evaluation import PassMeter
from graphium.training.metrics import TaskMetrics, metrics_of
from graphium.training.task_meter import TaskMeter

TASKS, ROWS, STEP = 1_328, 20_000, 512
NUMBERS, NUMBER_ROWS, NUMBER_STEP = 19, 25_600, 256
ROUNDS = 5
Batches = list[tuple[torch.Tensor, torch.Tensor]]
"""Labels, NaN where missing, and outputs of the network."""


def main() -> None:
    """Measure and print one JSON line."""
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    random = np.random.default_rng(0)
    print(json.dumps({"torchmetrics": torchmetrics.__version__, "torch": torch.__version__}
                     | ranking(random) | numbers(random)))  # fmt: skip


def ranking(random: np.random.Generator) -> dict[str, Any]:
    """Return seconds of both ways to rank 1,328 tasks, and how far each is from scikit-learn."""
    labels = (random.random((ROWS, TASKS)) < 0.3).astype(np.float32)
    outputs = (random.standard_normal((ROWS, TASKS)) + labels).astype(np.float32)
    labels[random.random((ROWS, TASKS)) >= 0.1] = np.nan
    batches = cut(labels, outputs, STEP)
    task = spec("bce", TASKS, ["auroc", "ap"])

    def ours() -> TaskMetrics:
        return evaluate(task, batches)

    def theirs() -> torch.Tensor:
        metric = torchmetrics.classification.MultilabelAUROC(
            TASKS, average="none", thresholds=None, ignore_index=-1, validate_args=False
        )
        for known, predicted in batches:
            metric.update(predicted.sigmoid(), known.nan_to_num(nan=-1).long())
        return cast(torch.Tensor, metric.compute())

    seconds, results = race({"ours": ours, "theirs": theirs})
    error = 0.0
    probabilities = torch.from_numpy(outputs).sigmoid().numpy()
    for i in range(0, TASKS, 16):
        known = np.isfinite(labels[:, i])
        pair = labels[known, i], probabilities[known, i]
        found = results["ours"].labels[task.labels[i]]
        error = max(
            error,
            abs(found["auroc"] - roc_auc_score(*pair)),
            abs(found["ap"] - average_precision_score(*pair)),
        )
    difference = np.array([m["auroc"] for m in results["ours"].labels.values()])
    meter = TaskMeter(task, limit=1_000_000)
    for known, predicted in batches:
        meter.add(known.numpy(), predicted.sigmoid().numpy())
    size = len(pickle.dumps(meter))
    binned = metrics_of(meter)
    assert binned.binned == ("auroc", "ap")
    return {
        "ranking_cells": int(np.isfinite(labels).sum()),
        "auroc_and_ap_seconds": round(seconds["ours"], 3),
        "torchmetrics_auroc_seconds": round(seconds["theirs"], 3),
        "ranking_ratio": round(seconds["theirs"] / seconds["ours"], 1),
        "largest_difference_from_sklearn": error,
        "largest_difference_from_torchmetrics": float(
            np.abs(difference - results["theirs"].numpy()).max()
        ),
        "binned_megabytes": round(size / 1e6, 1),
        "binned_largest_difference": max(
            abs(binned.labels[n][m] - v) for n, of in results["ours"].labels.items()
            for m, v in of.items()
        ),
    }  # fmt: skip


def numbers(random: np.random.Generator) -> dict[str, Any]:
    """Return milliseconds of a step of both ways to score 19 labels."""
    labels = random.standard_normal((NUMBER_ROWS, NUMBERS)).astype(np.float32)
    outputs = (labels + random.standard_normal(labels.shape)).astype(np.float32)
    labels[random.random(labels.shape) >= 0.6] = np.nan
    batches = cut(labels, outputs, NUMBER_STEP)
    task = spec("mae", NUMBERS, ["mae", "pearson", "r2"])
    kinds = (
        torchmetrics.MeanAbsoluteError,
        torchmetrics.PearsonCorrCoef,
        torchmetrics.R2Score,
    )

    def ours() -> TaskMetrics:
        return evaluate(task, batches)

    def theirs() -> list[float]:
        metrics = [[kind() for kind in kinds] for _ in range(NUMBERS)]
        for known, predicted in batches:
            for i, of_label in enumerate(metrics):
                use = ~known[:, i].isnan()
                for metric in of_label:
                    metric.update(predicted[use, i], known[use, i])
        return [float(metric.compute()) for of_label in metrics for metric in of_label]

    seconds, results = race({"ours": ours, "theirs": theirs})
    found = [v for of_label in results["ours"].labels.values() for v in of_label.values()]
    return {
        "numbers_ms_a_step": round(1e3 * seconds["ours"] / len(batches), 3),
        "torchmetrics_numbers_ms_a_step": round(1e3 * seconds["theirs"] / len(batches), 3),
        "numbers_ratio": round(seconds["theirs"] / seconds["ours"], 1),
        "numbers_largest_difference": float(np.abs(np.subtract(found, results["theirs"])).max()),
    }


def evaluate(task: TaskSpec, batches: Batches) -> TaskMetrics:
    """Return the metrics of a pass, by the way a training takes."""
    meter = PassMeter([task], limit=256_000_000)
    for known, predicted in batches:
        every = torch.arange(len(known))
        labels = {task.name: TaskLabels(every, known, torch.ones(len(known)))}
        meter.add(
            cast(MolBatch, SimpleNamespace(labels=labels, padding=None)), {task.name: predicted}
        )
    return meter.metrics()[task.name]


def cut(labels: np.ndarray, outputs: np.ndarray, size: int) -> Batches:
    """Return batches of ``size`` rows."""
    return list(
        zip(
            torch.from_numpy(labels).split(size), torch.from_numpy(outputs).split(size), strict=True
        )
    )


def spec(loss: str, num_labels: int, metrics: list[str]) -> TaskSpec:
    """Return a task with so many labels."""
    names = [f"y{i}" for i in range(num_labels)]
    return TaskSpec.model_validate(
        dict(name="t", dataset="d", level="graph", labels=names, loss=loss, metrics=metrics)
    )


def race(ways: dict[str, Callable[[], Any]]) -> tuple[dict[str, float], dict[str, Any]]:
    """Return the median seconds of each way, taken in turns, and what it returned."""
    times: dict[str, list[float]] = {name: [] for name in ways}
    results = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            started = time.process_time()
            results[name] = way()
            times[name].append(time.process_time() - started)
    return {name: statistics.median(of) for name, of in times.items()}, results


if __name__ == "__main__":
    main()
