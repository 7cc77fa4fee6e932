"""Worker processes and the jobs they are given (in the parent).

They are plain subprocesses: a script that prepares data needs no ``if __name__`` guard, nothing the
caller has imported (torch) is imported again, and each worker has a pid of its own.
"""

import os
import queue
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Protocol

import pyarrow as pa

from graphium.errors import StoreError
from graphium.store.limits import Limits
from graphium.store.process import Died, Done, Failed, Worker
from graphium.store.supervise import Supervision


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work; ``store/worker.py`` says which kinds there are."""

    header: dict[str, Any]
    """``kind`` and its options."""
    rows: pa.Table
    what: str
    """How messages call it."""


def available_cores() -> int:
    """Return the cores this process may use; all there are, where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class Runner(Protocol):
    """Has jobs done, here or elsewhere."""

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[Any]:
        """Yield the result of each job as it comes; ``report`` gets rows as they are done."""


class WorkerPool:
    """Up to ``workers`` processes (0: one for each core), started when they are first needed.

    A row at which a worker hangs or dies is refused, and all others are done (``supervise.py``).
    While a row takes long, one worker more than are busy is started, so that a row that hangs costs
    its own time and not also that of a start.
    """

    def __init__(self, workers: int = 0, limits: Limits | None = None) -> None:
        self._limit = workers or available_cores()
        self._limits = limits or Limits()
        self._idle: queue.LifoQueue[Worker] = queue.LifoQueue()
        self._started: list[Worker] = []
        self._lock = threading.Lock()
        self._is_ending = False
        self._threads = ThreadPoolExecutor(self._limit)

    def __enter__(self) -> "WorkerPool":
        """Return the pool; no process has been started yet."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the workers: at once after a failure, else when they have nothing left to do."""
        self.close(at_once=error is not None)

    def close(self, *, at_once: bool = False) -> None:
        """End the workers: when they have nothing left to do, or now."""
        if at_once:
            with self._lock:
                self._is_ending = True
                for worker in self._started:
                    worker.kill()
        self._threads.shutdown()
        while self._started:
            self._started.pop().close()

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[Any]:
        """Yield the result of each job as it comes; ``report`` gets rows as they are done.

        Raises:
            GraphiumError: If a job fails; the others are given up.
        """
        pending: set[Future[Done]] = set()
        for job in jobs:
            if len(pending) == self._limit:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result().result for future in done)
            pending.add(self._threads.submit(self._run_one, job, report))
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result().result for future in done)

    def run_in_order(self, jobs: Iterable[Job]) -> Iterator[bytes]:
        """Yield the content that each job makes, in their order, while the next is being made.

        Raises:
            GraphiumError: If a job fails; the others are given up.
        """
        pending: deque[Future[Done]] = deque()
        try:
            for job in jobs:
                pending.append(self._threads.submit(self._run_one, job, lambda _: None))
                if len(pending) > self._limit:
                    yield pending.popleft().result().content
            while pending:
                yield pending.popleft().result().content
        finally:
            for future in pending:
                future.cancel()

    def _run_one(self, job: Job, report: Callable[[int], None]) -> Done:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, job.rows.schema) as stream:
            stream.write_table(job.rows)
        rows = memoryview(sink.getvalue())

        def attempt(
            header: Mapping[str, Any],
            report: Callable[[int], None],
            together: float | None,
        ) -> Done | Failed | Died:
            worker = self._take()
            outcome = worker.run(header, rows, report, late=self._keep_one_ready, together=together)
            if isinstance(outcome, Died):
                self._bury(worker)
            else:
                self._idle.put(worker)
            return outcome

        count = job.rows.num_rows
        return Supervision(attempt, job.header, count, job.what, self._limits, report).run()

    def _take(self) -> Worker:
        with self._lock:
            if self._is_ending:
                raise StoreError("The work was given up.")
            try:
                return self._idle.get_nowait()
            except queue.Empty:
                self._started.append(worker := Worker(self._limits))
                return worker

    def _keep_one_ready(self) -> None:
        """Start a worker that nobody needs yet, unless there is one."""
        with self._lock:
            if self._idle.empty() and not self._is_ending:
                self._started.append(worker := Worker(self._limits))
                self._idle.put(worker)

    def _bury(self, worker: Worker) -> None:
        """Forget a worker that is dead."""
        with self._lock:
            self._started.remove(worker)
        worker.close()
