"""Runs that are asked to make room: the step is finished and kept, then all ranks end.

A signal is only noted (``signals.py``). Saving at once would meet a step half done, and ranks that
are somewhere else. After each optimiser step the ranks agree on the largest wish that any of them
has heard, so that all stop after the same step.
"""

import signal
from typing import NoReturn

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from graphium.errors import StoppedError
from graphium.training.checkpoints import CheckpointKeeper
from graphium.training.ranks import Ranks
from graphium.training.signals import WISHES, StopSignals


class StopWhenAsked(Callback):
    """Saves and stops at the end of the optimiser step in which a signal came.

    Args:
        signals: What this process was asked for.
        ranks: The others, if there are any.
        keeper: Writes the checkpoint.
    """

    def __init__(self, signals: StopSignals, ranks: Ranks | None, keeper: CheckpointKeeper) -> None:
        self._signals = signals
        self._ranks = ranks
        self._keeper = keeper
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Know which steps were done before."""
        self._step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Stop in mid-epoch; after the last step its validation comes first."""
        if trainer.global_step == self._step:
            return  # only a micro-batch
        self._step = trainer.global_step
        if batch_idx + 1 < trainer.num_training_batches:
            self._stop_if_asked(trainer)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stop between epochs."""
        if trainer.current_epoch + 1 < (trainer.max_epochs or 0):
            self._stop_if_asked(trainer)

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        asked = self._agree()
        if asked:
            self._keeper.write(trainer)
            self._stop(asked, f"after step {trainer.global_step:,}")

    def stop_between(self, done: str) -> None:
        """Stop where the last checkpoint is all that was done.

        Args:
            done: What has just been finished.

        Raises:
            StoppedError: A rank was asked to.
        """
        asked = self._agree()
        if asked:
            self._stop(asked, f"after {done}")

    def _agree(self) -> int:
        """Return what any rank was asked for."""
        asked = self._signals.asked
        if self._ranks is not None:
            asked = self._ranks.largest(asked)
            self._signals.agree_on(asked)
        return asked

    def _stop(self, asked: int, when: str) -> NoReturn:
        raise StoppedError(
            f"stopped on request {when}, which is kept",
            requeue=asked == WISHES[signal.SIGUSR1],
            is_agreed=True,
        )
