"""Progress of a download: bars with bytes per second, or plain lines in a log."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from graphium.download.meter import Meter

_SECONDS_BETWEEN_LINES = 10.0


class DownloadProgress:
    """Shows on stderr what comes in; bars in a terminal, otherwise a line now and then."""

    def __init__(self) -> None:
        console = Console(stderr=True)
        self._bars = None
        if sys.stderr.isatty():
            self._bars = Progress(
                TextColumn("{task.description}"),
                BarColumn(),
                DownloadColumn(),
                TransferSpeedColumn(),
                TimeRemainingColumn(),
                console=console,
            )

    def __enter__(self) -> "DownloadProgress":
        if self._bars is not None:
            self._bars.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bars is not None:
            self._bars.stop()

    def say(self, line: str) -> None:
        """Show a line."""
        if self._bars is not None:
            self._bars.console.print(line, markup=False, highlight=False)
        else:
            print(line, file=sys.stderr, flush=True)

    @contextmanager
    def file(self, name: str, size: int | None) -> Iterator[Meter]:
        """Show one file while the body runs.

        Args:
            name: Its name.
            size: Bytes, where known before.
        """
        if self._bars is None:
            yield _Lines(name, size, self.say)
            return
        task = self._bars.add_task(name, total=size)
        try:
            yield _Bar(self._bars, task)
        finally:
            self._bars.remove_task(task)


class _Bar:
    """One bar of several."""

    def __init__(self, bars: Progress, task: TaskID) -> None:
        self._bars, self._task = bars, task

    def advance(self, count: int) -> None:
        self._bars.update(self._task, advance=count)

    def expect(self, total: int) -> None:
        self._bars.update(self._task, total=total)


class _Lines:
    """One line every few seconds, for output that is not a terminal."""

    def __init__(self, name: str, size: int | None, say: Callable[[str], None]) -> None:
        self._name, self._size, self._say = name, size, say
        self._last = time.monotonic()
        self._done = 0

    def expect(self, total: int) -> None:
        self._size = total

    def advance(self, count: int) -> None:
        self._done += count
        now = time.monotonic()
        if now - self._last >= _SECONDS_BETWEEN_LINES:
            self._last = now
            of = "" if self._size is None else f" of {self._size:,}"
            self._say(f"{self._name}: {self._done:,}{of} bytes")
