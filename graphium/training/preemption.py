"""Runs that are asked to make room: the step is finished and kept, then all ranks end.

A signal only sets a flag. Saving inside the handler would meet a step half done, and ranks that
are somewhere else. After each optimiser step the ranks agree on the largest flag that any of them
has, so that all stop after the same step.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import NoReturn

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from graphium.errors import StoppedError
from graphium.training.checkpoints import CheckpointKeeper
from graphium.training.ranks import Ranks

_ASKED = {signal.SIGTERM: 1, signal.SIGUSR1: 2}
"""What each signal asks for: to end, or to end and to be started again."""


@dataclass(slots=True)
class StopFlag:
    """What a run has been asked for so far."""

    asked: int = 0

    @property
    def wants_more(self) -> bool:
        """Whether the run is to be started again."""
        return self.asked == _ASKED[signal.SIGUSR1]

    def set(self, signum: int, _: FrameType | None = None) -> None:
        """Note a signal."""
        self.asked = max(self.asked, _ASKED[signal.Signals(signum)])


@contextmanager
def stop_signals() -> Iterator[StopFlag]:
    """Let SIGUSR1 and SIGTERM set a flag, instead of ending the process, for a while."""
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag  # only the main thread may answer signals
        return
    before = {signum: signal.signal(signum, flag.set) for signum in _ASKED}
    try:
        yield flag
    finally:
        for signum, handler in before.items():
            signal.signal(signum, handler)


class StopWhenAsked(Callback):
    """Saves and stops at the end of the optimiser step in which a signal came.

    Args:
        flag: What this process was asked for.
        ranks: The others, if there are any.
        keeper: Writes the checkpoint.
    """

    def __init__(self, flag: StopFlag, ranks: Ranks | None, keeper: CheckpointKeeper) -> None:
        self._flag = flag
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
        return self._flag.asked if self._ranks is None else self._ranks.largest(self._flag.asked)

    def _stop(self, asked: int, when: str) -> NoReturn:
        wants_more = asked == _ASKED[signal.SIGUSR1]
        raise StoppedError(f"stopped on request {when}, which is kept", requeue=wants_more)
