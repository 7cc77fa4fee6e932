"""One look at the labels of stores that are too large to be held, a segment after another.

What stays in memory is how many labels each row has, a byte or two for each row and task: enough to
know who has labels, and the weight of the labels of any step.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import Dataset, read_labels, read_weights
from graphium.batching.label_counts import LabelCounts
from graphium.batching.thinning import thin
from graphium.config.tasks import TaskConfig, TaskSpec
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import offsets
from graphium.labels.splits import PARTS
from graphium.store.arrays import narrow
from graphium.store.read import LabelTable


@final
@dataclass(frozen=True, slots=True)
class RowLabels:
    """What is known of the labels of one dataset with S rows."""

    known: dict[str, NDArray[np.unsignedinteger]]
    """[S] known labels of each row by task, after thinning."""
    weight: NDArray[np.float32] | None
    """[S] sample weight of each row; None where all are 1."""
    counts: dict[str, LabelCounts]
    """By task: labels by part, column and class."""
    moments: dict[str, "Moments"]
    """By task: of the training labels."""
    thinned: dict[str, int]
    """By task: rows of train whose labels are not used."""
    most: dict[str, tuple[int, int]]
    """By task: labelled molecules of a segment, and rows of their labels, at most."""

    def has_any(self, num_rows: int) -> NDArray[np.bool_]:
        """Return [S] whether a row has a label of any task."""
        out = np.zeros(num_rows, bool)
        for known in self.known.values():
            out |= known > 0
        return out

    def total(self, task: str, rows: NDArray[np.int64]) -> float:
        """Return the weight of all known labels of some rows."""
        known = self.known[task][rows].astype(np.float64)
        if self.weight is not None:
            known *= self.weight[rows]
        return float(known.sum())


@final
class Moments:
    """Number, mean and squared deviation of columns, added up block by block in float64.

    Blocks are put together as Chan, Golub and LeVeque do (1983, 10.2307/2683386), so that large
    means cost no digits.

    Args:
        width: Columns.
    """

    def __init__(self, width: int) -> None:
        self._count = np.zeros(width, np.int64)
        self._mean = np.zeros(width)
        self._squares = np.zeros(width)

    def add(self, values: NDArray[np.float32]) -> None:
        """Add [rows, width] numbers; NaN is missing."""
        numbers = values.astype(np.float64)
        known = ~np.isnan(numbers)
        count = known.sum(0)
        mean = np.where(known, numbers, 0).sum(0) / np.maximum(count, 1)
        squares = (np.where(known, numbers - mean, 0) ** 2).sum(0)
        whole = np.maximum(self._count + count, 1)
        off = mean - self._mean
        self._squares += squares + off**2 * self._count * count / whole
        self._mean += off * count / whole
        self._count += count

    def statistics(self) -> tuple[list[float], list[float]]:
        """Return means and deviations by the rules of ``labels/normalize.py``."""
        std = np.sqrt(self._squares / np.maximum(self._count, 1))
        varies = std > np.finfo(np.float32).eps * np.abs(self._mean)
        return self._mean.tolist(), np.where(varies, std, 1.0).tolist()


def of_segment(dataset: Dataset, number: int, first: int) -> Dataset:
    """Return a dataset as far as one segment of its store goes.

    Args:
        dataset: The whole.
        number: The segment.
        first: Its first molecule.
    """
    store = dataset.store.segment(number)
    rows = dataset.source_row[first : first + store.num_molecules]
    return replace(dataset, store=store, source_row=rows)


def look_at_labels(
    dataset: Dataset,
    specs: Sequence[TaskSpec],
    tasks: Mapping[str, TaskConfig],
    group_hash: NDArray[np.uint64],
    part: NDArray[np.uint8],
) -> RowLabels:
    """Read the labels of a dataset once.

    Args:
        dataset: S rows.
        specs: Its tasks.
        tasks: Their sections of the experiment.
        group_hash: [S] hash of what must stay together (``thinning.py``).
        part: [S] part of each row; rows of no part are not counted.

    Raises:
        DataError: A label or a weight cannot be used.
    """
    known: dict[str, list[NDArray[np.int64]]] = {spec.name: [] for spec in specs}
    weights: list[NDArray[np.float32]] = []
    found = RowLabels(
        known={},
        weight=None,
        counts={spec.name: LabelCounts(spec) for spec in specs},
        moments={spec.name: Moments(len(spec.labels)) for spec in specs},
        thinned=dict.fromkeys(known, 0),
        most=dict.fromkeys(known, (0, 0)),
    )
    first = 0
    for number, record in enumerate(dataset.store.record.segments):
        one = of_segment(dataset, number, first)
        here = slice(first, first + record.molecules)
        for spec in specs:
            share = tasks[spec.name].label_fraction
            counted = _count(one, spec, share, group_hash[here], part[here], found)
            known[spec.name].append(counted)
        if dataset.config.weights is not None:
            weights.append(read_weights(one))
        first = here.stop
    empty = np.zeros(0, np.int64)
    return replace(
        found,
        known={name: narrow(np.concatenate([empty, *counts])) for name, counts in known.items()},
        weight=np.concatenate(weights) if weights else None,
    )


def _count(
    one: Dataset,
    spec: TaskSpec,
    share: float,
    group_hash: NDArray[np.uint64],
    part: NDArray[np.uint8],
    found: RowLabels,
) -> NDArray[np.int64]:
    """Add the labels of a segment to ``found``, and return how many each molecule has."""
    whole = read_labels(one, spec)
    lengths = np.ones(len(whole.rows), np.int64)
    if spec.level != "graph" or share < 1:
        block = one.store.graphs(hashes=False)
        table = thin(whole, share, group_hash, part, block, 0)
        lengths = level_sizes(spec.level, block.num_atoms[table.rows], block.num_bonds[table.rows])
    else:
        table = whole
    found.thinned[spec.name] += len(whole.rows) - len(table.rows)
    rows, values = found.most[spec.name]
    found.most[spec.name] = max(rows, len(table.rows)), max(values, len(table.values))
    for name in PARTS:
        is_here = part[table.rows] == PARTS.index(name)
        labels = table.values[np.repeat(is_here, lengths)]
        found.counts[spec.name].add_molecules(name, int(is_here.sum()))
        found.counts[spec.name].add(name, labels)
        if name == "train" and not spec.is_class:
            found.moments[spec.name].add(labels)
    known = np.zeros(one.store.num_molecules, np.int64)
    known[table.rows] = _known_by_row(table, lengths)
    return known


def _known_by_row(table: LabelTable, lengths: NDArray[np.integer]) -> NDArray[np.int64]:
    before = np.zeros(len(table.values) + 1, np.int64)
    np.cumsum((~np.isnan(table.values)).sum(1), out=before[1:])
    return np.diff(before[offsets(lengths)])
