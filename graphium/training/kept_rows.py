"""Labelled rows of a pass with their predictions, for files: all of them up to a limit of bytes.

Beyond it, molecules are drawn at random: half of them, a quarter, and so on until they fit. A
molecule's draw is a function of its position alone, so that the same are kept on any number of
ranks.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec
from graphium.labels.seeded_hash import seeded_hash

MOST_HALVINGS = 32


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """One task on one part of the data, by molecules and by the atoms, bonds or pairs in them."""

    spec: TaskSpec
    """The task."""
    molecule: NDArray[np.int64]
    """[R] position of each row's molecule in the mix."""
    inner: NDArray[np.int64]
    """[R] atom, bond or pair inside its molecule (0 for graph-level tasks)."""
    ends: NDArray[np.int64]
    """[R, 2] atoms of a bond or pair inside its molecule (0 for other levels)."""
    labels: NDArray[np.float32]
    """[R, L] in the task's unit; NaN where missing."""
    predictions: NDArray[np.float32]
    """[R, L] in the task's unit or as probabilities; [R, L, C] class probabilities."""
    num_rows: int
    """Labelled rows of the part; more than R where not all could be kept."""

    def take(self, rows: NDArray[np.intp]) -> "TaskPredictions":
        """Return some of the rows."""
        return TaskPredictions(
            self.spec,
            self.molecule[rows],
            self.inner[rows],
            self.ends[rows],
            self.labels[rows],
            self.predictions[rows],
            self.num_rows,
        )


@final
class RowKeeper:
    """Keeps the rows of one task.

    Args:
        spec: The task.
        limit: Most bytes, over all ranks.
    """

    def __init__(self, spec: TaskSpec, limit: int) -> None:
        self._spec = spec
        self._limit = limit
        self._pieces: list[TaskPredictions] = []
        self._num_rows = np.zeros(MOST_HALVINGS + 1, np.int64)  # kept after each number of halvings
        self.halvings = 0
        """How often the share of molecules was halved."""

    def add(self, rows: TaskPredictions) -> None:
        """Keep the rows of a batch, or what of them is drawn."""
        drawn = np.bincount(_halvings_survived(rows.molecule), minlength=MOST_HALVINGS + 1)
        self._num_rows += drawn[::-1].cumsum()[::-1]
        self._pieces.append(_drawn(rows, self.halvings))
        wanted = halvings_needed([self.bytes_by_halvings()], self.halvings, self._limit)
        if wanted > self.halvings:
            self.halve(wanted)

    def bytes_by_halvings(self) -> NDArray[np.int64]:
        """Return the bytes of this rank's rows after 0, 1, 2, ... halvings."""
        return self._num_rows * bytes_per_row(self._spec)

    def halve(self, halvings: int) -> None:
        """Forget the rows that so many halvings leave out."""
        self.halvings = halvings
        self._pieces = [_drawn(piece, halvings) for piece in self._pieces]

    def rows(self) -> TaskPredictions:
        """Return what is kept, in the order in which it came."""
        return join_rows(self._spec, self._pieces)


def halvings_needed(sizes: Sequence[NDArray[np.int64]], halvings: int, limit: int) -> int:
    """Return how often the share of molecules must be halved for all ranks to fit together.

    Args:
        sizes: ``bytes_by_halvings`` of each rank.
        halvings: How often it has been on any rank.
        limit: Most bytes.
    """
    fits = np.flatnonzero(np.sum(sizes, axis=0)[halvings:] <= limit)
    return halvings + int(fits[0]) if len(fits) else MOST_HALVINGS


def join_rows(spec: TaskSpec, pieces: Sequence[TaskPredictions]) -> TaskPredictions:
    """Return the rows of all pieces, ordered by molecule and place."""
    none = np.zeros(0, np.int64)
    num_labels = len(spec.labels)
    shape = (0, num_labels, spec.num_classes) if spec.num_classes else (0, num_labels)
    empty = TaskPredictions(
        spec,
        none,
        none,
        np.zeros((0, 2), np.int64),
        np.zeros((0, num_labels), np.float32),
        np.zeros(shape, np.float32),
        0,
    )
    pieces = [empty, *pieces]
    molecule = np.concatenate([piece.molecule for piece in pieces])
    inner = np.concatenate([piece.inner for piece in pieces])
    order = np.lexsort((inner, molecule))
    return TaskPredictions(
        spec,
        molecule[order],
        inner[order],
        np.concatenate([piece.ends for piece in pieces])[order],
        np.concatenate([piece.labels for piece in pieces])[order],
        np.concatenate([piece.predictions for piece in pieces])[order],
        sum(piece.num_rows for piece in pieces),
    )


def bytes_per_row(spec: TaskSpec) -> int:
    """Return what a row takes: places, labels and predictions."""
    return 32 + 4 * len(spec.labels) * (1 + (spec.num_classes or 1))


def _halvings_survived(molecule: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how often the share can be halved until a molecule is left out."""
    bits = np.frexp((seeded_hash([], molecule) >> np.uint64(32)).astype(np.float64))[1]
    return MOST_HALVINGS - bits.astype(np.int64)


def _drawn(rows: TaskPredictions, halvings: int) -> TaskPredictions:
    if not halvings:
        return rows
    return rows.take(np.flatnonzero(_halvings_survived(rows.molecule) >= halvings))
