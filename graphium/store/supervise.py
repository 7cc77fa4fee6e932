"""What to do when a worker dies or does not get on: find the rows to blame, go on without them.

A row is refused

* as ``timeout`` when it alone has used up its time (``limits.py``),
* as ``crashed`` when a worker died at it, or ran out of memory, twice: the second time with nothing
  else to do.

So a worker that is killed from outside costs time and changes nothing. Where the row cannot be
named, or a second row turns up, every row of the job that is left is tried alone in one go; the
job is then done again without those that failed.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from graphium.errors import DataError, StoreError
from graphium.graphs.mol_block import RowStatus
from graphium.store.limits import Limits, Refusal, refusals_to_json
from graphium.store.process import Died, Done, Failed

_LOG = logging.getLogger(__name__)
_MAX_UNEXPLAINED = 3
"""Deaths of workers for which no row can be blamed."""


class Attempt(Protocol):
    """Have a worker do a job; a new one each time the last has died."""

    def __call__(
        self,
        header: Mapping[str, Any],
        report: Callable[[int], None],
        together: float | None,
    ) -> Done | Failed | Died:
        """Return what became of it; arguments as of ``Worker.run``."""


@dataclass(slots=True)
class Supervision:
    """One job, until it is done."""

    attempt: Attempt
    header: Mapping[str, Any]
    rows: int
    what: str
    limits: Limits
    report: Callable[[int], None]
    refused: dict[int, Refusal] = field(default_factory=dict)
    _reported: int = 0

    def run(self) -> Done:
        """Return the result of the job without the rows that had to be refused.

        Raises:
            DataError: If the job cannot be done.
            StoreError: If workers die again and again and no row is to blame.
        """
        deaths = unexplained = 0
        together = None
        while True:
            done = 0

            def report(count: int) -> None:
                nonlocal done
                done += count
                self._report_up_to(done)

            outcome = self._try({}, report, together)
            if isinstance(outcome, Done):
                return outcome
            deaths += 1
            known = len(self.refused)
            self._blame(outcome)
            if deaths > 1 or (
                outcome.cause in ("timeout", "stalled") and known == len(self.refused)
            ):
                self._screen(done if done < self.rows else 0)
                together = self.rows * self.limits.row_timeout  # each row has shown its own time
            if known == len(self.refused):
                unexplained += 1
            if unexplained == _MAX_UNEXPLAINED:
                raise StoreError(
                    f"Workers that made {self.what} died {deaths} times, the last one with "
                    f"{outcome.how}, and no row is to blame. Are they short of memory? Run the "
                    "same command again to go on from there, with fewer workers, or with more "
                    "memory for each (--worker-memory)."
                )

    def _report_up_to(self, done: int) -> None:
        """Report rows once, however often they are done."""
        if done > self._reported:
            self.report(done - self._reported)
            self._reported = done

    def _try(
        self,
        options: Mapping[str, Any],
        report: Callable[[int], None],
        together: float | None = None,
    ) -> Done | Died:
        header = {**self.header, **options, "refused": refusals_to_json(self.refused)}
        outcome = self.attempt(header, report, together)
        if not isinstance(outcome, Failed):
            return outcome
        if outcome.is_data:
            raise DataError(outcome.message)
        raise StoreError(
            f"{self.what} could not be written: {outcome.message}. What is finished is kept; "
            "run the same command again when the cause is mended."
        )

    def _screen(self, first: int) -> None:
        """Try each row from ``first`` on alone; refuse those that a worker does not survive."""
        stumbles = 0
        while first < self.rows:
            outcome = self._try({"screen": [first, self.rows]}, _nothing)
            if isinstance(outcome, Done):
                return
            if outcome.row is None:
                stumbles += 1
                if stumbles == _MAX_UNEXPLAINED:
                    return
                continue
            self._blame(outcome)
            # A row that has survived on its own is not tried again.
            first = outcome.row + 1

    def _blame(self, death: Died) -> None:
        """Refuse the row at which a worker died, unless it survives alone."""
        row = death.row
        if row is None:
            return
        if death.cause != "timeout":
            again = self._try({"screen": [row, row + 1]}, _nothing)
            if isinstance(again, Done) or again.row is None:
                return
            death = again
        is_late = death.cause in ("timeout", "stalled")
        status = RowStatus.TIMEOUT if is_late else RowStatus.CRASHED
        self.refused[row] = Refusal(status, death.how)
        _LOG.warning("%s: row %d of it is refused (%s)", self.what, row, self.refused[row].reason)


def _nothing(_: int) -> None:
    """Rows that are only tried are not done."""
