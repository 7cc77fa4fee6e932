"""One worker process, the pipe to it, and the clock that is kept on it (in the parent)."""

import json
import mmap
import os
import selectors
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from graphium.store.limits import CHUNK_FACTOR, STALL_FACTOR, Limits, time_to_go_on
from graphium.store.watch import BEAT, IDLE

_SETTINGS = {
    **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1"),
    # Arrow's own allocator would reserve a gigabyte of the address space that is bounded.
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    # Of glibc: else threads that write arrays keep memory of their own.
    "MALLOC_ARENA_MAX": "1",
}
_LOOK_EVERY = 0.02
"""Seconds between two looks at a worker that says nothing."""
_SHORTEST_LOOK = 0.01
"""Seconds; the system counts processor time no finer."""
_LATE, _LATE_TOGETHER = 0.85, 0.5
"""A row, or rows together, are late when less than this share of their time is left."""


@dataclass(frozen=True, slots=True)
class Done:
    """A finished job."""

    result: Any
    content: bytes


@dataclass(frozen=True, slots=True)
class Failed:
    """A job that cannot be done, whoever does it."""

    message: str
    is_data: bool


@dataclass(frozen=True, slots=True)
class Died:
    """The worker ended, or had to be ended, before it was done."""

    cause: Literal["timeout", "stalled", "memory", "ended"]
    row: int | None
    """The row it was at, where one can be named."""
    how: str
    """What to say of it."""


class Worker:
    """A process that is started at once; it serves one job after another."""

    def __init__(self, limits: Limits) -> None:
        package_parent = str(Path(__file__).parents[2])
        inherited = os.environ.get("PYTHONPATH")
        paths = package_parent if not inherited else f"{package_parent}{os.pathsep}{inherited}"
        self._limits = limits
        with tempfile.TemporaryFile() as shared:
            shared.truncate(BEAT.size)
            self._beat = mmap.mmap(shared.fileno(), BEAT.size)
            # -P: a csv.py in the working directory must not stand in for the standard library.
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "graphium.store.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **_SETTINGS, "PYTHONPATH": paths},
                pass_fds=[shared.fileno()],
            )
            terms = {"beat": shared.fileno(), "memory": limits.worker_memory}
        assert self._process.stdin is not None, "opened as a pipe"
        self._process.stdin.write(json.dumps(terms).encode() + b"\n")

    @property
    def pid(self) -> int:
        """Of the process."""
        return self._process.pid

    def run(
        self,
        header: Mapping[str, Any],
        rows: memoryview,
        report: Callable[[int], None],
        *,
        late: Callable[[], None],
        together: float | None = None,
    ) -> Done | Failed | Died:
        """Have one job done, and end the process if it does not get on.

        Args:
            header: The job's line.
            rows: Its rows as an Arrow stream.
            report: Gets the number of rows that were done since its last call.
            late: Called, again and again, while a row takes so long that the process may have to
                be ended: the time to start another one.
            together: Seconds of processor time that rows may take in a step that cannot name the
                row it is at; by default that of a few rows.
        """
        BEAT.pack_into(self._beat, 0, IDLE)
        clock = _Clock(self.pid, self._beat, self._limits, together)
        stdin = self._process.stdin
        assert stdin is not None, "opened as a pipe"
        try:
            stdin.write(json.dumps({**header, "bytes": len(rows)}).encode() + b"\n")
            stdin.write(rows)
            stdin.flush()
        except BrokenPipeError:
            return self._died()
        for line, content in self._answers(clock, late):
            if "rows" in line:
                report(line["rows"])
            elif "error" in line:
                return Failed(line["error"], line["is_data"])
            elif "memory" in line:
                self.kill()
                how = f"more than {self._limits.worker_memory:g} GB of memory"
                return Died("memory", self._row(), how)
            else:
                return Done(line["result"], content)
        if clock.verdict is not None:
            cause, how = clock.verdict
            return Died(cause, self._row(), how)
        return self._died()

    def _answers(
        self, clock: "_Clock", late: Callable[[], None]
    ) -> Iterator[tuple[dict[str, Any], bytes]]:
        """Yield each answer until the process ends; end it when its time is up."""
        stdout = self._process.stdout
        assert stdout is not None, "opened as a pipe"
        held = bytearray()
        with selectors.DefaultSelector() as selector:
            selector.register(stdout, selectors.EVENT_READ)
            while True:
                if not selector.select(clock.until_next_look):
                    clock.look()
                    if clock.verdict is not None:
                        self.kill()
                        return
                    if clock.is_late:
                        late()
                    continue
                new = os.read(stdout.fileno(), 1 << 20)
                if not new:
                    return
                held += new
                while (answer := _take_answer(held)) is not None:
                    yield answer

    def _row(self) -> int | None:
        row: int = BEAT.unpack_from(self._beat)[0]
        return row if row >= 0 else None

    def _died(self) -> Died:
        code = self._process.wait()
        if code >= 0:
            return Died("ended", self._row(), f"exit code {code}")
        # RDKit does not survive an allocation that fails: the bound may look like this, too.
        bound = f"a crash, or more than {self._limits.worker_memory:g} GB of memory"
        return Died("ended", self._row(), f"{signal.Signals(-code).name}: {bound}")

    def kill(self) -> None:
        """End the process now; what it was writing is removed by its owner."""
        self._process.kill()

    def close(self) -> None:
        """Let the process end and wait for it."""
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None, "opened as a pipe"
            with suppress(BrokenPipeError):
                pipe.close()
        self._process.wait()


