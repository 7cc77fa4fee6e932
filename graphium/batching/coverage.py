"""Counts the labels of each part and says where a metric will be undefined."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.batching.compact import is_known
from graphium.batching.report import TaskReport
from graphium.batching.task_data import TaskData
from graphium.config.data import Part
from graphium.errors import DataError
from graphium.labels.splits import PARTS

_MAX_KINDS = 3
"""Sets of absent classes that are listed one by one."""


@dataclass(frozen=True, slots=True)
class _Counts:
    """The labels of one task in one part."""

    known: NDArray[np.int64]
    """[L] labels of each column."""
    has_class: NDArray[np.bool_]
    """[C, L] whether a column has any label of a class; no classes for numbers."""


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
        counts = {p: _count(task, part, i) for i, p in enumerate(PARTS)}
        reports[name] = TaskReport(
            molecules={p: int((part[task.molecule] == i).sum()) for i, p in enumerate(PARTS)},
            labels={
                p: dict(zip(task.spec.labels, found.known.tolist(), strict=True))
                for p, found in counts.items()
            },
        )
        if need_training and not counts["train"].known.any():
            raise DataError(_without_labels(task, reports[name]))
        for number, (p, found) in enumerate(counts.items()):
            if (part == number).any():  # else it is said once for the whole mix
                warnings += _part_warnings(task, p, found)
    return reports, warnings


def _count(task: TaskData, part: NDArray[np.uint8], number: int) -> _Counts:
    spec, width = task.spec, len(task.spec.labels)
    num_classes = (spec.num_classes or 2) if spec.is_class else 0
    known, has_class = np.zeros(width, np.int64), np.zeros((num_classes, width), bool)
    for block in task.stored_blocks(part, number):
        known += is_known(block).sum(0)
        for position in range(num_classes):
            has_class[position] |= (block == position).any(0)
    return _Counts(known, has_class)


def _without_labels(task: TaskData, report: TaskReport) -> str:
    elsewhere = ", ".join(f"{sum(report.labels[p].values()):,} in {p}" for p in PARTS[1:])
    return (
        f"task '{task.spec.name}' is a task without labels: no molecule of dataset "
        f"'{task.spec.dataset}' in train has a label of {', '.join(task.spec.labels)} "
        f"({elsewhere}); choose other label columns or another split, or remove the task"
    )


def _part_warnings(task: TaskData, part: Part, counts: _Counts) -> list[str]:
    spec = task.spec
    if not counts.known.any():
        return [f"task '{spec.name}' has no labels in {part}: it is not measured there"]
    absent = [label for label, known in zip(spec.labels, counts.known, strict=True) if not known]
    warnings = [f"task '{spec.name}': {part} has no label of {_listed(absent)}"] if absent else []
    lacking: dict[str, list[str]] = {}
    for label, has_class in zip(spec.labels, counts.has_class.T, strict=True):
        names = spec.class_names or [str(i) for i in range(len(has_class))]
        missing = [name for name, has in zip(names, has_class, strict=True) if not has]
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
