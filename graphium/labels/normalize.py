"""Mean and deviation of labels, by which regression labels are scaled for training."""

from collections.abc import Callable, Iterable

import numpy as np
from numpy.typing import NDArray


def label_statistics(values: NDArray[np.floating]) -> tuple[list[float], list[float]]:
    """Return mean and standard deviation of each column, computed in float64.

    Give it the training labels only: what val and test labels are must change nothing.

    Args:
        values: [S, L] labels; NaN where missing.

    Returns:
        L means and L population standard deviations. The deviation is 1 where labels do not vary
        (or only by rounding); a column without labels has mean 0 and deviation 1.
    """
    return block_statistics(lambda: [values])


def block_statistics(
    blocks: Callable[[], Iterable[NDArray[np.floating]]],
) -> tuple[list[float], list[float]]:
    """Do what ``label_statistics`` does with rows that come in blocks: the same to the last bit.

    Args:
        blocks: Gives the blocks, one or more, in order; asked twice.
    """
    first = next(iter(blocks()))
    if first.shape[1] == 1:  # numpy adds the numbers of one column in pairs, those of several in
        whole = np.concatenate(list(blocks()))  # their order, which blocks can go on with
        return _statistics(lambda: [whole])
    return _statistics(blocks)


def _statistics(
    blocks: Callable[[], Iterable[NDArray[np.floating]]],
) -> tuple[list[float], list[float]]:
    total: NDArray[np.float64] | None = None
    count = np.int64(0)
    for block in blocks():
        labels = block.astype(np.float64)
        known = ~np.isnan(labels)
        count = count + known.sum(0)
        total = _add(total, np.where(known, labels, 0))
    count = np.maximum(count, 1)
    assert total is not None, "there is a block"
    mean = total / count
    squares: NDArray[np.float64] | None = None
    for block in blocks():
        labels = block.astype(np.float64)
        squares = _add(squares, np.where(np.isnan(labels), 0, labels - mean) ** 2)
    assert squares is not None, "there is a block"
    std = np.sqrt(squares / count)
    varies = std > np.finfo(np.float32).eps * np.abs(mean)
    return mean.tolist(), np.where(varies, std, 1.0).tolist()


def _add(total: NDArray[np.float64] | None, rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sums of the columns, going on from those of earlier rows."""
    whole = rows if total is None else np.concatenate([total[None], rows])
    return np.asarray(whole.sum(0))
