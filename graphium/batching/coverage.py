"""Counts the labels of each part and says where a metric will be undefined."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from graphium.batching.report import TaskReport
from graphium.batching.task_data import TaskData
from graphium.config.data import Part
from graphium.errors import DataError
from graphium.labels.splits import PARTS

_MAX_KINDS = 3
"""Sets of absent classes that are listed one by one."""


def describe_tasks(
    tasks: Mapping[str, TaskData], part: NDArray[np.uint8], *, need_training: bool = True
) -> tuple[dict[str, TaskReport], list[str]]:
    """Count labels by task, part and column.

    Args:
        tasks: All tasks.
        part: [M] part of each molecule.
        need_training: Refuse a task without a training label.

    Returns:
        The counts, and a warning for each part that has no labels of a task or of a column, or
        lacks one of its classes.

    Raises:
        DataError: ``need_training``, and a task has no training label at all.
    """
    reports: dict[str, TaskReport] = {}
    warnings: list[str] = []
    for name, task in tasks.items():
        counts = {p: _column_counts(task, part, i) for i, p in enumerate(PARTS)}
        reports[name] = TaskReport(
            molecules={p: int((part[task.molecule] == i).sum()) for i, p in enumerate(PARTS)},
            labels=counts,
        )
        if need_training and not any(counts["train"].values()):
            raise DataError(_without_labels(task, reports[name]))
        for number, p in enumerate(PARTS):
            warnings += _part_warnings(
                task, p, task.values_of(part, number), bool((part == number).any())
            )
    return reports, warnings


def _column_counts(task: TaskData, part: NDArray[np.uint8], number: int) -> dict[str, int]:
    known = (~np.isnan(task.values_of(part, number))).sum(0)
    return dict(zip(task.spec.labels, known.tolist(), strict=True))


def _without_labels(task: TaskData, report: TaskReport) -> str:
    elsewhere = ", ".join(f"{sum(report.labels[p].values()):,} in {p}" for p in PARTS[1:])
    return (
        f"task '{task.spec.name}' is a task without labels: no molecule of dataset "
        f"'{task.spec.dataset}' in train has a label of {', '.join(task.spec.labels)} "
        f"({elsewhere}); choose other label columns or another split, or remove the task"
    )


def _part_warnings(
    task: TaskData, part: Part, values: NDArray[np.float32], part_has_molecules: bool
) -> list[str]:
    spec = task.spec
    if not part_has_molecules:
        return []  # said once for the whole mix
    known = ~np.isnan(values)
    if not known.any():
        return [f"task '{spec.name}' has no labels in {part}: it is not measured there"]
    absent = [label for label, column in zip(spec.labels, known.T, strict=True) if not column.any()]
    warnings = [f"task '{spec.name}': {part} has no label of {_listed(absent)}"] if absent else []
    lacking: dict[str, list[str]] = {}
    for label, column in zip(spec.labels, values.T, strict=True):
        missing = _missing_classes(task, column)
        if missing and label not in absent:
            lacking.setdefault(", ".join(missing), []).append(label)
    if len(lacking) > _MAX_KINDS:
        columns = sum(map(len, lacking.values()))
        return [
            *warnings,
            f"task '{spec.name}': in {part}, {columns} of {len(spec.labels)} columns lack a class "
            "or several: some metrics are undefined there",
        ]
    return warnings + [
        f"task '{spec.name}': {part} has no {_listed(labels)} of class {names}: some metrics are "
        "undefined there"
        for names, labels in lacking.items()
    ]


def _listed(names: list[str]) -> str:
    shown = ", ".join(names[:5])
    return shown if len(names) <= 5 else f"{shown} and {len(names) - 5} more columns"


def _missing_classes(task: TaskData, column: NDArray[np.float32]) -> list[str]:
    spec = task.spec
    num_classes = 2 if spec.loss == "bce" else spec.num_classes
    if num_classes is None:
        return []
    names = spec.class_names or [str(i) for i in range(num_classes)]
    return [name for i, name in enumerate(names) if not (column == i).any()]
