"""Looks for a learning rate: some steps with rates that rise, until the loss does."""

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from graphium.batching.opened import Opened, data_module
from graphium.batching.step_encodings import to_device
from graphium.config.experiment import Experiment
from graphium.config.training import BatchConfig, BudgetConfig
from graphium.errors import DataError
from graphium.training.initial import initial_network
from graphium.training.losses import task_sums, total_loss
from graphium.training.optimizers import build_optimizer
from graphium.training.randomness import derive_seed

_SMOOTHING = 0.95
"""Share of the smoothed loss that each step keeps."""
_DIVERGED = 4.0
"""Times the lowest smoothed loss at which the search ends."""
_LEAST_STEPS = 10


@dataclass(frozen=True, slots=True)
class LearningRates:
    """The loss at S learning rates, rising."""

    rates: NDArray[np.float64]
    """[S]."""
    losses: NDArray[np.float64]
    """[S] loss of the batch of each step."""
    smoothed: NDArray[np.float64]
    """[S] the same, averaged over the steps before."""

    @property
    def lowest(self) -> int:
        """The step at which the smoothed loss is lowest.

        The first fifth is left out: an average of few batches may be low by chance.
        """
        return self._settled + int(np.argmin(self.smoothed[self._settled :]))

    @property
    def suggestion(self) -> float | None:
        """The rate at which the smoothed loss falls most steeply; None where it never falls."""
        slopes = np.gradient(self.smoothed, np.log(self.rates))[: self.lowest + 1]
        steepest = self._settled + int(np.argmin(slopes[self._settled :]))
        return float(self.rates[steepest]) if slopes[steepest] < 0 else None

    @property
    def _settled(self) -> int:
        return len(self.rates) // 5


def find_learning_rate(
    experiment: Experiment,
    mix: Opened,
    *,
    first: float = 1e-6,
    last: float = 1.0,
    steps: int = 100,
    on_step: Callable[[int], None] = lambda _: None,
) -> LearningRates:
    """Train a new network with rates that rise geometrically (Smith 2017, arXiv:1506.01186).

    Batches, initial weights and dropout are those of the training, in float32 whatever its
    precision; nothing is kept of the network.
    The search ends early where the loss is four times its lowest, or is no number.

    Args:
        experiment: What would be trained; its own learning rate and schedule play no part.
        mix: Its opened data.
        first: Lowest rate.
        last: Highest rate.
        steps: Steps between them.
        on_step: Called with the number of each step that is done.

    Raises:
        DataError: There are no molecules to train on, or the loss is no number from the start.
    """
    network = initial_network(experiment, mix.specs)
    device = torch.device("cuda", 0) if _takes_gpu(experiment) else torch.device("cpu")
    network.to(device)
    optimizer = build_optimizer(network, experiment.optimizer, is_frozen_first=lambda _: False)
    shares = [group["lr"] / experiment.optimizer.lr for group in optimizer.param_groups]
    if not mix.report.molecules["train"]:
        raise DataError("there are no molecules to train on")
    whole = _whole_steps(experiment)
    whole_steps = experiment.model_copy(update={"batch": whole})
    loader = data_module(mix, whole_steps, device).train_dataloader()
    rates = np.geomspace(first, last, steps)
    losses: list[float] = []
    smoothed: list[float] = []
    mean, batches = 0.0, iter(loader)
    network.train()
    for step, rate in enumerate(rates):
        batch = next(batches, None)
        if batch is None:
            batches = iter(loader)
            batch = next(batches)
        for group, share in zip(optimizer.param_groups, shares, strict=True):
            group["lr"] = float(rate) * share
        torch.manual_seed(derive_seed(experiment.seed, "step", 0, step, 0))
        batch = to_device(batch, experiment.features, device)
        sums = task_sums(mix.specs, network(batch), batch.labels)
        loss = total_loss(mix.specs, sums, batch.label_totals)
        value = loss.item()
        if not math.isfinite(value):
            break
        losses.append(value)
        mean = _SMOOTHING * mean + (1 - _SMOOTHING) * value
        smoothed.append(mean / (1 - _SMOOTHING ** (step + 1)))
        on_step(step + 1)
        if step >= _LEAST_STEPS and smoothed[-1] > _DIVERGED * min(smoothed):
            break
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        clip = experiment.optimizer.clip_norm
        torch.nn.utils.clip_grad_norm_(network.parameters(), clip or float("inf"))
        optimizer.step()
    if len(losses) < _LEAST_STEPS:
        raise DataError(
            f"the loss is no number after {len(losses)} steps with rates from {first:g}; begin "
            "lower (--from), or look for extreme labels"
        )
    return LearningRates(rates[: len(losses)], np.array(losses), np.array(smoothed))


def _whole_steps(experiment: Experiment) -> BatchConfig:
    """Return options of batches that are each what all ranks and micro-batches see in a step."""
    batch, trainer = experiment.batch, experiment.trainer
    budget = batch.budget
    if budget is not None:
        shares = batch.accumulate * trainer.devices * trainer.num_nodes
        limits = budget.model_dump(exclude_none=True)
        budget = BudgetConfig(**{name: limit * shares for name, limit in limits.items()})
    return batch.model_copy(update={"accumulate": 1, "budget": budget})


def _takes_gpu(experiment: Experiment) -> bool:
    return experiment.trainer.accelerator != "cpu" and torch.cuda.is_available()
