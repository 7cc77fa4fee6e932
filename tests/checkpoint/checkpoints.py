"""Small checkpoints for tests."""

from pathlib import Path
from typing import Any

import torch

from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.save import write_checkpoint
from graphium.config.tasks import TaskSpec

RECORD = ModelRecord(
    experiment={"name": "small", "model": {"trunk": {"kind": "gine"}}},
    tasks=[
        TaskSpec(
            name="solubility",
            dataset="d",
            level="graph",
            labels=["SOL"],
            loss="mae",
            metrics=["mae"],
            unit="log mol/L",
            mean=[-3.1],
            std=[0.1 + 0.2],
        )
    ],
    graphium_version="0.1.0",
)


def small_weights(seed: int = 0) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {
        "trunk.weight": torch.randn(3, 4, generator=generator),
        "trunk.epsilon": torch.tensor(0.5, dtype=torch.float64),
        "heads.bias": torch.zeros(0),
    }


def small_training() -> dict[str, Any]:
    return {
        "epoch": 3,
        "optimizer_states": [{"state": {0: {"step": torch.tensor(7.0)}}, "betas": (0.9, 0.999)}],
        "best": float("inf"),
    }


def write_small(path: Path, seed: int = 0) -> Path:
    write_checkpoint(path, RECORD, small_weights(seed), small_training())
    return path
