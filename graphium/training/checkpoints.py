"""When checkpoints are written, and which are kept."""

from pathlib import Path
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from graphium.checkpoint.save import point, remove_checkpoint
from graphium.training.module import TrainingModule


class CheckpointKeeper(Callback):
    """Writes ``checkpoints/step-N`` and keeps ``last``, ``best`` by validation loss, ``previous``.

    A checkpoint is written at the end of each epoch and every ``every_steps`` optimiser steps,
    always between steps: a resumed run repeats nothing and skips nothing. An interrupted run keeps
    what was written last, and what was written before it, should the last one be damaged. Until the
    first validation the last is the best.

    Args:
        folder: ``checkpoints`` of the run.
        every_steps: Also write in mid-epoch; None does not.
        has_val: Whether there are labels to validate on; without, the last is the best.
    """

    def __init__(self, folder: Path, every_steps: int | None, *, has_val: bool) -> None:
        self._folder = folder
        self._every = every_steps
        self._has_val = has_val
        self._last_step = -1
        self.best_loss: float | None = None
        self.best_epoch: int | None = None

    def state_dict(self) -> dict[str, Any]:
        """Return the best so far."""
        return {"best_loss": self.best_loss, "best_epoch": self.best_epoch}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from the best so far; if it was damaged, look for a new one."""
        if not (self._folder / "best").exists():
            return
        self.best_loss, self.best_epoch = state_dict["best_loss"], state_dict["best_epoch"]

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """A resumed step is on disk already; where there is none, the first one begins."""
        self._last_step = trainer.global_step
        if trainer.is_global_zero:
            self._folder.mkdir(parents=True, exist_ok=True)

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Write in mid-epoch; the epoch's last step is written after its validation."""
        step = trainer.global_step
        is_last = batch_idx + 1 == trainer.num_training_batches
        if self._every and step % self._every == 0 and not is_last:
            self.write(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write, and call it the best if its validation loss is."""
        assert isinstance(pl_module, TrainingModule)
        epoch = trainer.current_epoch + 1
        is_best = self.best_loss is None
        if self._has_val and epoch % (trainer.check_val_every_n_epoch or 1) == 0:
            assert pl_module.evaluation is not None
            loss = pl_module.evaluation.losses[""]
            is_best = self.best_loss is None or loss < self.best_loss
            self.best_loss = loss if is_best else self.best_loss
        if is_best:
            self.best_epoch = epoch
        self._write(trainer, is_best=is_best)

    def write(self, trainer: pl.Trainer) -> None:
        """Write between two steps, unless the one before is on disk."""
        if trainer.global_step != self._last_step:
            self._write(trainer)

    def _write(self, trainer: pl.Trainer, *, is_best: bool = False) -> None:
        self._last_step = trainer.global_step
        target = self._folder / f"step-{trainer.global_step:08d}"
        trainer.save_checkpoint(target, weights_only=False)
        if not trainer.is_global_zero:
            return
        if is_best or not (self._folder / "best").exists():
            point(self._folder / "best", target)
        before = self._folder / "last"
        if before.exists() and before.resolve() != target.resolve():
            point(self._folder / "previous", before.resolve())
        point(before, target)  # last of all: a kill before here repeats the epoch
        kept = {(self._folder / name).resolve() for name in ("last", "best", "previous")}
        for old in self._folder.glob("step-*"):
            if old.resolve() not in kept:
                remove_checkpoint(old)
