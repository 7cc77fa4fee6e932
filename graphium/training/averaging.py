"""An exponential moving average of the weights, which is what is validated and kept."""

from collections.abc import Mapping
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor

from graphium.checkpoint.io import NETWORK
from graphium.training.module import TrainingModule
from graphium.training.sharding import divided

_KEY = "trained_weights"
"""In a checkpoint: the weights that the optimiser moves. The model is the average."""


class WeightAverage(Callback):
    """Averages weights after every optimiser step (Polyak and Juditsky 1992).

    Step t keeps ``min(decay, (1 + t) / (10 + t))`` of the average, so that the random start is
    soon forgotten. Running statistics of norms are averaged alike; counters are copied. It must
    stand before whoever writes checkpoints: these hold the average of the very same step.

    Args:
        decay: Share of the average that a late step keeps.
    """

    def __init__(self, decay: float) -> None:
        self._decay = decay
        self._average: dict[str, Tensor] = {}
        self._trained: dict[str, Tensor] | None = None
        self._step = 0

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Start from the weights as they are, or where the checkpoint stood."""
        weights = _weights(pl_module)
        if not self._average:
            self._average = {name: value.detach().clone() for name, value in weights.items()}
        self._average = {
            name: divided(value.to(weights[name].device), weights[name])
            for name, value in self._average.items()
        }
        self._step = trainer.global_step

    def on_train_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: object,
        batch: object,
        batch_idx: int,
    ) -> None:
        """Take the weights in, if the optimiser has moved them."""
        if trainer.global_step == self._step:
            return
        self._step = trainer.global_step
        kept = min(self._decay, (1 + self._step) / (10 + self._step))
        weights = _weights(pl_module)
        averaged = [name for name, value in weights.items() if value.is_floating_point()]
        with torch.no_grad():
            torch._foreach_lerp_(
                [self._average[name] for name in averaged],
                [weights[name] for name in averaged],
                1 - kept,
            )
        for name, value in weights.items():
            if not value.is_floating_point():
                self._average[name].copy_(value)

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Validate the average."""
        if trainer.state.fn == TrainerFn.FITTING:  # else the weights come from a checkpoint
            self._trained = {k: v.detach().clone() for k, v in _weights(pl_module).items()}
            _set(pl_module, self._average)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on training with the weights that the optimiser knows."""
        self._put_back(pl_module)

    def on_exception(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException
    ) -> None:
        """Do not leave the average in the place of the weights."""
        self._put_back(pl_module)

    def _put_back(self, pl_module: pl.LightningModule) -> None:
        if self._trained is not None:
            _set(pl_module, self._trained)
            self._trained = None

    def on_save_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Let the average be the model, and keep the trained weights beside it."""
        state = checkpoint["state_dict"]
        trained = {name: state[NETWORK + name] for name in self._average}
        checkpoint["state_dict"] = state | {NETWORK + k: v for k, v in self._average.items()}
        checkpoint[_KEY] = trained

    def on_load_checkpoint(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, checkpoint: dict[str, Any]
    ) -> None:
        """Go on with both; Lightning has put the average into the network."""
        trained = checkpoint[_KEY]
        self._average = {name: checkpoint["state_dict"][NETWORK + name].clone() for name in trained}
        _set(pl_module, trained)


def _weights(module: pl.LightningModule) -> dict[str, Tensor]:
    assert isinstance(module, TrainingModule)
    return module.network.state_dict()


def _set(module: pl.LightningModule, values: Mapping[str, Tensor]) -> None:
    with torch.no_grad():
        for name, value in _weights(module).items():
            value.copy_(values[name])
