"""Starts one process for each device of this machine, and ends all when one of them fails."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType

from graphium.cli.one_run import Job
from graphium.cli.run_folder import remove_unbegun
from graphium.errors import StoppedError
from graphium.training.place import Place
from graphium.training.signals import WISHES, held_back

_POLL = 0.1
_GRACE = 4.0
"""Seconds for the other ranks to end by themselves after one has failed."""
_REQUEUE_GRACE = 120.0
"""The same after all were stopped on request: the first one may be asking the scheduler."""

Process = subprocess.Popen[bytes]


def launch(job: Job) -> int:
    """Run a job as one process for each device of this machine.

    A run directory in which nothing has begun is removed if that fails.

    Args:
        job: Its run directory holds the experiment.

    Returns:
        0, or the exit code of the first process that failed.

    Raises:
        KeyboardInterrupt: The user stopped it, and every process has ended.
    """
    number = job.experiment.trainer.devices
    port = _free_port()
    options = ["--resume"] * job.resume + ["--report"] * job.report + ["--profile"] * job.profile
    command = [sys.executable, "-m", "graphium.cli.rank", str(job.run_dir), *options]
    processes: list[Process] = []
    with _forwarding(processes):
        with held_back():  # by the ranks, until they can answer
            for rank in range(number):
                place = Place(rank, number, rank, number, "127.0.0.1", port)
                # A session of its own: Ctrl-C of the terminal is for this process, which tells one.
                processes.append(
                    subprocess.Popen(  # noqa: S603  # this program
                        command, env={**os.environ, **place.variables()}, start_new_session=True
                    )
                )
        try:
            return _supervise(processes)
        except KeyboardInterrupt:
            processes[0].send_signal(signal.SIGINT)
            _wait(processes, _GRACE)
            raise
        finally:
            for process in processes:
                process.kill()  # also one that is stopped; none that has ended
                process.wait()
            remove_unbegun(job.run_dir)


@contextmanager
def _forwarding(processes: Sequence[Process]) -> Iterator[None]:
    """Hand signals that ask for the end on to all processes."""

    def forward(signum: int, _: FrameType | None) -> None:
        for process in processes:
            process.send_signal(signum)

    before = {signum: signal.signal(signum, forward) for signum in WISHES}
    try:
        yield
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


def _supervise(processes: Sequence[Process]) -> int:
    """Wait for all; once one has failed, not for long."""
    while True:
        codes = [process.poll() for process in processes]
        for rank, code in enumerate(codes):
            if code:
                _say_signal(rank, code)
                stopped = code == StoppedError.exit_code
                _wait(processes, _REQUEUE_GRACE if stopped else _GRACE)
                return code if code > 0 else 1
        if all(code == 0 for code in codes):
            return 0
        time.sleep(_POLL)


def _say_signal(rank: int, code: int) -> None:
    if code < 0:
        sys.stderr.write(f"error: rank {rank} was ended by {signal.Signals(-code).name}\n")


def _wait(processes: Sequence[Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(process.poll() is None for process in processes):
        time.sleep(_POLL)


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port
