"""What a run says while it trains, and the numbers it keeps after each epoch."""

import logging
import math
from collections.abc import Iterator, Sequence
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from graphium.errors import DivergenceError
from graphium.graphs.mol_batch import MolBatch
from graphium.training.clock import Clock, Work, peak_memory
from graphium.training.module import Evaluation, TrainingModule
from graphium.training.stopping import PatientStopping
from graphium.training.task_gradients import TaskGradients
from graphium.training.tracking import Entry, Tracker

log = logging.getLogger("graphium")

OF_MACHINE = (
    "molecules_per_second", "labels_per_second", "waiting_share", "peak_memory_mb",
    "gpu_peak_memory_mb",
)  # fmt: skip
"""Metrics of an epoch that say how fast a machine is: the rest is the same on any."""

_WORTH_SAYING = 0.2
"""Share of an epoch spent waiting for batches above which its line says so."""


def evaluation_entries(evaluation: Evaluation, part: str, epoch: int, step: int) -> list[Entry]:
    """Return losses and metrics of one pass as lines of ``metrics.csv``."""
    entries = [
        Entry(epoch, step, part, task, "", "loss", value)
        for task, value in evaluation.losses.items()
    ]
    for task, metrics in evaluation.metrics.items():
        for label, values in {"": metrics.task, **metrics.labels}.items():
            entries += [
                Entry(epoch, step, part, task, label, metrics.title(m), v)
                for m, v in values.items()
            ]
    return entries


class EpochReporter(Callback):
    """Shows progress and hands the numbers of each epoch to the trackers.

    On a terminal a bar moves with every step; elsewhere each epoch is one line. Only rank 0 speaks.

    Args:
        trackers: Where the numbers go.
        console: Where to write; None writes nothing but the numbers.
        labels_per_molecule: Known labels of a training molecule, on average.
        task_gradients: Stands before this callback, and measures at the start of each epoch.
    """

    def __init__(
        self,
        trackers: Sequence[Tracker],
        console: Console | None,
        *,
        labels_per_molecule: float,
        task_gradients: TaskGradients,
    ) -> None:
        self._trackers = trackers
        self._console = console
        self._progress: Progress | None = None
        self._lr = 0.0
        self._labels_per_molecule = labels_per_molecule
        self._task_gradients = task_gradients
        self.clock = Clock()
        """Work of the training so far."""

    def state_dict(self) -> dict[str, Any]:
        """Return the work done so far, which a resumed run adds to."""
        return self.clock.state_dict()

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on counting."""
        self.clock.load_state_dict(state_dict)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock also where a resumed run begins in mid-epoch."""
        self.clock.start()

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start the clock and, on a terminal, the bar."""
        self.clock.start()
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

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Remember the learning rate of this step; after it the schedule has moved on."""
        self.clock.step_begins()
        self._lr = trainer.optimizers[0].param_groups[-1]["lr"]

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
        self.clock.step_ends(batch.num_real_molecules * trainer.world_size)
        if self._progress is not None:
            self._progress.update(
                self._progress.task_ids[0],
                completed=batch_idx + 1,
                speed=f"{self.clock.speed:,.0f} mol/s",
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
        validation = self._validation(trainer, pl_module)
        _refuse_divergence(epoch, losses[""], validation)
        work = self.clock.end_epoch()
        if not trainer.is_global_zero:
            return
        lr = self._lr
        entries = [Entry(epoch, step, "train", t, "", "loss", v) for t, v in losses.items()]
        entries += [
            Entry(epoch, step, "train", "", "", "lr", lr),
            Entry(epoch, step, "train", "", "", "grad_norm", norm),
            *(Entry(epoch, step, "train", "", "", m, v) for m, v in self._of_machine(work)),
        ]
        norms = self._task_gradients.norms
        entries += [Entry(epoch, step, "train", t, "", "grad_norm", v) for t, v in norms.items()]
        text = f"epoch {epoch:>3}/{trainer.max_epochs}  train loss {losses['']:.4f}"
        if validation is not None:
            entries += evaluation_entries(validation, "val", epoch, step)
            text += f"  val loss {validation.losses['']:.4f}"
        for tracker in self._trackers:
            tracker.log(entries)
        text += f"  lr {lr:.2e}  {work.molecules_per_second:,.0f} molecules/s"
        if work.waiting > _WORTH_SAYING:
            text += f" ({work.waiting:.0%} of the time waiting for batches)"
        self._say(text)

    def _of_machine(self, work: Work) -> Iterator[tuple[str, float]]:
        """Yield what depends on the machine; the names are ``OF_MACHINE``."""
        speed = work.molecules_per_second
        yield from {
            "molecules_per_second": speed,
            "labels_per_second": speed * self._labels_per_molecule,
            "waiting_share": work.waiting,
            **peak_memory(),
        }.items()

    def say_why_stopped(self, trainer: pl.Trainer) -> None:
        """Say so if patience ended the run."""
        for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a connector
            if isinstance(callback, PatientStopping) and callback.has_stopped:
                self._say(
                    f"stopped after epoch {trainer.current_epoch}: the validation loss has not "
                    f"fallen for {callback.patience} validations"
                )

    def _say(self, text: str) -> None:
        log.info(text)
        if self._console is not None:
            self._console.print(text, highlight=False, soft_wrap=True)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Leave the terminal as it was."""
        self._stop_clock()

    @staticmethod
    def _validation(trainer: pl.Trainer, module: TrainingModule) -> Evaluation | None:
        """Return the validation of this epoch, if it had one."""
        is_due = (trainer.current_epoch + 1) % (trainer.check_val_every_n_epoch or 1) == 0
        return module.evaluation if is_due else None

    def _stop_clock(self) -> None:
        self.clock.stop()
        if self._progress is not None:
            self._progress.stop()
            self._progress = None


def _refuse_divergence(epoch: int, train_loss: float, validation: Evaluation | None) -> None:
    """Stop a run whose losses are no numbers, before they reach a checkpoint.

    Raises:
        DivergenceError: A loss is NaN or infinite.
    """
    losses = {"train": train_loss} | ({"val": validation.losses[""]} if validation else {})
    for part, loss in losses.items():
        if not math.isfinite(loss):
            raise DivergenceError(
                f"epoch {epoch}: the {part} loss is {loss}: training has diverged. What was "
                "saved before stays in checkpoints/. Lower optimizer.lr, set optimizer.clip_norm, "
                "or look for extreme labels"
            )
