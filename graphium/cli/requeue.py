"""Asks SLURM to start a job again that was stopped before its end."""

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass

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
