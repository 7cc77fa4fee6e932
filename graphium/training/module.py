"""The Lightning module: connects batches, network, losses and optimiser; contains no science."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
import torch.distributed as dist
from numpy.typing import NDArray
from pytorch_lightning.trainer.states import TrainerFn
from pytorch_lightning.utilities.types import OptimizerLRSchedulerConfig
from torch import Tensor
from torch.optim.lr_scheduler import LambdaLR

from graphium.batching.step_encodings import to_device
from graphium.checkpoint.format import ModelRecord
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import UsageError
from graphium.graphs.mol_batch import MolBatch
from graphium.nn.network import Network
from graphium.training.evaluation import PassMeter
from graphium.training.kept_rows import TaskPredictions
from graphium.training.losses import task_sums, total_loss
from graphium.training.metrics import TaskMetrics
from graphium.training.optimizers import (
    Plateau,
    build_optimizer,
    build_schedule,
    follow_plateau,
)
from graphium.training.sharding import put_together


class LossMeter:
    """Adds up losses over a pass, on the device, so that no step waits for a number."""

    def __init__(self, specs: Sequence[TaskSpec]) -> None:
        self._specs = specs
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self._sums: Tensor | None = None  # [T]
        self._totals = torch.zeros(len(self._specs), dtype=torch.float64)
        self._norms: Tensor | None = None  # [2] their sum, and how many there are

    def add(self, sums: Mapping[str, Tensor], totals: Mapping[str, float], share: float) -> None:
        """Add one batch.

        Args:
            sums: Sum of losses of each task in this batch.
            totals: Weight of the labels of each task in the batch's whole step.
            share: One over the number of batches, on all ranks, that carry the same totals.
        """
        values = torch.stack([sums[spec.name].detach() for spec in self._specs]).double()
        self._sums = values if self._sums is None else self._sums.to(values.device) + values
        counted = [totals[spec.name] * share for spec in self._specs]
        self._totals += torch.tensor(counted, dtype=torch.float64)

    def add_norm(self, norm: Tensor) -> None:
        """Add the gradient norm of one step, unless a gradient scaler leaves that step out."""
        one = torch.where(norm.isfinite(), torch.stack([norm, torch.ones_like(norm)]), 0)
        self._norms = one if self._norms is None else self._norms.to(one.device) + one

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed epoch needs to report the same means; sums are over all ranks."""
        both = self._over_ranks()
        return {
            "sums": both[0].cpu(),
            "totals": both[1].cpu(),
            "norm": None if self._norms is None else self._norms[0],
            "num_norms": 0 if self._norms is None else int(self._norms[1]),
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Go on from ``state_dict``; the first rank alone carries what all had added."""
        self.reset()
        if state["norm"] is not None:
            number = torch.full_like(state["norm"], state["num_norms"])
            self._norms = torch.stack([state["norm"], number])
        if not dist.is_initialized() or dist.get_rank() == 0:
            self._sums, self._totals = state["sums"], state["totals"]

    def _over_ranks(self) -> Tensor:
        """Return [2, T] sums and totals over all ranks."""
        sums = torch.zeros_like(self._totals) if self._sums is None else self._sums
        both = torch.stack([sums, self._totals.to(sums.device)])
        if dist.is_initialized():
            dist.all_reduce(both)
        return both

    def means(self) -> dict[str, float]:
        """Return the mean loss of each task with labels, over all ranks, and "" for the total."""
        both = self._over_ranks()
        names = [spec.name for spec in self._specs]
        summed = dict(zip(names, both[0].cpu(), strict=True))
        totals = dict(zip(names, both[1].tolist(), strict=True))
        losses = {name: float(summed[name]) / totals[name] for name in names if totals[name] > 0}
        return {"": float(total_loss(self._specs, summed, totals)), **losses}

    def mean_norm(self) -> float | None:
        """Return the mean gradient norm of the steps so far; None if there are none."""
        norm, number = (0, 0) if self._norms is None else self._norms.tolist()
        return norm / number if number else None


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What one pass over val or test gave; all but the rows is the same on every rank."""

    losses: dict[str, float]
    """Mean loss of each task with labels; "" is the total."""
    predictions: dict[str, TaskPredictions]
    """Labelled rows by task, on the first rank; empty where nobody asked for them."""
    metrics: dict[str, TaskMetrics]
    """Metrics by task."""


class TrainingModule(pl.LightningModule):
    """One training step, one evaluation pass, one optimiser.

    Args:
        network: What learns.
        record: What each checkpoint says about the model; holds the tasks.
        experiment: Optimiser, batches and fine-tuning.
        steps_per_epoch: Optimiser steps in one epoch, for the schedule.
    """

    def __init__(
        self, network: Network, record: ModelRecord, experiment: Experiment, steps_per_epoch: int
    ) -> None:
        super().__init__()
        self.network = network
        self.record = record
        self.specs = record.tasks
        self.experiment = experiment
        self.steps_per_epoch = steps_per_epoch
        self.train_meter = LossMeter(self.specs)
        self.evaluation: Evaluation | None = None
        """The last complete pass over val or test."""
        self._eval_meter = LossMeter(self.specs)
        self._pass_meter: PassMeter | None = None
        self._keep_rows = False
        self._thresholds: Mapping[str, NDArray[np.float64]] = {}
        self._plateau = Plateau(experiment.optimizer.plateau_options)

    def transfer_batch_to_device(
        self, batch: MolBatch, device: torch.device, dataloader_idx: int
    ) -> MolBatch:
        """Move a batch to ``device``, and encode it there where that was not done ahead."""
        del dataloader_idx
        return to_device(batch, self.experiment.features, device)

    def training_step(self, batch: MolBatch, batch_idx: int) -> Tensor:
        """Return this micro-batch's share of the loss of its step (see ``losses.py``)."""
        num_shares = self.trainer.world_size * self.experiment.batch.accumulate
        sums = task_sums(self.specs, self.network(batch), batch.labels)
        self.train_meter.add(sums, batch.label_totals, 1 / num_shares)
        return total_loss(self.specs, sums, batch.label_totals, scale=num_shares)

    def configure_gradient_clipping(
        self,
        optimizer: torch.optim.Optimizer,
        gradient_clip_val: float | None = None,
        gradient_clip_algorithm: str | None = None,
    ) -> None:
        """Clip the norm of the whole gradient and remember what it was."""
        limit = self.experiment.optimizer.clip_norm
        norm = torch.nn.utils.clip_grad_norm_(self.network.parameters(), limit or float("inf"))
        self.train_meter.add_norm(put_together(norm.detach()))

    def on_validation_epoch_start(self) -> None:
        """Forget the pass before."""
        self._eval_meter = LossMeter(self.specs)
        self._pass_meter = PassMeter(
            self.specs,
            limit=round(self.experiment.trainer.evaluation_memory_mb * 1e6),
            keep_rows=self._keep_rows,
            thresholds=self._thresholds,
        )

    def validation_step(self, batch: MolBatch, batch_idx: int) -> None:
        """Add losses and labelled rows to the pass."""
        assert self._pass_meter is not None, "the pass has begun"
        outputs = self.network(batch)
        self._eval_meter.add(task_sums(self.specs, outputs, batch.labels), batch.label_totals, 1.0)
        self._pass_meter.add(batch, outputs)

    def on_validation_epoch_end(self) -> None:
        """Put the pass together; every rank has the same result."""
        assert self._pass_meter is not None, "the pass has begun"
        self.evaluation = Evaluation(
            losses=self._eval_meter.means(),
            predictions=self._pass_meter.rows(),
            metrics=self._pass_meter.metrics(),
        )
        self._pass_meter = None
        if self.trainer.state.fn == TrainerFn.FITTING:
            self._plateau.observe(self.evaluation.losses[""])
            schedule = self.lr_schedulers()
            assert isinstance(schedule, LambdaLR), "configure_optimizers returns one"
            follow_plateau(schedule)
            self.log("val/loss", self.evaluation.losses[""], batch_size=1)

    def expect_evaluation(self, thresholds: Mapping[str, NDArray[np.float64]]) -> None:
        """Forget the last evaluation, and keep the rows of the next ones.

        Args:
            thresholds: [L] of tasks of 0/1 labels whose thresholds were chosen before.
        """
        self.evaluation = None
        self._keep_rows, self._thresholds = True, thresholds

    def configure_optimizers(self) -> OptimizerLRSchedulerConfig:
        """Return the optimiser and its schedule by step."""
        finetune = self.experiment.finetune
        freeze_epochs = 0 if finetune is None else finetune.freeze_epochs
        optimizer = build_optimizer(
            self.network,
            self.experiment.optimizer,
            is_frozen_first=lambda name: freeze_epochs > 0 and not name.startswith("heads."),
            fused=self.experiment.trainer.precision != "16-mixed",
        )
        schedule = build_schedule(
            optimizer,
            self.experiment.optimizer,
            steps_per_epoch=self.steps_per_epoch,
            max_epochs=self.experiment.trainer.max_epochs,
            freeze_epochs=freeze_epochs,
            plateau=self._plateau,
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add what the model is and the losses of the epoch so far."""
        checkpoint["graphium"] = self.record
        checkpoint["train_meter"] = self.train_meter.state_dict()
        checkpoint["plateau"] = self._plateau.state_dict()
        checkpoint["steps_per_epoch"] = self.steps_per_epoch

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Go on with the losses of the epoch so far.

        Raises:
            UsageError: An epoch has another number of steps than it had.
        """
        steps = checkpoint.get("steps_per_epoch", self.steps_per_epoch)  # older ones do not say
        if steps != self.steps_per_epoch:
            raise UsageError(
                f"an epoch of this run had {steps} steps, and has {self.steps_per_epoch} now; with "
                "batch.budget they follow the number of ranks: go on with as many as it began with"
            )
        self.train_meter.load_state_dict(checkpoint["train_meter"])
        if "plateau" in checkpoint:  # older ones know no such schedule
            self._plateau.load_state_dict(checkpoint["plateau"])
