"""How fast a training is on a GPU, and how much of the time the GPU computes nothing.

The loop is that of ``graphium-train``, all that it counts and logs included. It trains ToyMix's
GINE at 154,112 parameters twice: ``ram`` cuts batches on the CPU in a thread, ahead of the network;
``cuda`` holds all molecules on the GPU and cuts them there. One epoch warms up, three are timed,
from the request for their first batch to the end of their last step; in another some steps are
traced.

``no_kernel_share``: of the time of the traced steps, what no kernel ran in (one minus the union of
the kernels' intervals over the clock's time). Tracing slows the CPU down and kernels hardly at all,
so it is too high where the CPU is what one waits for; ``no_kernel_share_untraced`` sets the
kernels of the traced steps against the time of a step that is not traced.

Run: python benchmarks/gpu.py [expts/toymix/gine.yaml [KEY=VALUE ...]]
(needs $GRAPHIUM_TEST_DATA and a CUDA GPU; adds a line for each way to ``docs/results/gpu.jsonl``)

With ``--device cpu`` the CPU takes the place of the GPU, its operations that of kernels, and
nothing is written: to see that it works.
"""

import argparse
import contextlib
import gc
import json
import statistics
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import pytorch_lightning as pl
import torch
from result_line import result_line
from torch.profiler import ProfilerActivity, profile

from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.graphs.mol_batch import MolBatch
from graphium.store.prepare import cache_root, prepare_experiment
from graphium.training.run import train

ROUNDS = 3
WARM = 3
"""Steps of the last epoch before those that are traced."""
TRACED = 20
DEFAULTS = ("model.trunk.width=78",)
"""Makes 154,112 parameters of ToyMix's GINE, if nothing else is said."""
RESULTS = Path(__file__).parents[1] / "docs" / "results" / "gpu.jsonl"
KERNELS = {"cuda": "kernel", "cpu": "cpu_op"}
"""What the events of a trace are called that keep a device busy."""
KEPT = ("experiment", "config_sha256", "commit", "torch", "parameters")
"""Figures of any finished run that say what was measured."""


def union(intervals: Iterable[tuple[float, float]]) -> float:
    """Return the length of what intervals, each from begin to end, cover together."""
    covered, last = 0.0, float("-inf")
    for begin, end in sorted(intervals):
        covered += max(0.0, end - max(begin, last))
        last = max(last, end)
    return covered


def kernel_seconds(trace: dict[str, Any], device: str) -> float:
    """Return the seconds in which at least one kernel of a trace ran."""
    spans = (
        (event["ts"], event["ts"] + event["dur"])
        for event in trace["traceEvents"]
        if event.get("ph") == "X" and event.get("cat") == KERNELS[device]
    )
    return union(spans) / 1e6


class GpuWatch(pl.Callback):
    """Times whole epochs but the first and the last, and traces steps of the last.

    Args:
        device: cuda or cpu.
    """

    def __init__(self, device: str) -> None:
        self._device = device
        self._profile: profile | None = None
        self._began = 0.0
        self._molecules = 0
        self.speeds: list[float] = []
        """Molecules a second of each timed epoch."""
        self.steps = 0
        """Steps that are traced."""
        self.traced_seconds = 0.0
        self.kernel_seconds = 0.0
        """Of the traced steps: in which a kernel ran."""
        self.peak_mb: dict[str, float] = {}

    def _now(self) -> float:
        """Return the time when the GPU has done what it was told."""
        if self._device == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter()

    def on_train_start(self, *_: object) -> None:
        """Forget the memory of what came before."""
        if self._device == "cuda":
            torch.cuda.reset_peak_memory_stats()

    def on_train_epoch_start(self, *_: object) -> None:
        """Begin to count."""
        self._molecules, self._began = 0, self._now()

    def on_train_batch_start(
        self, trainer: pl.Trainer, _: object, __: object, batch_idx: int
    ) -> None:
        """Begin to trace."""
        batches = int(trainer.num_training_batches)
        if trainer.current_epoch == ROUNDS + 1 and batch_idx == min(WARM, batches - 1):
            self.steps = min(TRACED, batches - batch_idx)
            activities = [ProfilerActivity.CPU]
            activities += [ProfilerActivity.CUDA] if self._device == "cuda" else []
            self._now()
            self._profile = profile(activities=activities)
            self._profile.start()
            self._began, self._last = self._now(), batch_idx + self.steps - 1

    def on_train_batch_end(
        self, trainer: pl.Trainer, _: object, __: object, batch: MolBatch, batch_idx: int
    ) -> None:
        """End what ends with this step."""
        self._molecules += batch.num_real_molecules
        is_timed = 1 <= trainer.current_epoch <= ROUNDS
        if is_timed and batch_idx + 1 == trainer.num_training_batches:
            self.speeds.append(self._molecules / (self._now() - self._began))
        if self._profile is not None and batch_idx == self._last:
            self.traced_seconds = self._now() - self._began
            self._profile.stop()
            with tempfile.TemporaryDirectory() as folder:
                path = Path(folder, "trace.json")
                self._profile.export_chrome_trace(str(path))
                self.kernel_seconds = kernel_seconds(json.loads(path.read_text()), self._device)
            self._profile = None

    def on_train_end(self, *_: object) -> None:
        """Note the memory."""
        if self._device == "cuda":
            self.peak_mb = {
                "gpu_peak_allocated_mb": round(torch.cuda.max_memory_allocated() / 1e6, 1),
                "gpu_peak_reserved_mb": round(torch.cuda.max_memory_reserved() / 1e6, 1),
            }


