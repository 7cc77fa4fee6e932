"""AdamW and the learning rate as a function of the step."""

import math
from collections.abc import Callable

import torch
from torch import nn

from graphium.config.training import OptimizerConfig


def build_optimizer(
    network: nn.Module,
    config: OptimizerConfig,
    *,
    is_frozen_first: Callable[[str], bool],
    fused: bool = True,
) -> torch.optim.AdamW:
    """Return AdamW over all parameters, in up to four groups.

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
    groups: dict[tuple[bool, bool], list[nn.Parameter]] = {}
    for name, parameter in network.named_parameters():
        groups.setdefault((is_frozen_first(name), parameter.ndim >= 2), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "weight_decay": config.weight_decay if decayed else 0.0,
                "frozen_first": frozen,
            }
            for (frozen, decayed), parameters in groups.items()
        ],
        lr=config.lr,
        fused=fused,
    )


def learning_rate_factor(
    config: OptimizerConfig, *, warmup_steps: int, total_steps: int
) -> Callable[[int], float]:
    """Return the learning rate as a share of ``lr`` for each step 0, 1, ...

    Linear rise over the warm-up (never 0: step 0 already learns), then cosine
    (Loshchilov and Hutter 2017, arXiv:1608.03983), linear or no decay to ``final_lr_fraction``.
    """
    final = config.final_lr_fraction

    def factor(step: int) -> float:
        if step < warmup_steps:
            return (step + 1) / (warmup_steps + 1)
        done = min(1.0, (step - warmup_steps) / max(1, total_steps - warmup_steps))
        match config.schedule:
            case "constant":
                return 1.0
            case "linear":
                return 1 - (1 - final) * done
            case "cosine":
                return final + (1 - final) * (1 + math.cos(math.pi * done)) / 2

    return factor


def build_schedule(
    optimizer: torch.optim.AdamW,
    config: OptimizerConfig,
    *,
    steps_per_epoch: int,
    max_epochs: int,
    freeze_epochs: int = 0,
) -> torch.optim.lr_scheduler.LambdaLR:
    """Return the schedule by step; groups that are frozen first stay at 0 for ``freeze_epochs``.

    A learning rate of 0, rather than ``requires_grad = False``, keeps the set of parameters that
    take part in a backward pass the same in every step, which DDP relies on.
    """
    factor = learning_rate_factor(
        config,
        warmup_steps=round(config.warmup_epochs * steps_per_epoch),
        total_steps=max_epochs * steps_per_epoch,
    )
    frozen_steps = freeze_epochs * steps_per_epoch

    def later(step: int) -> float:
        return 0.0 if step < frozen_steps else factor(step)

    factors = [later if group["frozen_first"] else factor for group in optimizer.param_groups]
    return torch.optim.lr_scheduler.LambdaLR(optimizer, factors)
