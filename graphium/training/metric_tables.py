"""Tables of the metrics of each label, and of each class, in the folder of a run."""

import csv
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec
from graphium.training.confusion import of_each_class
from graphium.training.metrics import TaskMetrics


def write_metric_tables(directory: Path, spec: TaskSpec, metrics: TaskMetrics) -> None:
    """Write ``TASK.csv``, one line a label, and for classes ``TASK_classes.csv``.

    A metric that is undefined is an empty cell. The last line of the first table is the task: the
    mean over labels, and how many labels define each metric.

    Args:
        directory: Where the tables of one part go.
        spec: The task.
        metrics: Its metrics on that part.
    """
    directory.mkdir(parents=True, exist_ok=True)
    titles = [metrics.title(metric) for metric in spec.metrics]
    extra = ["ones", "threshold"] if metrics.thresholds is not None else []
    rows: list[Sequence[object]] = [["label", "labels", *extra, *titles]]
    for i, (label, values) in enumerate(metrics.labels.items()):
        more: list[object] = []
        if metrics.thresholds is not None and metrics.confusion is not None:
            more = [int(metrics.confusion[i, 1].sum()), _cell(metrics.thresholds[label])]
        cells = [_cell(values[metric]) for metric in spec.metrics]
        rows.append([label, metrics.counts[label], *more, *cells])
    blank = [""] * len(extra)
    total = sum(metrics.counts.values())
    rows.append(["(mean)", total, *blank, *(_cell(metrics.task[m]) for m in spec.metrics)])
    rows.append(
        ["(labels that define it)", "", *blank, *(metrics.defined[m] for m in spec.metrics)]
    )
    _write(directory / f"{spec.name}.csv", rows)
    if spec.is_multiclass and metrics.confusion is not None:
        _write(directory / f"{spec.name}_classes.csv", _class_rows(spec, metrics.confusion))


def _class_rows(spec: TaskSpec, confusion: NDArray[np.int64]) -> Iterator[Sequence[object]]:
    names = spec.class_names or [str(c) for c in range(spec.num_classes or 0)]
    each, support = of_each_class(confusion), confusion.sum(2)
    yield ["label", "class", "name", "labels", *each]
    for i, label in enumerate(spec.labels):
        for c, name in enumerate(names):
            yield [label, c, name, support[i, c], *(_cell(of[i, c]) for of in each.values())]


def _cell(value: float | None) -> str:
    return "" if value is None or math.isnan(value) else f"{value:.7g}"


def _write(path: Path, rows: Iterable[Sequence[object]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
