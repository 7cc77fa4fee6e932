"""How long, how often and how much: the limits of a download."""

from dataclasses import dataclass

GIGABYTE = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Limits:
    """What a download may take before it gives up with an error."""

    attempts: int = 5
    """Attempts in a row that bring less than ``progress`` bytes each."""
    first_wait: float = 1.0
    """Seconds before the second attempt; doubled before each further one."""
    longest_wait: float = 60.0
    """Most seconds; a server that asks for more patience is not waited for."""
    timeout: float = 30.0
    """Seconds without any byte."""
    slowest: float = 1_000.0
    """Bytes a second, on average over ``timeout``; a server that sends less has stalled."""
    progress: int = 1_000_000
    """Bytes that an attempt must bring so that those before it are forgotten."""
    redirects: int = 5
    """Addresses that one request may be sent on to."""
    max_bytes: int = 100 * GIGABYTE
    """Bytes that one command may receive."""
    spare_bytes: int = 200_000_000
    """Bytes that must stay free on the disk."""
    checkpoint: int = 32 * 1024 * 1024
    """Bytes after which what has arrived is made durable and its SHA-256 noted."""

    def wait_before(self, attempt: int) -> float:
        """Return the seconds to wait before an attempt, which counts from 2."""
        return min(self.first_wait * 2.0 ** (attempt - 2), self.longest_wait)
