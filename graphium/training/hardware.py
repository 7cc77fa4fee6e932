"""Where an experiment computes, and whether this machine can."""

import os
from typing import Literal

import torch

from graphium.config.training import TrainerConfig
from graphium.errors import UsageError

_FEW = 4
"""CPU processes that may share a core, to try what several do."""


def accelerator(config: TrainerConfig) -> Literal["cpu", "gpu"]:
    """Return cpu or gpu; ``auto`` takes a CUDA GPU where there is one.

    Raises:
        UsageError: The machine has no such device, not as many, or none that computes in the
            precision that is asked for.
    """
    has_gpu = torch.cuda.is_available()
    if config.accelerator == "gpu" and not has_gpu:
        raise UsageError("trainer.accelerator is gpu, but torch sees no CUDA GPU; use cpu or auto")
    if config.accelerator == "cpu" or not has_gpu:
        _check_cpu(config)
        return "cpu"
    _check_gpus(config)
    return "gpu"


def _check_cpu(config: TrainerConfig) -> None:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    if cores is not None and config.devices > max(cores, _FEW):
        raise UsageError(
            f"trainer.devices is {config.devices}, but this program may use {cores} CPU core(s) "
            f"and torch sees no CUDA GPU to use; set trainer.devices={cores} or less"
        )
    if config.precision == "16-mixed":
        raise UsageError(
            "trainer.precision is 16-mixed, which CPUs do not compute in; use bf16-mixed or 32"
        )


def _check_gpus(config: TrainerConfig) -> None:
    count = torch.cuda.device_count()
    if config.devices > count:
        names = ", ".join(f"{i}: {torch.cuda.get_device_name(i)}" for i in range(count))
        raise UsageError(
            f"trainer.devices is {config.devices}, but torch sees {count} CUDA GPU(s) ({names}); "
            f"set trainer.devices={count} or less, or make more visible (CUDA_VISIBLE_DEVICES; "
            "in a job of SLURM --gpus-per-node, which all tasks see, not --gpus-per-task)"
        )
    if config.precision == "bf16-mixed" and not torch.cuda.is_bf16_supported(
        including_emulation=False
    ):
        raise UsageError(
            f"trainer.precision is bf16-mixed, which {torch.cuda.get_device_name(0)} does not "
            "compute in; use 16-mixed or 32"
        )
