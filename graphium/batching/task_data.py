"""The labels of one task: rows only for the molecules that have any."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from graphium.batching.compact import CompactLabels, decode, is_known, row_blocks
from graphium.config.tasks import TaskSpec
from graphium.labels.normalize import block_statistics


@dataclass(frozen=True, slots=True)
class TaskData:
    """R labelled molecules and their labels, in the atom and bond order of the packed graphs."""

    spec: TaskSpec
    """What the labels are."""
    molecule: NDArray[np.int64]
    """[R] position of each labelled molecule in the mix, increasing."""
    offset: NDArray[np.int64]
    """[R + 1] first row of ``stored`` of each molecule: one row for each molecule (graph), atom
    (node), bond (edge) or pair of atoms (nodepair)."""
    stored: CompactLabels
    """[offset[-1], L] labels in their own units, class positions for classes, held as
    ``compact.py`` says; ``values`` of few rows, ``value_blocks`` of many."""
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

    @property
    def values(self) -> NDArray[np.float32]:
        """[offset[-1], L] all labels as numbers; NaN = missing. Of classes this is a large copy."""
        return decode(self.stored)

    def value_blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yield ``values``, some rows after others."""
        for rows in row_blocks(self.stored):
            yield decode(self.stored[rows])

    def label_weights(self) -> NDArray[np.float64]:
        """Return [R] number of known labels of each molecule times its sample weight."""
        known = np.zeros(len(self.stored) + 1, np.int64)
        for rows in row_blocks(self.stored):
            known[1:][rows] = is_known(self.stored[rows]).sum(1)
        np.cumsum(known, out=known)
        return np.diff(known[self.offset]) * self.weight.astype(np.float64)

    def num_rows(self) -> NDArray[np.int64]:
        """Return [R] how many rows each molecule adds to the labels of a batch.

        A molecule is one row; of atoms, bonds and pairs those that have a label.
        """
        if self.spec.level == "graph":
            return np.ones(len(self.molecule), np.int64)
        known = np.zeros(len(self.stored) + 1, np.int64)
        for rows in row_blocks(self.stored):
            known[1:][rows] = is_known(self.stored[rows]).any(1)
        np.cumsum(known, out=known)
        return np.diff(known[self.offset])

    def stored_blocks(self, part: NDArray[np.uint8], number: int) -> Iterator[CompactLabels]:
        """Yield the labels of the molecules that stand in one part, some rows after others.

        Args:
            part: [M] part of each molecule of the mix.
            number: The part to take.
        """
        is_taken = np.repeat(part[self.molecule] == number, np.diff(self.offset))
        for rows in row_blocks(self.stored):
            yield self.stored[rows][is_taken[rows]]

    def values_of(self, part: NDArray[np.uint8], number: int) -> NDArray[np.float32]:
        """Return the labels of the molecules of one part as numbers; NaN = missing."""
        return np.concatenate([decode(block) for block in self.stored_blocks(part, number)])

    def statistics(self, part: NDArray[np.uint8]) -> tuple[list[float], list[float]]:
        """Return mean and deviation of each column of the training labels (``normalize.py``)."""
        return block_statistics(lambda: map(decode, self.stored_blocks(part, 0)))

    def normalized(self, part: NDArray[np.uint8]) -> "TaskData":
        """Return the task with mean and deviation of its training labels in its ``spec``."""
        mean, std = self.statistics(part)
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
