"""What a program does that was asked to stop: say how to go on, and ask SLURM to start it again.

Nothing heavy is imported: it may be asked while it starts.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from graphium.errors import StoppedError

_PATIENCE = 60
"""Seconds for an answer."""


def job_of(environment: Mapping[str, str]) -> str | None:
    """Return the job this process belongs to, as ``scontrol`` names it; None outside of SLURM.

    One task of an array is named by the array and its number: the job id alone may mean them all.
    """
    array, task = (environment.get(f"SLURM_ARRAY_{name}_ID") for name in ("JOB", "TASK"))
    if array and task:
        return f"{array}_{task}"
    return environment.get("SLURM_JOB_ID")


@dataclass(frozen=True, slots=True)
class Requeued:
    """What the scheduler has answered."""

    done: bool
    message: str


def requeue() -> Requeued | None:
    """Put the job of this process back into the queue; returns what became of it.

    Outside of SLURM nothing is done, and None returned.
    """
    job = job_of(os.environ)
    if job is None:
        return None
    try:
        subprocess.run(  # noqa: S603  # the job is a number that SLURM gave
            ["scontrol", "requeue", job],  # noqa: S607  # the scheduler's own
            capture_output=True,
            text=True,
            check=True,
            timeout=_PATIENCE,
        )
    except subprocess.CalledProcessError as error:
        why = error.stderr.strip() or f"exit code {error.returncode}"
    except (OSError, subprocess.TimeoutExpired) as error:
        why = str(error)
    else:
        return Requeued(True, f"job {job} goes back into the queue")
    why = f"job {job} could not be put back into the queue ({why}); submit it again"
    return Requeued(False, why)


def make_room(stop: StoppedError, how_to_go_on: str) -> None:
    """Let the scheduler start the job again, or say how a person does."""
    sys.stderr.write(f"{stop}\n")
    came_back = requeue() if stop.requeue else None
    if came_back is None or not came_back.done:
        print(how_to_go_on)
    if came_back is not None:
        print(came_back.message)
    sys.stdout.flush()


@contextmanager
def making_room(how_to_go_on: Callable[[], str]) -> Iterator[None]:
    """Make room when the body is asked to stop.

    Args:
        how_to_go_on: Asked then for what a person has to know.

    Raises:
        SystemExit: The body was stopped; all is said and done.
    """
    try:
        yield
    except StoppedError as stop:
        make_room(stop, how_to_go_on())
        raise SystemExit(stop.exit_code) from stop
