"""Makes batches in a thread, ahead of who consumes them."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

_T = TypeVar("_T")


def made_ahead(
    jobs: Iterable[Callable[[], _T]], depth: int, begin: Callable[[], None] | None = None
) -> Generator[_T]:
    """Yield what each job returns, in order, and run up to ``depth`` jobs ahead in one thread.

    While the consumer holds a result, the next ``depth`` are made or wait. What a job raises is
    raised where its result would have been yielded, with the traceback of the job. The thread does
    nothing but these jobs: when the consumer stops, in whatever way, it ends with the job at hand.

    Args:
        jobs: What to run; consumed as far as jobs are started.
        depth: Results to keep ready; 0 runs each job when its result is asked for, in no thread.
        begin: Runs in the thread before all jobs.
    """
    if depth == 0:
        for job in jobs:
            yield job()
        return
    thread = ThreadPoolExecutor(1, thread_name_prefix="graphium-batches", initializer=begin)
    started: deque[Future[_T]] = deque()
    try:
        for job in jobs:
            started.append(thread.submit(job))
            if len(started) > depth:
                yield started.popleft().result()
        while started:
            yield started.popleft().result()
    finally:
        # Not waited for: a forgotten iterator may be collected in that very thread.
        thread.shutdown(wait=False, cancel_futures=True)
