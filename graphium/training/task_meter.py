"""What one task's metrics need of the labels and predictions of a pass, block by block.

Errors need sums, classes need counts, and metrics that sort need the cells themselves: exactly up
to a limit, in bins beyond it. Meters of several ranks add up to that of one process.
"""

from collections.abc import Sequence
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from graphium.config.metrics import RANK_CORRELATIONS, RANKED, Metric
from graphium.config.tasks import TaskSpec
from graphium.training.cells import PairCells, ScoreCells
from graphium.training.confusion import count_classes
from graphium.training.moments import Moments
from graphium.training.ranking import Ranking


@final
class TaskMeter:
    """Adds up blocks of labels and predictions of one task.

    Args:
        spec: The task; what its ``metrics`` need is kept.
        limit: Most bytes of the cells of metrics that sort, over all ranks; None is any number.
        thresholds: [L] above which a 0/1 label is called 1; None takes those of the task, which
            may be chosen on the very cells that are added.
    """

    def __init__(
        self,
        spec: TaskSpec,
        limit: int | None = None,
        thresholds: NDArray[np.float64] | None = None,
    ) -> None:
        self.spec = spec
        self.limit = limit
        num_labels, self.num_classes = len(spec.labels), spec.num_classes or 2
        self.known = np.zeros(num_labels, np.int64)
        """[L] known labels."""
        self.broken = np.zeros(num_labels, np.int64)
        """[L] known labels whose prediction is no finite number."""
        self.moments = None if spec.is_class else Moments(num_labels)
        self.counts: NDArray[np.int64] | None = None
        """[L, C, C] known and predicted classes; None for numbers and where thresholds are yet
        to be chosen."""
        self.thresholds = thresholds
        if spec.loss == "bce" and thresholds is None and spec.threshold_for is None:
            self.thresholds = np.full(num_labels, spec.threshold)
        self.chooses = spec.loss == "bce" and self.thresholds is None
        if spec.is_class and not self.chooses:
            self.counts = np.zeros((num_labels, self.num_classes, self.num_classes), np.int64)
        self.scores: ScoreCells | None = None
        self.pairs: PairCells | None = None
        if spec.is_class and (self.chooses or _any(spec, RANKED)):
            per_label = self.num_classes if spec.is_multiclass else 1
            self.scores = ScoreCells(num_labels * per_label, limit)
        if _any(spec, RANK_CORRELATIONS):
            mean = np.asarray(spec.mean if spec.mean is not None else np.zeros(num_labels))
            std = np.asarray(spec.std if spec.std is not None else np.ones(num_labels))
            self.pairs = PairCells(mean, std, limit)

    @property
    def num_bytes(self) -> int:
        """Bytes of exact cells."""
        return sum(cells.num_bytes for cells in (self.scores, self.pairs) if cells is not None)

    @property
    def is_binned(self) -> bool:
        """Whether the cells of metrics that sort are in bins."""
        return any(cells.is_binned for cells in (self.scores, self.pairs) if cells is not None)

    def to_bins(self) -> None:
        """Count the cells of metrics that sort in bins."""
        for cells in (self.scores, self.pairs):
            if cells is not None:
                cells.to_bins()

    def add(self, labels: NDArray[np.floating], predictions: NDArray[np.floating]) -> None:
        """Add a block.

        Args:
            labels: [R, L] in the task's unit, 0/1 or class positions; NaN where missing.
            predictions: [R, L] in the task's unit or as probabilities; [R, L, C] class
                probabilities.
        """
        known = np.isfinite(labels)
        self.known += known.sum(0)
        if self.moments is not None:
            finite = np.isfinite(predictions)
            self.broken += (known & ~finite).sum(0)
            self.moments.add(labels, predictions, known & finite)
            if self.pairs is not None:
                cells = np.flatnonzero(known & finite)
                column = cells % labels.shape[1]
                self.pairs.add(column, labels.ravel()[cells], predictions.ravel()[cells])
        else:
            self._add_classes(labels, predictions, known)

    def _add_classes(
        self,
        labels: NDArray[np.floating],
        predictions: NDArray[np.floating],
        known: NDArray[np.bool_],
    ) -> None:
        num_labels = labels.shape[1]
        cells = np.flatnonzero(known)
        width = self.num_classes if self.spec.is_multiclass else 1
        predicted = predictions.reshape(known.size, width)[cells]
        finite = np.isfinite(predicted).all(1)
        if not finite.all():
            self.broken += np.bincount(cells[~finite] % num_labels, minlength=num_labels)
            cells, predicted = cells[finite], predicted[finite]
        column = _columns(cells, known.size, num_labels)
        given = labels.ravel()[cells]
        if self.spec.is_multiclass:
            classes = given.astype(np.int64)
            best = predicted.argmax(1)
            if self.scores is not None:
                each = np.arange(self.num_classes)
                of_class = column[:, None] * self.num_classes + each
                is_class = classes[:, None] == each
                self.scores.add(of_class.ravel(), predicted.ravel(), is_class.ravel())
        else:
            classes, scores = (given > 0.5).astype(np.int64), predicted[:, 0]
            if self.scores is not None:
                self.scores.add(column, scores, classes.astype(bool))
            if self.thresholds is None:
                return
            best = (scores > self.thresholds[column]).astype(np.int64)
        assert self.counts is not None, "classes are counted unless thresholds are to be chosen"
        self.counts += count_classes(column, classes, best, (num_labels, self.num_classes))

    def merge(self, other: Self) -> None:
        """Add what another rank has counted; see ``merge_meters``."""
        self.known += other.known
        self.broken += other.broken
        if self.moments is not None and other.moments is not None:
            self.moments.merge(other.moments)
        if self.counts is not None and other.counts is not None:
            self.counts += other.counts
        if self.scores is not None and other.scores is not None:
            self.scores.merge(other.scores)
        if self.pairs is not None and other.pairs is not None:
            self.pairs.merge(other.pairs)

    def rank(self) -> Ranking | None:
        """Sort the scores, and choose thresholds where the task wants them chosen here."""
        if self.scores is None:
            return None
        return self.scores.rank(self.spec.threshold_for if self.chooses else None)


def merge_meters(meters: Sequence[TaskMeter]) -> TaskMeter:
    """Return the meter of all ranks together, made of the first.

    It is binned exactly when one process that had seen everything would be.
    """
    whole, *others = meters
    if needs_bins(whole.limit, [(meter.num_bytes, meter.is_binned) for meter in meters]):
        for meter in meters:
            meter.to_bins()
    for meter in others:
        whole.merge(meter)
    return whole


def needs_bins(limit: int | None, shares: Sequence[tuple[int, bool]]) -> bool:
    """Return whether ranks with so many bytes of cells, binned or not, exceed the limit."""
    total = sum(num_bytes for num_bytes, _ in shares)
    return any(is_binned for _, is_binned in shares) or (limit is not None and total > limit)


def _columns(cells: NDArray[np.int64], size: int, num_labels: int) -> NDArray[np.integer]:
    if size < 2**32:  # short integers are divided in a third of the time
        return cells.astype(np.uint32) % np.uint32(num_labels)
    return cells % num_labels


def _any(spec: TaskSpec, metrics: Sequence[Metric]) -> bool:
    return any(metric in spec.metrics for metric in metrics)
