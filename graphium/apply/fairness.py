"""Where runs cannot be compared fairly: they divide their data, or are measured, in other ways."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from graphium.apply.contenders import COMPARED, Contender
from graphium.apply.finished_run import FinishedRun, TaskResult


def data_differences(contenders: Sequence[Contender]) -> list[str]:
    """Return in words where runs cannot be compared fairly: other rows, or other labels.

    Of each dataset and each task, every run is compared with the first one that has it.
    """
    return [*_other_parts(contenders), *_other_labels(contenders)]


def _other_parts(contenders: Sequence[Contender]) -> Iterator[str]:
    """Yield what is said where a dataset is divided in another way.

    Runs that hold their data list the rows of each part, runs that stream them keep a digest: one
    of each kind are compared by what they were measured on alone.
    """
    first: dict[tuple[str, str], tuple[Contender, object]] = {}
    for one in contenders:
        found: dict[tuple[str, str], object] = {}
        found |= {("held", name): rows for name, rows in one.first.parts().items()}
        found |= {("streamed", name): key for name, key in one.first.streamed_parts().items()}
        other: dict[str, list[str]] = {}
        for key, parts in found.items():
            before, there = first.setdefault(key, (one, parts))
            if there != parts:
                other.setdefault(before.letter, []).append(key[1])
        for letter, names in other.items():
            yield (
                f"{letter} and {one.letter} divide {', '.join(names)} into other train, val and "
                "test parts"
            )


def _other_labels(contenders: Sequence[Contender]) -> Iterator[str]:
    """Yield what is said where a task is measured on other labels."""
    first: dict[str, Contender] = {}
    for one in contenders:
        for name, task in one.first.results.tasks.items():
            before = first.setdefault(name, one)
            if before is one:
                continue
            there = before.first.results.tasks[name]
            pair = f"{before.letter} and {one.letter}"
            counts = [[result.count(part) for part in COMPARED] for result in (there, task)]
            if counts[0] != counts[1]:
                test, val = zip(*counts, strict=True)
                yield (
                    f"{pair} are measured on other labels of {name}: "
                    f"test {test[0]:,} and {test[1]:,}, val {val[0]:,} and {val[1]:,}"
                )
                continue
            changed = _changed_rows(before.first, one.first, name)
            if changed:
                yield (
                    f"{pair} are measured on other labels of {name}: {' and '.join(changed)} are "
                    "others, or have other values"
                )


def _changed_rows(ours: FinishedRun, theirs: FinishedRun, name: str) -> list[str]:
    """Return how many rows of each part only one of two runs was measured on, in words."""
    tasks = [run.results.tasks[name] for run in (ours, theirs)]
    if tasks[0].labels != tasks[1].labels or tasks[0].level != tasks[1].level:
        return ["all"]
    found = []
    for part in COMPARED:
        if any(name in run.results.rows_left_out.get(part, {}) for run in (ours, theirs)):
            continue  # each wrote rows of other molecules, drawn at random
        tables = [run.predictions(part, name) for run in (ours, theirs)]
        if tables[0] is None or tables[1] is None:
            continue
        before, now = (_digests(table, tasks[0]) for table in tables if table is not None)
        if before.shape != now.shape or (before != now).any():
            num = int(np.isin(now, before, invert=True).sum())
            found.append(f"{num:,} of {len(now):,} rows of {part}")
    return found


def _digests(table: pd.DataFrame, task: TaskResult) -> NDArray[np.uint64]:
    """Return a number for row and labels of each line of predictions, in increasing order.

    Neither SMILES nor places are asked: molecules that several tables have are written as the first
    one does, and whether others are joined to them differs from run to run.
    """
    told = table[["row", *task.labels]]
    return np.sort(pd.util.hash_pandas_object(told, index=False).to_numpy(np.uint64))
