"""Where the time of a training goes: shares of a step, slowest modules and operations, a trace.

After a warm-up, three short windows of steps are watched, each with what would disturb the others:
the parts of a step by the clock alone; the forward pass of each module; and every operation, by
torch's profiler. What is trained stays the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from torch.profiler import ProfilerActivity, profile

from graphium.errors import UsageError
from graphium.training.profile_report import OTHERS, describe, modules, operations, parts
from graphium.training.ranks import Ranks
from graphium.training.run_files import write_json
from graphium.training.stopwatch import ModuleTimes, Stopwatch

FOLDER = "profile"
"""Folder in the directory of the run."""


@dataclass(frozen=True, slots=True)
class Windows:
    """Steps (micro-batches) of each window."""

    warm_up: int = 10
    parts: int = 20
    modules: int = 5
    trace: int = 5

    @property
    def total(self) -> int:
        """Steps until all is known."""
        return self.warm_up + self.parts + self.modules + self.trace

    def at(self, step: int) -> str:
        """Return the window of a step, counted from 0; nothing after the last."""
        for name in ("warm_up", "parts", "modules", "trace"):
            length: int = getattr(self, name)
            if step < length:
                return name
            step -= length
        return ""


def fit_windows(steps: int) -> Windows:
    """Return windows that a training of so few steps has.

    Raises:
        UsageError: It has fewer than 4.
    """
    full = Windows()
    if steps >= full.total:
        return full
    if steps < 4:
        raise UsageError(
            f"a training of {steps} micro-batches is too short to profile; 4 are least"
        )
    one = max(1, steps // 8)
    return Windows(warm_up=one, parts=steps - 3 * one, modules=one, trace=one)


class StepProfiler(Callback):
    """Writes ``profile/profile.json`` and ``profile/trace.json`` of a run, and says what is slow.

    The trace is read by https://ui.perfetto.dev and chrome://tracing. Of several ranks all measure
    how long they wait for the others, in steps in which all wait twice until the slowest has come
    as far; what else is said is of the first one. Validation is left out: a trace ends with its
    epoch.

    Args:
        run_dir: Directory of the run.
        console: Where to write; None writes the files alone.
        ranks: The processes of the run, if there are several; each has a profiler.
    """

    def __init__(self, run_dir: Path, console: Console | None, ranks: Ranks | None = None) -> None:
        self._folder = run_dir / FOLDER
        self._console = console
        self._ranks = ranks
        self._is_first = ranks is None or ranks.place.is_first
        self._step = 0
        self._windows = Windows()
        self._window = ""
        self._watch = Stopwatch(lambda: None)
        self._modules: ModuleTimes | None = None
        self._profile: profile | None = None
        self._traced = 0
        self._report: dict[str, Any] = {}

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Choose the windows.

        Raises:
            UsageError: The training is too short.
        """
        epochs = (trainer.max_epochs or 0) - trainer.current_epoch
        self._windows = fit_windows(int(trainer.num_training_batches) * epochs)
        self._window = self._windows.at(0)
        self._watch = Stopwatch(self._synchronize(pl_module))

    @staticmethod
    def _synchronize(pl_module: pl.LightningModule) -> Callable[[], None]:
        device = pl_module.device
        return (lambda: torch.cuda.synchronize(device)) if device.type == "cuda" else lambda: None

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Wait for the first batch of an epoch, too."""
        if self._window == "parts":
            self._watch.start()

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """The batch is here."""
        self._watch.lap("data")
        if self._window == "trace" and self._is_first and self._profile is None:
            activities = [ProfilerActivity.CPU]
            if pl_module.device.type == "cuda":
                activities.append(ProfilerActivity.CUDA)
            self._profile = profile(activities=activities, acc_events=True)
            self._profile.start()
            self._traced = 0

    def on_before_backward(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, loss: torch.Tensor
    ) -> None:
        """The loss is here."""
        self._watch.lap("forward")
        self._wait()

    def on_after_backward(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """The gradient is here."""
        self._watch.lap("backward")

    def on_before_zero_grad(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, optimizer: torch.optim.Optimizer
    ) -> None:
        """The loss is here, in a step whose gradient begins."""
        self._watch.lap("forward")

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Close a window where one ends, and open the next."""
        if not self._window:
            return
        self._watch.lap("optimizer")
        self._wait()
        self._step += 1
        self._traced += self._profile is not None
        self._enter(self._windows.at(self._step), pl_module)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is no part of a step."""
        self._watch.stop()
        if self._profile is not None:
            self._enter("", pl_module)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validation is no part of a step."""
        self.on_train_epoch_end(trainer, pl_module)

    def on_train_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Say so if there was not enough to watch."""
        if self._window and self._console is not None:
            done = f"{self._step} of {self._windows.total} micro-batches"
            self._console.print(f"no profile: the training ended after {done}", highlight=False)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave torch as it was."""
        if self._profile is not None:
            self._profile.stop()
            self._profile = None

    def _wait(self) -> None:
        """Wait until all ranks have come as far, while the parts of a step are measured."""
        if self._ranks is not None and self._window == "parts":
            self._ranks.wait_in_step()
            self._watch.lap(OTHERS)

    def _enter(self, window: str, pl_module: pl.LightningModule) -> None:
        """Close a window where one ends, and open the next."""
        if window == self._window:
            return
        self._close()
        self._window = window
        network = pl_module.network
        assert isinstance(network, torch.nn.Module)
        if self._window == "parts":
            self._watch.start()
        elif self._window == "modules" and self._is_first:
            self._modules = ModuleTimes(network, self._synchronize(pl_module))

    def _close(self) -> None:
        if self._window == "parts":
            self._watch.stop()
            self._report |= parts(self._watch.seconds, self._windows.parts)
            if self._ranks is not None:
                share = self._report["shares"][OTHERS]
                self._report["waiting_for_others"] = self._ranks.gather(share)
        elif self._modules is not None:
            self._modules.close()
            self._report["modules"] = modules(self._modules, self._windows.modules)
            self._modules = None
        elif self._profile is not None:
            self._profile.stop()
            self._folder.mkdir(exist_ok=True)
            self._profile.export_chrome_trace(str(self._folder / "trace.json"))
            self._report["operations"] = operations(self._profile, self._traced)
            self._profile = None
            self._finish()

    def _finish(self) -> None:
        write_json(self._folder / "profile.json", self._report)
        if self._console is not None:
            for line in describe(self._report):
                self._console.print(line, highlight=False, soft_wrap=True, markup=False)
            self._console.print(f"profile: {self._folder}", highlight=False, soft_wrap=True)