def _take_answer(held: bytearray) -> tuple[dict[str, Any], bytes] | None:
    """Take a whole answer from the front of what was read, if there is one."""
    end = held.find(b"\n") + 1
    if end == 0:
        return None
    line: dict[str, Any] = json.loads(held[:end])
    size = line.get("bytes", 0)
    if len(held) < end + size:
        return None
    content = bytes(held[end : end + size])
    del held[: end + size]
    return line, content


class _Clock:
    """How long a worker has been at the same row.

    Only time in which the parent looks is counted, so that a machine that sleeps, or a program that
    is stopped and goes on, makes no row late.
    """

    def __init__(self, pid: int, beat: mmap.mmap, limits: Limits, together: float | None) -> None:
        self._pid = pid
        self._beat = beat
        self._limits = limits
        self._together = together or CHUNK_FACTOR * limits.row_timeout
        self._row = IDLE
        self._used_before = 0.0
        self._watched = 0.0
        self._last_look = time.monotonic()
        self.until_next_look = _LOOK_EVERY
        self.is_late = False
        self.verdict: tuple[Literal["timeout", "stalled"], str] | None = None

    def look(self) -> None:
        """Compare what the worker says with what it said at the last look."""
        row: int = BEAT.unpack_from(self._beat)[0]
        now = time.monotonic()
        passed, self._last_look = min(now - self._last_look, 2 * _LOOK_EVERY), now
        self.until_next_look, self.is_late = _LOOK_EVERY, False
        if row == IDLE:
            self._row = row
            return
        used = _processor_seconds(self._pid)
        if row != self._row:
            self._row, self._used_before, self._watched = row, used or 0.0, 0.0
            return
        self._watched += passed
        allowed = self._limits.row_timeout if row >= 0 else self._together
        left = allowed - time_to_go_on(allowed) - ((used or 0.0) - self._used_before)
        self.is_late = left < allowed * (_LATE if row >= 0 else _LATE_TOGETHER)
        self.until_next_look = min(max(left, _SHORTEST_LOOK), _LOOK_EVERY)
        if used is not None and left <= 0:
            self.verdict = "timeout", f"not done after {allowed:g} s"
        elif self._watched > STALL_FACTOR * allowed:
            self.verdict = "stalled", f"no progress in {STALL_FACTOR * allowed:g} s"


def _processor_seconds(pid: int) -> float | None:
    """Return the processor time a process has used, or None where the system does not say it."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
