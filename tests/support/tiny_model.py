"""A small untrained network with tasks of every level and kind, written as a checkpoint."""

from pathlib import Path

import torch

from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.save import write_checkpoint
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.nn.build import build_network

SPECS = [
    TaskSpec(
        name="energy",
        dataset="table",
        level="graph",
        labels=["expt", "calc"],
        loss="mae",
        metrics=["mae"],
        unit="kcal/mol",
        mean=[-3.8, 100.0],
        std=[2.0, 10.0],
    ),
    TaskSpec(
        name="toxicity",
        dataset="table",
        level="graph",
        labels=["active"],
        loss="bce",
        metrics=["auroc"],
    ),
    TaskSpec(
        name="named",
        dataset="table",
        level="graph",
        labels=["class"],
        loss="ce",
        num_classes=3,
        class_names=["low", "medium", "high"],
        metrics=["accuracy"],
    ),
    TaskSpec(
        name="numbered",
        dataset="table",
        level="graph",
        labels=["kind"],
        loss="ce",
        num_classes=2,
        metrics=["accuracy"],
    ),
    TaskSpec(
        name="charge",
        dataset="table",
        level="node",
        labels=["q"],
        loss="mae",
        metrics=["mae"],
        mean=[0.1],
        std=[0.5],
    ),
    TaskSpec(
        name="length",
        dataset="table",
        level="edge",
        labels=["d"],
        loss="mae",
        metrics=["mae"],
        mean=[1.4],
        std=[0.2],
    ),
    TaskSpec(
        name="apart",
        dataset="table",
        level="nodepair",
        labels=["r"],
        loss="mae",
        metrics=["mae"],
        mean=[3.0],
        std=[2.0],
    ),
]


def tiny_experiment() -> Experiment:
    tasks = {
        spec.name: {
            "dataset": spec.dataset,
            "level": spec.level,
            "labels": spec.labels,
            "loss": spec.loss,
            "num_classes": spec.num_classes,
        }
        for spec in SPECS
    }
    model = {"trunk": {"kind": "gine", "depth": 2, "width": 16}, "head": {"width": 8}}
    return Experiment.model_validate(
        {
            "name": "tiny",
            "datasets": {"table": {"table": "table.csv"}},
            "tasks": tasks,
            "model": model,
        }
    )


def write_tiny_model(path: Path) -> Path:
    """Write a checkpoint whose weights are drawn from a fixed seed; returns its path."""
    torch.set_num_threads(1)
    experiment = tiny_experiment()
    network = build_network(experiment.model, experiment.features, SPECS, seed=1)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"), tasks=SPECS, graphium_version="0.1.0"
    )
    write_checkpoint(path, record, network.state_dict())
    return path