@contextlib.contextmanager
def held_by_cpu(device: str) -> Iterator[None]:
    """Let the CPU stand for the GPU that holds a mix, if that is asked for."""
    with contextlib.ExitStack() as stack:
        if device == "cpu":
            stack.enter_context(mock.patch("graphium.batching.mix.require_gpu"))
        yield


def measured(experiment: Experiment, held_in: str, device: str) -> dict[str, object]:
    """Train with molecules that wait in one place, and return what was seen."""
    batch = experiment.batch.model_copy(update={"held_in": held_in})
    experiment = experiment.model_copy(update={"batch": batch})  # unchecked: a CPU may play a GPU
    watch = GpuWatch(device)
    with tempfile.TemporaryDirectory() as folder, held_by_cpu(device):
        run = Path(folder)
        train(experiment, run, store_root=cache_root(), watchers=[watch], evaluate=())
        about = result_line(run)
    gc.collect()
    if device == "cuda":
        torch.cuda.empty_cache()
    speed = statistics.median(watch.speeds)
    mix = open_mix(experiment.model_copy(update={"batch": type(batch)()}), cache_root())
    step = batch.size / speed
    kernels = watch.kernel_seconds / watch.steps
    return {
        **{name: about[name] for name in KEPT},
        "device": torch.cuda.get_device_name() if device == "cuda" else "cpu",
        "precision": experiment.trainer.precision,
        "size": batch.size,
        "held_in": held_in,
        "molecules_per_second": round(speed),
        "labels_per_second": round(speed * mix.report.labels_per_molecule("train")),
        "rounds": [round(each) for each in watch.speeds],
        "step_ms": round(1e3 * step, 3),
        "kernel_ms": round(1e3 * kernels, 3),
        "no_kernel_share": round(1 - watch.kernel_seconds / watch.traced_seconds, 4),
        "no_kernel_share_untraced": round(1 - kernels / step, 4),
        **watch.peak_mb,
    }


def main(words: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("experiment", nargs="?", default="expts/toymix/gine.yaml")
    parser.add_argument("changes", nargs="*", help="options as KEY=VALUE")
    parser.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    asked = parser.parse_args(words)
    if asked.device == "cuda" and not torch.cuda.is_available():
        parser.error("torch sees no CUDA GPU; --device cpu tries the program without one")
    options = (
        f"trainer.accelerator={'gpu' if asked.device == 'cuda' else 'cpu'}",
        f"trainer.max_epochs={ROUNDS + 2}",
        f"trainer.validate_every={ROUNDS + 3}",
    )
    experiment = load_config(
        Path(asked.experiment), [*DEFAULTS, *asked.changes, *options]
    ).experiment
    prepare_experiment(experiment, cache_root())
    for held_in in ("ram", "cuda"):
        line = json.dumps(measured(experiment, held_in, asked.device))
        print(line)
        if asked.device == "cuda":
            with RESULTS.open("a") as file:
                file.write(line + "\n")


if __name__ == "__main__":
    main()
