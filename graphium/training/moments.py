"""Errors and correlations of numbers from sums: no label or prediction has to be kept.

Sums are in float64 and around the mean of each block; two blocks are put together by the formula
of Chan, Golub and LeVeque (1979, "Updating formulae and a pairwise algorithm for computing sample
variances", equation 2.1b), so that labels far from zero lose no digits and the order of the blocks
and ranks changes a value by rounding alone.
"""

from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from graphium.config.metrics import Metric

Values = NDArray[np.float64]
"""[L], NaN where undefined."""

_LABEL, _PREDICTION, _ERROR = range(3)
_NOISE = 1e-12
"""A deviation smaller than this share of the largest value is rounding."""


@final
class Moments:
    """Count, means, squares and products of the labels, predictions and errors of L columns."""

    def __init__(self, num_labels: int) -> None:
        self.count = np.zeros(num_labels)
        self._mean = np.zeros((3, num_labels))  # of label, prediction and error
        self._square = np.zeros((3, num_labels))  # around the mean
        self._product = np.zeros(num_labels)  # of label and prediction, around their means
        self._sums = np.zeros((2, num_labels))  # of absolute and of squared errors
        self._largest = np.zeros((3, num_labels))  # absolute value

    def add(
        self,
        labels: NDArray[np.floating],
        predictions: NDArray[np.floating],
        use: NDArray[np.bool_],
    ) -> None:
        """Add a block.

        Args:
            labels: [R, L].
            predictions: [R, L].
            use: [R, L] which cells count; the others are not looked at.
        """
        block = Moments(len(self.count))
        block.count = use.sum(0).astype(np.float64)
        values = np.empty((3, *use.shape))
        values[_LABEL] = np.where(use, labels, 0)
        values[_PREDICTION] = np.where(use, predictions, 0)
        np.subtract(values[_PREDICTION], values[_LABEL], out=values[_ERROR])
        absolute = np.abs(values)
        block._largest = absolute.max(1, initial=0)
        block._sums[0] = absolute[_ERROR].sum(0)
        block._sums[1] = np.einsum("rl,rl->l", values[_ERROR], values[_ERROR])
        block._mean = values.sum(1) / np.maximum(block.count, 1)
        values -= block._mean[:, None]
        values *= use
        block._square = np.einsum("krl,krl->kl", values, values)
        block._product = np.einsum("rl,rl->l", values[_LABEL], values[_PREDICTION])
        self.merge(block)

    def merge(self, other: Self) -> None:
        """Add what another block, or another rank, has counted."""
        total = self.count + other.count
        share = other.count / np.maximum(total, 1)
        between = other._mean - self._mean
        weight = self.count * share
        self._square += other._square + between**2 * weight
        self._product += other._product + between[_LABEL] * between[_PREDICTION] * weight
        self._mean += between * share
        self._sums += other._sums
        self._largest = np.maximum(self._largest, other._largest)
        self.count = total

    def value(self, metric: Metric, std: Values) -> Values:
        """Return a metric of each column.

        Args:
            metric: Which.
            std: [L] standard deviation of the training labels; NaN where they were not scaled.
        """
        absolute, squared = self._sums
        spread = np.where(self.count > 1, self._variation(_LABEL), 0)
        match metric:
            case "mae":
                return ratio(absolute, self.count)
            case "mse":
                return ratio(squared, self.count)
            case "rmse":
                return np.sqrt(ratio(squared, self.count))
            case "mae_scaled":
                return ratio(absolute, self.count) / std
            case "rmse_scaled":
                return np.sqrt(ratio(squared, self.count)) / std
            case "max_error":
                return np.where(self.count > 0, self._largest[_ERROR], np.nan)
            case "r2":
                return 1 - ratio(squared, spread)
            case "explained_variance":
                return 1 - ratio(self._square[_ERROR], spread)
            case "pearson":
                both = np.sqrt(spread) * np.sqrt(self._variation(_PREDICTION))
                return ratio(self._product, both).clip(-1, 1)
            case _:
                raise AssertionError(f"sums give no {metric}")

    def _variation(self, of: int) -> Values:
        """Return the sum of squares around the mean; 0 where it is nothing but rounding."""
        noise = self.count * (_NOISE * self._largest[of]) ** 2
        return np.where(self._square[of] > noise, self._square[of], 0)


def ratio(numerator: NDArray[np.number], denominator: NDArray[np.number]) -> Values:
    """Return the quotient, NaN where the denominator is 0."""
    out = np.full(np.broadcast(numerator, denominator).shape, np.nan)
    np.divide(numerator, denominator, out=out, where=denominator > 0)
    return out
