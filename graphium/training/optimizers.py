"""The optimiser, and the learning rate as a function of the step."""

import math
import re
from collections.abc import Callable
from typing import Any, assert_never

import torch
from torch import nn
from torch.optim.lr_scheduler import LambdaLR

from graphium.config.optimizers import (
    ONE_CYCLE_RISE,
    SINGLE_RISE,
    AdamWConfig,
    MuonConfig,
    OptimizerConfig,
    PlateauConfig,
    SgdConfig,
)
from graphium.training.muon import MuonWithAdamW

_ONE_CYCLE_START = 1 / 25
"""First learning rate of ``one-cycle`` as a share of the highest."""


def build_optimizer(
    network: nn.Module,
    config: OptimizerConfig,
    *,
    is_frozen_first: Callable[[str], bool],
    fused: bool = True,
) -> torch.optim.Optimizer:
    """Return the optimiser over all parameters, in groups.

    Only matrices are decayed: biases, norms and scalars are not (Loshchilov and Hutter 2019,
    arXiv:1711.05101, decay; common practice for the exceptions).

    Args:
        network: What learns.
        config: The ``optimizer`` section.
        is_frozen_first: Whether a parameter, by name, waits during ``finetune.freeze_epochs``;
            its group is marked so that the schedule can hold it at 0.
        fused: One kernel for all parameters. Not with a gradient scaler (``16-mixed``): a fused
            optimiser undoes the scale itself, after the gradient was clipped.
    """
    shares = layer_shares(network, config.layer_decay)
    groups: dict[tuple[bool, bool, float, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        is_hidden = name.startswith("trunk.") and parameter.ndim == 2
        key = (is_frozen_first(name), parameter.ndim >= 2, shares[name], is_hidden)
        if not isinstance(config, MuonConfig):
            key = (*key[:3], False)
        groups.setdefault(key, []).append(parameter)
    of_hidden: dict[bool, list[dict[str, Any]]] = {True: [], False: []}
    for (frozen, decayed, share, is_hidden), parameters in groups.items():
        of_hidden[is_hidden].append(
            {
                "params": parameters,
                "lr": config.lr * share,
                "weight_decay": config.weight_decay if decayed else 0.0,
                "frozen_first": frozen,
            }
        )
    hidden, rest = of_hidden[True], of_hidden[False]
    match config:
        case AdamWConfig():
            return torch.optim.AdamW(rest, lr=config.lr, betas=config.betas, fused=fused)
        case SgdConfig(momentum=momentum, nesterov=nesterov):
            return torch.optim.SGD(
                rest, lr=config.lr, momentum=momentum, nesterov=nesterov, fused=fused
            )
        case MuonConfig():
            return MuonWithAdamW(
                hidden, rest, momentum=config.momentum, betas=config.betas, fused=fused
            )
        case _:
            assert_never(config)


def layer_shares(network: nn.Module, decay: float) -> dict[str, float]:
    """Return the learning rate of each parameter as a share of ``lr``.

    Heads have all of it, and what stands behind the blocks of the trunk too; each block has
    ``decay`` times the share of the one above it, encoders that of a block below the first
    (Howard and Ruder 2018, arXiv:1801.06146).
    """
    blocks = {
        name: int(found[1])
        for name, _ in network.named_parameters()
        if (found := re.match(r"trunk\.blocks\.(\d+)\.", name))
    }
    depth = 1 + max(blocks.values(), default=-1)

    def below(name: str) -> int:
        if name in blocks:
            return depth - blocks[name]
        return depth + 1 if name.startswith("encoders.") else 0

    return {name: decay ** below(name) for name, _ in network.named_parameters()}


class Plateau:
    """Lowers the learning rate where the validation loss no longer falls.

    Args:
        config: When, and by how much.
    """

    def __init__(self, config: PlateauConfig) -> None:
        self._config = config
        self.scale = 1.0
        """Share of the learning rate that is left."""
        self._best: float | None = None
        self._waited = 0

    def observe(self, loss: float) -> None:
        """Take note of the loss of one validation."""
        if self._best is None or loss < self._best - self._config.min_delta:
            self._best, self._waited = loss, 0
            return
        self._waited += 1
        if self._waited > self._config.patience:
            self.scale *= self._config.factor
            self._waited = 0

    def state_dict(self) -> dict[str, Any]:
        """Return what a resumed run goes on with."""
        return {"scale": self.scale, "best": self._best, "waited": self._waited}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from ``state_dict``."""
        self.scale, self._best, self._waited = state["scale"], state["best"], state["waited"]


def warmup_steps(config: OptimizerConfig, steps_per_epoch: int, total_steps: int) -> int:
    """Return the number of steps in which the learning rate rises."""
    if config.warmup_epochs is not None:
        return round(config.warmup_epochs * steps_per_epoch)
    if _is_one_cycle(config):
        return round(ONE_CYCLE_RISE * total_steps)
    return steps_per_epoch if steps_per_epoch < total_steps else round(SINGLE_RISE * total_steps)


def learning_rate_factor(
    config: OptimizerConfig,
    *,
    warmup_steps: int,
    total_steps: int,
    plateau: Plateau | None = None,
) -> Callable[[int], float]:
    """Return the learning rate as a share of ``lr`` for each step 0, 1, ...

    It rises over the warm-up (never from 0: step 0 already learns), linearly, or for ``one-cycle``
    (Smith 2018, arXiv:1803.09820) by half a cosine. Then follows a cosine (Loshchilov and Hutter
    2017, arXiv:1608.03983), a line, or what ``plateau`` has come to.
    """
    final = config.final_lr_fraction

    def cosine(start: float, end: float, done: float) -> float:
        return end + (start - end) * (1 + math.cos(math.pi * done)) / 2

    def factor(step: int) -> float:
        if step < warmup_steps:
            if _is_one_cycle(config):
                return cosine(_ONE_CYCLE_START, 1.0, step / warmup_steps)
            return (step + 1) / (warmup_steps + 1)
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        match config.schedule:
            case "constant":
                return 1.0
            case "linear":
                return 1 - (1 - final) * done
            case "cosine" | "one-cycle":
                return cosine(1.0, final, done)
            case "plateau":
                return max(final, 1.0 if plateau is None else plateau.scale)
            case _:
                assert_never(config.schedule)

    return factor


def _is_one_cycle(config: OptimizerConfig) -> bool:
    return config.schedule == "one-cycle"


def build_schedule(
    optimizer: torch.optim.Optimizer,
    config: OptimizerConfig,
    *,
    steps_per_epoch: int,
    max_epochs: int,
    freeze_epochs: int = 0,
    plateau: Plateau | None = None,
) -> LambdaLR:
    """Return the schedule by step; groups that are frozen first stay at 0 for ``freeze_epochs``.

    A learning rate of 0, rather than ``requires_grad = False``, keeps the set of parameters that
    take part in a backward pass the same in every step, which DDP relies on.

    Args:
        optimizer: What ``build_optimizer`` made.
        config: The ``optimizer`` section.
        steps_per_epoch: Optimiser steps of one epoch.
        max_epochs: Epochs of the whole training.
        freeze_epochs: Epochs in which marked groups wait.
        plateau: Knows the validation losses, for ``schedule: plateau``.
    """
    total_steps = max_epochs * steps_per_epoch
    factor = learning_rate_factor(
        config,
        warmup_steps=warmup_steps(config, steps_per_epoch, total_steps),
        total_steps=total_steps,
        plateau=plateau,
    )
    frozen_steps = freeze_epochs * steps_per_epoch

    def later(step: int) -> float:
        return 0.0 if step < frozen_steps else factor(step)

    factors = [later if group["frozen_first"] else factor for group in optimizer.param_groups]
    return LambdaLR(optimizer, factors)


def follow_plateau(schedule: LambdaLR) -> None:
    """Let what was just validated decide the rate of the next step already.

    The schedule has set that rate after the step before, so before the validation.
    """
    groups = schedule.optimizer.param_groups
    for group, rate, factor in zip(groups, schedule.base_lrs, schedule.lr_lambdas, strict=True):
        group["lr"] = rate * factor(schedule.last_epoch)
