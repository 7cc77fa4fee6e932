"""Randomness as a function of what is being done, never a stream that must be saved.

A resumed run draws the same numbers as one that was never interrupted because every seed follows
from (experiment seed, purpose, epoch, position, rank), whatever happened before.
"""

import hashlib

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback


def derive_seed(seed: int, *purpose: str | int) -> int:
    """Return a 63-bit seed that depends on every argument.

    >>> derive_seed(42, "weights") == derive_seed(42, "weights")
    True
    >>> derive_seed(42, "step", 1) == derive_seed(42, "step", 2)
    False
    """
    text = "/".join(str(part) for part in (seed, *purpose))
    digest = hashlib.blake2b(text.encode(), digest_size=8).digest()
    return int.from_bytes(digest, "little") >> 1


class StepSeed(Callback):
    """Seeds torch before each training batch, so that dropout depends on the position alone."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: object, batch_idx: int
    ) -> None:
        """Seed the batch by epoch, position in the epoch and rank."""
        rank = trainer.global_rank
        torch.manual_seed(derive_seed(self._seed, "step", trainer.current_epoch, batch_idx, rank))
