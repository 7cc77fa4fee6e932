"""Counts the labels of each part and says where a metric will be undefined."""

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from graphium.batching.label_counts import LabelCounts
from graphium.batching.report import TaskReport
from graphium.batching.task_data import TaskData
from graphium.config.data import Part
from graphium.config.tasks import TaskSpec
from graphium.errors import DataError
from graphium.labels.header import shorten
from graphium.labels.splits import PARTS

_MAX_KINDS = 3
"""Sets of absent classes that are listed one by one."""


def describe_tasks(
    tasks: Mapping[str, TaskData],
    part: NDArray[np.uint8],
    *,
    need_training: bool = True,
    moved: Mapping[str, str] | None = None,
) -> tuple[dict[str, TaskReport], list[str]]:
    """Count labels by task, part and column.

    Args:
        tasks: All tasks.
        part: [M] part of each molecule.
        need_training: Refuse a task without a training label.
        moved: Words for the rows of each dataset that went from train to another part, for the
            error about such a task.

    Returns:
        The counts, and a warning for each part that has no labels of a task or of a column, or
        lacks one of its classes.

    Raises:
        DataError: ``need_training``, and a task has no training label at all.
    """
    has_molecules = {p: bool((part == number).any()) for number, p in enumerate(PARTS)}
    return describe_counts(
        {name: _count(task, part) for name, task in tasks.items()},
        has_molecules,
        need_training=need_training,
        moved=moved,
    )


def describe_counts(
    counts: Mapping[str, LabelCounts],
    has_molecules: Mapping[Part, bool],
    *,
    need_training: bool = True,
    moved: Mapping[str, str] | None = None,
) -> tuple[dict[str, TaskReport], list[str]]:
    """Do the same with labels that are counted.

    Args:
        counts: By task.
        has_molecules: Whether a part of the mix has any.
        need_training: Refuse a task without a training label.
        moved: Words for the rows of each dataset that went from train to another part.
    """
    reports: dict[str, TaskReport] = {}
    warnings: list[str] = []
    for name, counted in counts.items():
        reports[name] = counted.report()
        if need_training and not any(counted.known("train")):
            raise DataError(_without_labels(counted.spec, reports[name], moved or {}))
        for part in PARTS:
            if has_molecules[part]:  # else said once for the whole mix
                warnings += _part_warnings(counted, part)
    return reports, warnings


def _count(task: TaskData, part: NDArray[np.uint8]) -> LabelCounts:
    counts = LabelCounts(task.spec)
    for number, p in enumerate(PARTS):
        counts.add_molecules(p, int((part[task.molecule] == number).sum()))
        for block in task.stored_blocks(part, number):
            counts.add(p, block)
    return counts


def _without_labels(spec: TaskSpec, report: TaskReport, moved: Mapping[str, str]) -> str:
    elsewhere = ", ".join(f"{sum(report.labels[p].values()):,} in {p}" for p in PARTS[1:])
    why = moved.get(spec.dataset, "")
    return (
        f"task '{spec.name}' is a task without labels: no molecule of dataset "
        f"'{spec.dataset}' in train has a label of {shorten(spec.labels)} "
        f"({elsewhere}); {f'{why}; ' if why else ''}choose other label columns or another split, "
        "or remove the task"
    )


def _part_warnings(counts: LabelCounts, part: Part) -> list[str]:
    spec, known = counts.spec, counts.known(part)
    if not any(known):
        return [f"task '{spec.name}' has no labels in {part}: it is not measured there"]
    absent = [label for label, count in zip(spec.labels, known, strict=True) if not count]
    warnings = [f"task '{spec.name}': {part} has no label of {_listed(absent)}"] if absent else []
    lacking: dict[str, list[str]] = {}
    for label, missing in zip(spec.labels, counts.missing_classes(part), strict=True):
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
