"""What a download tells whoever shows its progress."""

from typing import Protocol


class Meter(Protocol):
    """Shows the progress of one file."""

    def advance(self, count: int) -> None:
        """Take the number of bytes done since the last call; negative where some are given up."""

    def expect(self, total: int) -> None:
        """Take the number of bytes of the whole file, once it is known."""
