"""How fast a training is, and what it waits for."""

import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, slots=True)
class Work:
    """What was done in some time of training, without validation."""

    seconds: float = 0.0
    """By the clock."""
    waited: float = 0.0
    """Seconds of these between the end of one step and the beginning of the next: for batches."""
    molecules: int = 0
    """Visited, over all ranks."""

    def __add__(self, other: "Work") -> "Work":
        return Work(
            self.seconds + other.seconds,
            self.waited + other.waited,
            self.molecules + other.molecules,
        )

    @property
    def molecules_per_second(self) -> float:
        """Throughput."""
        return self.molecules / max(self.seconds, 1e-9)

    @property
    def waiting(self) -> float:
        """Share of the time in which the loop waited for batches, of 1."""
        return self.waited / max(self.seconds, 1e-9)


class Clock:
    """Adds up the work of the steps of this epoch and of the whole training.

    Args:
        now: Tells the time in seconds.
    """

    def __init__(self, now: Callable[[], float] = time.perf_counter) -> None:
        self._now = now
        self._started: float | None = None
        self._step_ended: float | None = None
        self._running = Work()
        self._epoch = Work()
        self.total = Work()
        """All work so far, of earlier processes of a resumed run too."""

    def start(self) -> None:
        """Begin to count, or to count again after a validation."""
        self._started = self._step_ended = self._now()
        self._running = Work()

    def step_begins(self) -> None:
        """A batch is here."""
        if self._step_ended is not None:
            self._running += Work(waited=self._now() - self._step_ended)

    def step_ends(self, molecules: int) -> None:
        """The step of a batch is done."""
        self._step_ended = self._now()
        self._running += Work(molecules=molecules)

    @property
    def speed(self) -> float:
        """Molecules per second since the last start."""
        if self._started is None:
            return 0.0
        return self._running.molecules / max(self._now() - self._started, 1e-9)

    def stop(self) -> None:
        """Count no longer."""
        if self._started is not None:
            done = self._running + Work(seconds=self._now() - self._started)
            self._epoch += done
            self.total += done
        self._started = self._step_ended = None
        self._running = Work()

    def end_epoch(self) -> Work:
        """Return the work since this was called last."""
        self.stop()
        done, self._epoch = self._epoch, Work()
        return done

    def state_dict(self) -> dict[str, Any]:
        """Return the work done so far, which a resumed run adds to."""
        return {
            "train_seconds": self.total.seconds,
            "train_waited": self.total.waited,
            "train_molecules": self.total.molecules,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on counting."""
        self.total = Work(
            state["train_seconds"], state.get("train_waited", 0.0), state["train_molecules"]
        )


def peak_memory() -> dict[str, float]:
    """Return the most memory that this process has had so far, in MB: its own, and of its GPU."""
    unit = 1 if sys.platform == "darwin" else 1024
    found = {"peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}
    if torch.cuda.is_initialized():  # type: ignore[no-untyped-call]
        found["gpu_peak_memory_mb"] = torch.cuda.max_memory_allocated() / 1e6
    return found
