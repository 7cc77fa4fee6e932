"""What a run says while it trains, and the numbers it keeps after each epoch."""

import logging
import time
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from graphium.graphs.mol_batch import MolBatch
from graphium.training.module import Evaluation, TrainingModule
from graphium.training.tracking import Entry, Tracker

log = logging.getLogger("graphium")


def evaluation_entries(evaluation: Evaluation, part: str, epoch: int, step: int) -> list[Entry]:
    """Return losses and metrics of one pass as lines of ``metrics.csv``."""
    entries = [
        Entry(epoch, step, part, task, "", "loss", value)
        for task, value in evaluation.losses.items()
    ]
    for task, metrics in evaluation.metrics.items():
        entries += [Entry(epoch, step, part, task, "", m, v) for m, v in metrics.task.items()]
        for label, values in metrics.labels.items():
            entries += [Entry(epoch, step, part, task, label, m, v) for m, v in values.items()]
    return entries


class EpochReporter(Callback):
    """Shows progress and hands the numbers of each epoch to the trackers.

    On a terminal a bar moves with every step; elsewhere each epoch is one line. Only rank 0 speaks.

    Args:
        trackers: Where the numbers go.
        console: Where to write; None writes nothing but the numbers.
    """

    def __init__(self, trackers: Sequence[Tracker], console: Console | None) -> None:
        self._trackers = trackers
        self._console = console
        self._progress: Progress | None = None
        self._started = 0.0
        self._seen = 0
        self._epoch_seconds = 0.0
        self._epoch_molecules = 0
        self.train_seconds = 0.0
        self.train_molecules = 0

    @property
    def molecules_per_second(self) -> float:
        """Throughput of training, over all ranks, without validation."""
        return self.train_molecules / max(self.train_seconds, 1e-9)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock also where a resumed run begins in mid-epoch."""
        self._started = time.perf_counter()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock and, on a terminal, the bar."""
        self._started, self._seen = time.perf_counter(), 0
        if self._console is None or not self._console.is_terminal or not trainer.is_global_zero:
            return
        self._progress = Progress(
            TextColumn(f"epoch {trainer.current_epoch + 1}/{trainer.max_epochs}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[speed]}"),
            TimeRemainingColumn(),
            console=self._console,
            transient=True,
        )
        self._progress.add_task("steps", total=int(trainer.num_training_batches), speed="")
        self._progress.start()

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Move the bar."""
        assert isinstance(batch, MolBatch)
        self._seen += batch.num_molecules * trainer.world_size
        if self._progress is not None:
            speed = self._seen / (time.perf_counter() - self._started)
            self._progress.update(
                self._progress.task_ids[0], completed=batch_idx + 1, speed=f"{speed:,.0f} mol/s"
            )

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop the clock: throughput speaks of training."""
        self._stop_clock()

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Keep the numbers of the epoch and say the most important ones."""
        assert isinstance(pl_module, TrainingModule)
        self._stop_clock()
        epoch, step = trainer.current_epoch + 1, trainer.global_step
        losses = pl_module.train_meter.means()
        norm = pl_module.train_meter.mean_norm()
        pl_module.train_meter.reset()
        speed = self._epoch_molecules / max(self._epoch_seconds, 1e-9)
        self._epoch_seconds, self._epoch_molecules = 0.0, 0
        if not trainer.is_global_zero:
            return
        lr = trainer.optimizers[0].param_groups[-1]["lr"]
        entries = [Entry(epoch, step, "train", t, "", "loss", v) for t, v in losses.items()]
        entries += [
            Entry(epoch, step, "train", "", "", "lr", lr),
            Entry(epoch, step, "train", "", "", "grad_norm", norm),
            Entry(epoch, step, "train", "", "", "molecules_per_second", speed),
        ]
        text = f"epoch {epoch:>3}/{trainer.max_epochs}  train loss {losses['']:.4f}"
        every = trainer.check_val_every_n_epoch or 1
        if pl_module.evaluation is not None and epoch % every == 0:
            entries += evaluation_entries(pl_module.evaluation, "val", epoch, step)
            text += f"  val loss {pl_module.evaluation.losses['']:.4f}"
        for tracker in self._trackers:
            tracker.log(entries)
        text += f"  lr {lr:.2e}  {speed:,.0f} molecules/s"
        log.info(text)
        if self._console is not None:
            self._console.print(text, highlight=False, soft_wrap=True)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal as it was."""
        self._stop_clock()

    def _stop_clock(self) -> None:
        if self._started:
            seconds = time.perf_counter() - self._started
            self.train_seconds += seconds
            self.train_molecules += self._seen
            self._epoch_seconds += seconds
            self._epoch_molecules += self._seen
        self._started, self._seen = 0.0, 0
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
