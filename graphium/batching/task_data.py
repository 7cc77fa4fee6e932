"""The labels of one task: rows only for the molecules that have any."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec
from graphium.labels.normalize import label_statistics


@dataclass(frozen=True, slots=True)
class TaskData:
    """R labelled molecules and their labels, in the atom and bond order of the packed graphs."""

    spec: TaskSpec
    """What the labels are."""
    molecule: NDArray[np.int64]
    """[R] position of each labelled molecule in the mix, increasing."""
    offset: NDArray[np.int64]
    """[R + 1] first row of ``values`` of each molecule: one row for each molecule (graph), atom
    (node), bond (edge) or pair of atoms (nodepair)."""
    values: NDArray[np.float32]
    """[offset[-1], L] labels in their own units, class positions for classes; NaN = missing."""
    weight: NDArray[np.float32]
    """[R] sample weight of each molecule."""
    source_row: NDArray[np.int64]
    """[R] row (0-based) of the task's own table that each molecule's labels came from, the first
    one where several were merged."""

    def find(self, molecules: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which of ``molecules`` are labelled, and the row r < R of each of those."""
        if len(self.molecule) == 0:
            return np.empty(0, np.int64), np.empty(0, np.int64)
        row = np.searchsorted(self.molecule, molecules)
        row[row == len(self.molecule)] = 0
        labelled = np.flatnonzero(self.molecule[row] == molecules)
        return labelled, row[labelled]

    def label_weights(self) -> NDArray[np.float64]:
        """Return [R] number of known labels of each molecule times its sample weight."""
        known = np.zeros(len(self.values) + 1, np.int64)
        np.cumsum((~np.isnan(self.values)).sum(1), out=known[1:])
        return np.diff(known[self.offset]) * self.weight.astype(np.float64)

    def values_of(self, part: NDArray[np.uint8], number: int) -> NDArray[np.float32]:
        """Return the labels of the molecules that stand in one part.

        Args:
            part: [M] part of each molecule of the mix.
            number: The part to take.
        """
        rows = np.flatnonzero(np.repeat(part[self.molecule] == number, np.diff(self.offset)))
        return np.take(self.values, rows, axis=0)

    def normalized(self, part: NDArray[np.uint8]) -> "TaskData":
        """Return the task with mean and deviation of its training labels in its ``spec``."""
        mean, std = label_statistics(self.values_of(part, 0))
        return replace(self, spec=self.spec.model_copy(update={"mean": mean, "std": std}))


class LabelTotals:
    """Adds up the label weights of any set of molecules, for every task, without reading labels.

    Args:
        tasks: All tasks of the mix.
    """

    def __init__(self, tasks: Mapping[str, TaskData]) -> None:
        self._tasks = tasks
        self._weights = {name: task.label_weights() for name, task in tasks.items()}

    def __call__(self, molecules: NDArray[np.int64]) -> dict[str, float]:
        """Return the sum of the weights of all known labels of each task."""
        return {
            name: float(self._weights[name][task.find(molecules)[1]].sum())
            for name, task in self._tasks.items()
        }
