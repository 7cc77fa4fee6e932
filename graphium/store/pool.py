"""Worker processes and the jobs they are given (in the parent).

They are plain subprocesses: a script that prepares data needs no ``if __name__`` guard, nothing the
caller has imported (torch) is imported again, and each worker has a pid of its own.
"""

import json
import os
import queue
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from graphium.errors import DataError, GraphiumError, StoreError

_SINGLE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


@dataclass(frozen=True, slots=True)
class Job:
    """One piece of work; ``store/worker.py`` says which kinds there are."""

    header: dict[str, Any]
    """``kind`` and its options."""
    rows: pa.Table
    what: str
    """How messages call it."""


def _available_cores() -> int:
    """Return the cores this process may use; all there are, where the system does not say."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


class WorkerPool:
    """Up to ``workers`` processes (0: one for each core), started when they are first needed."""

    def __init__(self, workers: int = 0) -> None:
        self._limit = workers or _available_cores()
        self._idle: queue.LifoQueue[_Worker] = queue.LifoQueue()
        self._started: list[_Worker] = []
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
        if error is not None:
            for worker in self._started:
                worker.kill()
        self._threads.shutdown()
        for worker in self._started:
            worker.close()

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[Any]:
        """Yield the result of each job as it comes; ``report`` gets rows as they are done.

        Raises:
            GraphiumError: If a job fails; the others are given up.
        """
        pending: set[Future[Any]] = set()
        for job in jobs:
            if len(pending) == self._limit:
                done, pending = wait(pending, return_when=FIRST_COMPLETED)
                yield from (future.result() for future in done)
            pending.add(self._threads.submit(self._run_one, job, report))
        while pending:
            done, pending = wait(pending, return_when=FIRST_COMPLETED)
            yield from (future.result() for future in done)

    def _run_one(self, job: Job, report: Callable[[int], None]) -> Any:
        try:
            worker = self._idle.get_nowait()
        except queue.Empty:
            worker = _Worker()
            self._started.append(worker)
        result = worker.run(job, report)
        self._idle.put(worker)
        return result


class _Worker:
    """One process and the pipe to it."""

    def __init__(self) -> None:
        package_parent = str(Path(__file__).parents[2])
        inherited = os.environ.get("PYTHONPATH")
        paths = package_parent if not inherited else f"{package_parent}{os.pathsep}{inherited}"
        # -P: a csv.py in the working directory must not stand in for the standard library.
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "graphium.store.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **dict.fromkeys(_SINGLE_THREAD, "1"), "PYTHONPATH": paths},
        )

    def run(self, job: Job, report: Callable[[int], None]) -> Any:
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None, "opened as a pipe"
        assert stdout is not None, "opened as a pipe"
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, job.rows.schema) as stream:
            stream.write_table(job.rows)
        content = sink.getvalue()
        header = {**job.header, "bytes": content.size}
        try:
            stdin.write(json.dumps(header).encode() + b"\n")
            stdin.write(content)
            stdin.flush()
            for line in stdout:
                answer = json.loads(line)
                if "rows" in answer:
                    report(answer["rows"])
                elif "error" in answer:
                    raise _as_error(answer, job)
                else:
                    return answer["result"]
        except BrokenPipeError:
            pass
        raise StoreError(
            f"The worker that made {job.what} ended with exit code {self._process.wait()} before "
            "it was done. Was it killed for its memory? Run the same command again to go on from "
            "there, with fewer workers."
        )

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


def _as_error(answer: dict[str, Any], job: Job) -> GraphiumError:
    if answer["is_data"]:
        return DataError(answer["error"])
    return StoreError(
        f"{job.what} could not be written: {answer['error']}. What is finished is kept; "
        "run the same command again when the cause is mended."
    )
