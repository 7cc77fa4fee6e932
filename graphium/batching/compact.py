"""Labels in little memory: classes a byte each, numbers float32; only this module knows how.

A LargeMix table of 300,000 molecules and 1,328 binary columns takes 0.4 GB so, and 1.6 GB as
numbers. Batches carry numbers in any case: they are made of what they hold, never of the whole.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec

CompactLabels = NDArray[np.float32] | NDArray[np.int8]
"""Labels of any shape: numbers, NaN = missing; or classes, -1 = missing."""
MISSING_CLASS = -1
MOST_CLASSES = 128
"""Classes that a byte with a sign can tell apart; labels of more are held as numbers."""
BLOCK_CELLS = 1 << 22
"""Labels that are looked at at once."""

_NUMBERS = np.where(np.arange(256) < MOST_CLASSES, np.arange(256), np.nan).astype(np.float32)
_NUMBERS.flags.writeable = False


def empty_labels(spec: TaskSpec, num_rows: int) -> CompactLabels:
    """Return room for [num_rows, L] labels of a task; what is in it is not defined."""
    num_classes = (spec.num_classes or 2) if spec.is_class else MOST_CLASSES + 1
    shape = (num_rows, len(spec.labels))
    return np.empty(shape, np.int8) if num_classes <= MOST_CLASSES else np.empty(shape, np.float32)


def encode_like(labels: CompactLabels, values: NDArray[np.floating]) -> CompactLabels:
    """Return values, NaN = missing, as they are written into ``labels``."""
    if labels.dtype == np.int8:
        return np.where(np.isnan(values), MISSING_CLASS, values).astype(np.int8)
    return values.astype(np.float32, copy=False)


def compact(spec: TaskSpec, values: NDArray[np.floating]) -> CompactLabels:
    """Return [rows, L] labels of a task, NaN = missing, as they are held."""
    return encode_like(empty_labels(spec, 0), values)


def decode(labels: CompactLabels) -> NDArray[np.float32]:
    """Return labels as numbers, NaN = missing; numbers are returned as they are, not copied."""
    if labels.dtype == np.int8:
        return np.take(_NUMBERS, labels.view(np.uint8), mode="clip")
    return np.asarray(labels, np.float32)


def take(labels: CompactLabels, rows: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return some rows of [rows, L] labels as numbers; NaN = missing."""
    taken: CompactLabels = labels.take(rows, axis=0)  # twice as fast as labels[rows]
    return decode(taken)


def is_known(labels: CompactLabels) -> NDArray[np.bool_]:
    """Return which labels are not missing."""
    return np.asarray(labels >= 0 if labels.dtype == np.int8 else ~np.isnan(labels))


def row_blocks(labels: CompactLabels) -> Iterator[slice]:
    """Yield the rows of [rows, L] labels in one or more blocks of ``BLOCK_CELLS`` at most."""
    step = max(1, BLOCK_CELLS // max(1, labels.shape[1]))
    for first in range(0, max(1, len(labels)), step):
        yield slice(first, min(first + step, len(labels)))
