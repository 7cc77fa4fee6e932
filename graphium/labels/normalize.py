"""Mean and deviation of labels, by which regression labels are scaled for training."""

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
    labels = values.astype(np.float64)
    known = ~np.isnan(labels)
    count = np.maximum(known.sum(0), 1)
    mean = np.where(known, labels, 0).sum(0) / count
    std = np.sqrt((np.where(known, labels - mean, 0) ** 2).sum(0) / count)
    varies = std > np.finfo(np.float32).eps * np.abs(mean)
    return mean.tolist(), np.where(varies, std, 1.0).tolist()
