"""Progress of a preparation: a bar with molecules per second, or plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_bar(
    title: str, total: int, done: int, *, show: bool
) -> Iterator[Callable[[int], None]]:
    """Yield a function that takes the number of rows done since its last call; threads may call it.

    Args:
        title: Name of what is prepared.
        total: Rows in all.
        done: Rows that were finished before.
        show: Otherwise nothing is printed.
    """
    if not show:
        yield lambda _: None
    elif sys.stderr.isatty():
        with _rich_bar(title, total, done) as advance:
            yield advance
    else:
        yield _Lines(title, total, done).advance


@contextmanager
def _rich_bar(title: str, total: int, done: int) -> Iterator[Callable[[int], None]]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
    )

    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
        console=Console(stderr=True),
    )
    with bar:
        task = bar.add_task(f"Preparing {title}", total=total, completed=done, rate="")
        start, counted = time.monotonic(), 0

        def advance(rows: int) -> None:
            nonlocal counted
            counted += rows
            bar.update(task, advance=rows, rate=_rate(counted, start))

        yield advance


class _Lines:
    """One line every few seconds, for output that is not a terminal."""

    def __init__(self, title: str, total: int, done: int) -> None:
        self._title, self._total, self._done = title, total, done
        self._start = self._last = time.monotonic()
        self._counted = 0

    def advance(self, rows: int) -> None:
        self._counted += rows
        position = self._done + self._counted
        now = time.monotonic()
        if now - self._last < _SECONDS_BETWEEN_LINES and position < self._total:
            return
        self._last = now
        print(
            f"Preparing {self._title}: {position:,} of {self._total:,} rows, "
            f"{_rate(self._counted, self._start)}",
            file=sys.stderr,
            flush=True,
        )


def _rate(rows: int, start: float) -> str:
    return f"{rows / max(time.monotonic() - start, 1e-9):,.0f} molecules/s"
