"""Where the time of a training goes: shares of a step, slowest modules and operations, a trace.

After a warm-up, three short windows of steps are watched, each with what would disturb the others:
the parts of a step by the clock alone; the forward pass of each module; and every operation, by
torch's profiler. What is trained stays the same.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from torch.profiler import ProfilerActivity, profile
from torch.utils.hooks import RemovableHandle

from graphium.errors import UsageError
from graphium.training.run_files import write_json

FOLDER = "profile"
"""Folder in the directory of the run."""
PARTS = ("data", "forward", "backward", "optimizer")
"""Of a step: waiting for the batch, the loss with forward, clipping with the optimiser."""
MOST_SHOWN = 12
"""Modules and operations that are named, the slowest first."""


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


class Stopwatch:
    """Seconds by name; on a GPU, the time until it has done what it was told.

    Args:
        synchronize: Waits for the device.
        now: Tells the time in seconds.
    """

    def __init__(
        self, synchronize: Callable[[], None], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._synchronize = synchronize
        self._now = now
        self._since: float | None = None
        self.seconds: dict[str, float] = {}

    def start(self) -> None:
        """Count from here."""
        self._synchronize()
        self._since = self._now()

    def stop(self) -> None:
        """Count no longer, and forget what was not yet given a name."""
        self._since = None

    def lap(self, name: str) -> None:
        """Give the time since the last call a name."""
        if self._since is None:
            return
        self._synchronize()
        now = self._now()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


class ModuleTimes:
    """Seconds that the forward pass of each module takes by itself, without modules inside it.

    Args:
        network: What is watched until ``close``.
        synchronize: Waits for the device.
        now: Tells the time in seconds.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        synchronize: Callable[[], None],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._network = network
        self._synchronize = synchronize
        self._now = now
        self._stack: list[tuple[float, float]] = []  # when it began, time of modules inside
        self._handles: list[RemovableHandle] = []
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        for name, module in network.named_modules():
            label = f"{name or 'network'} ({type(module).__name__})"
            self._handles += [
                module.register_forward_pre_hook(self._begin),
                module.register_forward_hook(self._end(label)),
            ]

    def _begin(self, *_: object) -> None:
        if self._network.training:  # else it is validated
            self._synchronize()
            self._stack.append((self._now(), 0.0))

    def _end(self, label: str) -> Callable[..., None]:
        def end(*_: object) -> None:
            if not self._network.training:
                return
            self._synchronize()
            began, inside = self._stack.pop()
            took = self._now() - began
            self.seconds[label] = self.seconds.get(label, 0.0) + took - inside
            self.calls[label] = self.calls.get(label, 0) + 1
            if self._stack:
                outer, others = self._stack[-1]
                self._stack[-1] = (outer, others + took)

        return end

    def close(self) -> None:
        """Watch no longer."""
        for handle in self._handles:
            handle.remove()
        self._handles = []


class StepProfiler(Callback):
    """Writes ``profile/profile.json`` and ``profile/trace.json`` of a run, and says what is slow.

    The trace is read by https://ui.perfetto.dev and chrome://tracing. Only the first rank is
    watched. Validation is left out: a trace ends with its epoch.

    Args:
        run_dir: Directory of the run.
        console: Where to write; None writes the files alone.
    """

    def __init__(self, run_dir: Path, console: Console | None) -> None:
        self._folder = run_dir / FOLDER
        self._console = console
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
        if not trainer.is_global_zero:
            return
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
        if self._window == "trace" and self._profile is None:
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
        elif self._window == "modules":
            self._modules = ModuleTimes(network, self._synchronize(pl_module))

    def _close(self) -> None:
        if self._window == "parts":
            self._watch.stop()
            self._report |= _parts(self._watch.seconds, self._windows.parts)
        elif self._modules is not None:
            self._modules.close()
            self._report["modules"] = _modules(self._modules, self._windows.modules)
            self._modules = None
        elif self._profile is not None:
            self._profile.stop()
            self._folder.mkdir(exist_ok=True)
            self._profile.export_chrome_trace(str(self._folder / "trace.json"))
            self._report["operations"] = _operations(self._profile, self._traced)
            self._profile = None
            self._finish()

    def _finish(self) -> None:
        write_json(self._folder / "profile.json", self._report)
        if self._console is not None:
            for line in describe(self._report):
                self._console.print(line, highlight=False, soft_wrap=True, markup=False)
            self._console.print(f"profile: {self._folder}", highlight=False, soft_wrap=True)


def _parts(seconds: Mapping[str, float], steps: int) -> dict[str, Any]:
    total = sum(seconds.values())
    return {
        "micro_batches": steps,
        "ms_per_micro_batch": round(1e3 * total / steps, 4),
        "shares": {
            name: round(seconds.get(name, 0.0) / max(total, 1e-12), 4)
            for name in PARTS
            if name in seconds
        },
    }


def _modules(times: ModuleTimes, steps: int) -> list[dict[str, Any]]:
    slowest = sorted(times.seconds, key=lambda name: times.seconds[name], reverse=True)
    return [
        {
            "module": name,
            "ms_per_micro_batch": round(1e3 * times.seconds[name] / steps, 4),
            "calls": round(times.calls[name] / steps, 2),
        }
        for name in slowest
    ]


def _operations(done: profile, steps: int) -> list[dict[str, Any]]:
    """Return the self time of each operation: on the GPU where there is one, else on the CPU."""
    found = done.key_averages()
    on_device = any(one.self_device_time_total > 0 for one in found)
    times = {
        one.key: one.self_device_time_total if on_device else one.self_cpu_time_total
        for one in found
    }
    calls = {one.key: one.count for one in found}
    total = sum(times.values())
    return [
        {
            "operation": name,
            "ms_per_micro_batch": round(times[name] / 1e3 / steps, 4),
            "share": round(times[name] / max(total, 1e-12), 4),
            "calls": round(calls[name] / steps, 2),
        }
        for name in sorted(times, key=lambda name: times[name], reverse=True)
        if times[name] > 0
    ]


def describe(report: Mapping[str, Any]) -> list[str]:
    """Return what a profile says, in lines."""
    shares = ", ".join(f"{name} {100 * share:.1f} %" for name, share in report["shares"].items())
    lines = [
        f"a micro-batch takes {report['ms_per_micro_batch']:.2f} ms (mean of "
        f"{report['micro_batches']}): {shares}",
        "slowest modules, forward, without the modules inside them (ms):",
    ]
    lines += [
        f"  {one['ms_per_micro_batch']:9.3f}  {one['module']}"
        for one in report["modules"][:MOST_SHOWN]
    ]
    lines.append("slowest operations, forward and backward, without those inside them (ms):")
    lines += [
        f"  {one['ms_per_micro_batch']:9.3f}  {100 * one['share']:5.1f} %  {one['operation']}"
        for one in report["operations"][:MOST_SHOWN]
    ]
    return lines
