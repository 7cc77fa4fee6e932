"""A run directory as ``training/run.py`` leaves it, made without training anything."""

import csv
import itertools
import json
from pathlib import Path

import numpy as np

from graphium.graphs.levels import PREDICTION_COLUMNS, place_columns

SMILES = ["CCO", "CC(=O)O", "c1ccccc1", "CCN", "CC(C)O", "OCC=O", "c1ccncc1", "CCCl", "C1CCCCC1O"]
NUM_ATOMS = [3, 4, 6, 3, 4, 4, 6, 3, 7]
BONDS = {"CCO": [(0, 1), (1, 2)], "CC(=O)O": [(0, 1), (1, 2), (1, 3)], "CCN": [(0, 1), (1, 2)]}
CLASSES = ["low", "medium", "high <b>"]

CONFIG = """
name: fabricated
seed: 7
datasets:
  alcohols: {table: alcohols.csv, categories: {class: [low, medium, high <b>]}}
tasks:
  energy: {dataset: alcohols, labels: [expt], loss: mae, unit: kcal/mol}
  toxicity: {dataset: alcohols, labels: [NR-AR, SR-p53], loss: bce}
  solubility: {dataset: alcohols, labels: [class], loss: ce}
  charge: {dataset: alcohols, level: node, labels: [q], loss: mae, unit: e}
  length: {dataset: alcohols, level: edge, labels: [d], loss: mae, unit: angstrom}
  apart: {dataset: alcohols, level: nodepair, labels: [r], loss: mae, unit: angstrom}
trainer: {max_epochs: 3}
report: {worst: 4}
"""

UNITS = {"energy": "kcal/mol", "charge": "e", "length": "angstrom", "apart": "angstrom"}
LABELS = {
    "energy": ["expt"],
    "toxicity": ["NR-AR", "SR-p53"],
    "solubility": ["class"],
    "charge": ["q"],
    "length": ["d"],
    "apart": ["r"],
}
LEVELS = {"charge": "node", "length": "edge", "apart": "nodepair"}
LOSSES = {"toxicity": "bce", "solubility": "ce"}
METRICS = {
    "mae": {"mae": 0.41, "rmse": 0.62, "r2": 0.9},
    "bce": {"auroc": 0.8, "ap": 0.4, "accuracy": 0.9},
    "ce": {"accuracy": 0.7, "auroc": None},
}


def fabricate_run(path: Path, *, rows: int = 60, has_val: bool = True) -> Path:
    """Write a run directory with six tasks of every level and kind; returns it."""
    random = np.random.default_rng(0)
    path.mkdir(parents=True)
    (path / "config.yaml").write_text(CONFIG)
    parts = ["val", "test"] if has_val else ["test"]
    tasks = {}
    for task, labels in LABELS.items():
        metrics = METRICS[LOSSES.get(task, "mae")]
        tasks[task] = {
            "level": LEVELS.get(task, "graph"),
            "loss": LOSSES.get(task, "mae"),
            "unit": UNITS.get(task),
            "labels": labels,
            "class_names": CLASSES if task == "solubility" else None,
            "coverage": {p: dict.fromkeys(labels, 10) for p in ("train", "val", "test")},
            "per_label": {label: dict.fromkeys(parts, metrics) for label in labels},
            **dict.fromkeys(parts, metrics),
        }
        for part in parts:
            _write_predictions(path / "predictions" / part / f"{task}.csv", task, rows, random)
    results = {
        "name": "fabricated",
        "seed": 7,
        "epochs": 3,
        "best_epoch": 2,
        "parameters": 123456,
        "wall_seconds": 83.2,
        "train_seconds": 70.0,
        "molecules_per_second": 1234.5,
        "molecules": {"train": 80, "val": 10 * has_val, "test": 10},
        "tasks": tasks,
    }
    _dump(path / "results.json", results)
    report = ["4 molecules are in two datasets", "toxicity: no <positive> label in val"]
    _dump(path / "splits.json", {"report": report})
    _dump(path / "environment.json", {"graphium": "0.1.0", "packages": {"torch": "2"}, "gpus": []})
    _write_history(path / "metrics.csv", has_val=has_val)
    return path


def fabricate_baselines(path: Path, *, mean: float = 1.5, forest: float = 0.3) -> None:
    """Add ``baselines.json`` for the task ``energy``."""

    def rival(value: float) -> dict:
        metrics = {"mae": value, "rmse": value, "r2": None}
        return {
            "method": "a method",
            "val": metrics,
            "test": metrics,
            "per_label": {"expt": {"val": metrics, "test": metrics}},
        }

    tasks = {"energy": {"mean": rival(mean), "forest": rival(forest)}}
    _dump(path / "baselines.json", {"key": "0" * 64, "tasks": tasks})


def _dump(path: Path, content: dict) -> None:
    path.write_text(json.dumps(content))


def _write_history(path: Path, *, has_val: bool) -> None:
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["epoch", "step", "part", "task", "label", "metric", "value"])
        for epoch in (1, 2, 3):
            for part in ("train", "val") if has_val else ("train",):
                for task in ("", *LABELS):
                    writer.writerow([epoch, epoch * 5, part, task, "", "loss", 1 / epoch])
            writer.writerow([epoch, epoch * 5, "train", "", "", "lr", 1e-3])
            writer.writerow([epoch, epoch * 5, "val", "energy", "", "r2", ""])


def _write_predictions(path: Path, task: str, rows: int, random: np.random.Generator) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    level = LEVELS.get(task, "graph")
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        columns = [c for label in LABELS[task] for c in (label, f"{label}_predicted")]
        classes = [f"class_p{c}" for c in range(3)] if task == "solubility" else []
        writer.writerow([*PREDICTION_COLUMNS, *place_columns(level), *columns, *classes])
        for row in range(rows):
            smiles = SMILES[row % len(SMILES)]
            size = NUM_ATOMS[row % len(SMILES)]
            places = {
                "graph": [[]],
                "node": [[atom] for atom in range(size)],
                "nodepair": [list(pair) for pair in itertools.combinations(range(size), 2)],
                "edge": [[i, *ends] for i, ends in enumerate(BONDS.get(smiles, []))],
            }[level]
            for place in places:
                writer.writerow([smiles, "alcohols", row, *place, *_cells(task, row, random)])


def _cells(task: str, row: int, random: np.random.Generator) -> list:
    if task == "toxicity":
        first = "" if row % 4 == 0 else row % 2
        return [first, round(random.random(), 4), row % 3 % 2, round(random.random(), 4)]
    if task == "solubility":
        p = random.dirichlet([1, 1, 1])
        return [row % 3, int(p.argmax()), *p.round(5)]
    measured = random.normal()
    return [round(measured, 4), round(measured + 0.4 * random.normal(), 4)]
