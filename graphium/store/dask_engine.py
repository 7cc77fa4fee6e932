"""Dask as the engine of a preparation: each task writes one segment, on any machine.

A task starts a worker process of its own, watched as everywhere else (``pool.py``), under a name of
the machine it runs on. If a Dask worker dies, Dask gives its task to another one; whoever
commits the segment first has made it. Rows reach the tasks through files beside the segments,
because all workers see that folder and none has to see the table.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any

import pyarrow as pa

from graphium.errors import StoreError, UsageError
from graphium.store.layout import TEMPORARY
from graphium.store.limits import Limits
from graphium.store.owner import own_name
from graphium.store.pool import Job, WorkerPool, available_cores

_AHEAD = 2
"""Segments that wait or are being made for each thread of the cluster: their rows are on disk."""


class DaskPool:
    """Writes segments with the workers of a cluster.

    Args:
        workers: Dask workers of a local cluster; 0 is one for each core. A script that starts one
            needs an ``if __name__ == "__main__"`` guard.
        limits: What a row may cost.
        scheduler: Address of a cluster that runs already, instead of a local one.

    Raises:
        UsageError: If Dask is not installed, or nothing answers at the address.
    """

    def __init__(self, workers: int, limits: Limits | None, scheduler: str | None) -> None:
        self._limits = limits or Limits()
        self._stack = ExitStack()
        self._client = self._stack.enter_context(_connect(workers, scheduler, self._stack))

    def __enter__(self) -> "DaskPool":
        """Return the pool."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Leave the cluster; a local one ends."""
        self._stack.__exit__(kind, error, trace)

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[int]:
        """Yield the rows of each segment as it is there; ``report`` gets them, too.

        Raises:
            GraphiumError: If a segment cannot be written; the others are given up.
        """
        from distributed import wait

        pending: dict[Any, Path] = {}
        try:
            for job in jobs:
                while len(pending) >= _AHEAD * max(1, sum(self._client.nthreads().values())):
                    yield from _take(pending, wait, report)
                rows = _spool(job)
                what = (job.header, str(rows), job.what, self._limits)
                pending[self._client.submit(write_one, *what, pure=False)] = rows
            while pending:
                yield from _take(pending, wait, report)
        finally:
            self._client.cancel(list(pending))
            for rows in pending.values():
                rows.unlink(missing_ok=True)


def write_one(header: dict[str, Any], rows: str, what: str, limits: Limits) -> int:
    """Write one segment (in a Dask worker) and return its rows."""
    with pa.OSFile(rows) as file, pa.ipc.open_stream(file) as reader:
        job_rows = reader.read_all()
    with own_name(Path(header["store"])) as writer, WorkerPool(1, limits) as pool:
        job = Job({**header, "writer": writer}, job_rows, what)
        for _ in pool.run([job], lambda _: None):
            pass
    count: int = job_rows.num_rows
    return count


def _connect(workers: int, scheduler: str | None, stack: ExitStack) -> AbstractContextManager[Any]:
    try:
        import distributed
    except ImportError as error:
        raise UsageError(
            "--engine dask needs Dask: install graphium with its extra `cluster` "
            "(pip install '.[cluster]' in its folder)."
        ) from error
    dask: Any = distributed  # its classes are not typed
    if scheduler is None:
        address: Any = stack.enter_context(
            dask.LocalCluster(
                n_workers=workers or available_cores(),
                threads_per_worker=1,
                memory_limit=0,  # the processes that do the work have a limit of their own
                dashboard_address=":0",  # any free port
            )
        )
    else:
        address = scheduler
    try:
        client: AbstractContextManager[Any] = dask.Client(address, timeout=30)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"No Dask scheduler answers at '{scheduler}': {error}. The address is that which "
            "`dask scheduler` prints, for example tcp://node:8786."
        ) from error
    return client


def _spool(job: Job) -> Path:
    """Write the rows of a job where every worker of the cluster sees them."""
    name = f"{TEMPORARY}{job.header['writer']}-rows-{job.header['number']:05d}.arrow"
    path = Path(job.header["store"]).absolute() / name
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_stream(file, job.rows.schema) as stream:
        stream.write_table(job.rows)
    return path


def _take(
    pending: dict[Any, Path], wait: Callable[..., Any], report: Callable[[int], None]
) -> Iterator[int]:
    """Wait for some tasks and yield what became of them."""
    from distributed import KilledWorker

    for future in wait(list(pending), return_when="FIRST_COMPLETED").done:
        try:
            count: int = future.result()
        except KilledWorker as error:
            raise StoreError(
                f"Dask workers died again and again while they made a segment ({error}). What is "
                "finished is kept; run the same command again when the cause is mended."
            ) from error
        pending.pop(future).unlink(missing_ok=True)
        report(count)
        yield count
