"""How compactly a column of numbers can be kept without losing any: as bits, bytes or floats."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

LabelStorage = Literal["bit", "code", "float"]
"""``bit``: 0 or 1; ``code``: whole numbers from -1 to 254, a byte each; ``float``: float32."""

LEAST_CODE, LARGEST_CODE = -1, 254


@dataclass(slots=True)
class NumberRange:
    """What the known, finite numbers of a column have been so far."""

    least: float = np.inf
    largest: float = -np.inf
    is_whole: bool = True

    def add(self, numbers: NDArray[np.float32]) -> None:
        """Take more numbers into account; NaN is missing, and so is what is infinite."""
        if not self.is_whole:
            return
        known = numbers[np.isfinite(numbers)]
        if not known.size:
            return
        self.least = min(self.least, float(known.min()))
        self.largest = max(self.largest, float(known.max()))
        # A negative zero would come back without its sign, so it is no whole number here.
        signed_zero = np.signbit(known) & (known == 0)
        self.is_whole = not bool(((known != np.floor(known)) | signed_zero).any())

    @property
    def is_empty(self) -> bool:
        """Whether there has been no known, finite number."""
        return self.least > self.largest

    @property
    def storage(self) -> LabelStorage:
        """Return the smallest way that keeps every number; a column without any is bits."""
        if not self.is_whole:
            return "float"
        if self.least >= 0 and self.largest <= 1:
            return "bit"
        if self.least >= LEAST_CODE and self.largest <= LARGEST_CODE:
            return "code"
        return "float"
