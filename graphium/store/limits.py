"""What one row of a table may cost, and what is said of a row that costs more."""

from collections.abc import Mapping
from dataclasses import dataclass

from graphium.errors import UsageError
from graphium.graphs.mol_block import RowStatus

CHUNK_FACTOR = 6
"""Row timeouts that rows may take together in a step that cannot name the row it is at."""
STALL_FACTOR = 60
"""Row timeouts that a worker may stand still for, by the clock on the wall."""


def time_to_go_on(allowed: float) -> float:
    """Return how much of the time that is allowed is for going on with another worker, s."""
    return 0.15 * min(allowed, 1.0)


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on the work of a worker process; they refuse rows and never change a molecule."""

    row_timeout: float = 10.0
    """Seconds of processor time that one row may take; the last 0.15 of them (15 % of a time
    below one second) are for ending the worker and going on with another. A crowded or suspended
    machine uses up none of them; a worker that stands still for 60 times as long by the clock is
    given up as well."""
    worker_memory: float = 4.0
    """GB (2^30 bytes) that a worker may take beyond what it has when work begins (Linux)."""

    def __post_init__(self) -> None:
        """Refuse bounds under which every row would fail, or none would ever end."""
        for name in ("row_timeout", "worker_memory"):
            value = getattr(self, name)
            if not value > 0:
                raise UsageError(f"{name} is {value}; it must be more than 0 (inf: no bound)")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a row is not read, although its SMILES has not been found wrong."""

    status: RowStatus
    note: str

    @property
    def reason(self) -> str:
        """The name of the status and the note."""
        return f"{self.status.name.lower()}: {self.note}"


Refusals = Mapping[int, Refusal]
"""Row of a job to its refusal."""


def refusals_to_json(refused: Refusals) -> list[tuple[int, int, str]]:
    """Return what ``refusals_from_json`` reads."""
    return [(row, int(one.status), one.note) for row, one in refused.items()]


def refusals_from_json(content: list[tuple[int, int, str]]) -> Refusals:
    """Return the refusals again."""
    return {row: Refusal(RowStatus(status), note) for row, status, note in content}
