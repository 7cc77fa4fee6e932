"""What a run leaves in its directory beside checkpoints, for people and for ``apply.report``."""

import csv
import hashlib
import importlib.metadata
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

import graphium
from graphium.batching.mix_data import Mix
from graphium.batching.opened import Opened
from graphium.batching.stream_mix import StreamedMix
from graphium.batching.task_data import TaskData
from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.load import read_model
from graphium.config.data import Part
from graphium.errors import DataError
from graphium.graphs.levels import PREDICTION_COLUMNS, place_columns
from graphium.training.kept_rows import TaskPredictions
from graphium.training.metrics import TaskMetrics


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write indented JSON, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(content, indent=2, allow_nan=False) + "\n")
    temporary.replace(path)


def environment() -> dict[str, Any]:
    """Return what the numbers of a run may depend on: versions, machine, command and commit."""
    packages = ("torch", "pytorch-lightning", "numpy", "scipy", "zarr", "rdkit", "safetensors")
    return {
        "graphium": graphium.__version__,
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in packages},
        "platform": platform.platform(),
        "processor": torch.backends.cpu.get_cpu_capability(),
        "cpus": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "gpus": [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())],
        "command": sys.argv,
        "commit": _commit(),
    }


def _version(package: str) -> str | None:
    """Return the version of a package; training does not need all of them installed."""
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Return the commit of the working directory, where it is a git repository."""
    try:
        done = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],  # noqa: S607  # the user's git
            capture_output=True,
            text=True,
            check=True,
            timeout=10,
        )
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip() or None


def check_same_data(run_dir: Path, record: ModelRecord, mix: Opened) -> None:
    """Make sure that a run goes on with the data it began with.

    Raises:
        DataError: Tasks, labels, their statistics or the division of the rows differ.
    """
    before, _ = read_model(run_dir / "checkpoints" / "last")
    path = run_dir / "splits.json"
    try:
        began = dict(json.loads(path.read_text()))
    except (OSError, ValueError, TypeError, RecursionError) as error:
        raise DataError(
            f"{path}, which says what the run began with, cannot be read: {error}. Copy it again "
            "from where it is whole, or start a new run"
        ) from error
    now = describe_data(mix)
    is_same = began.get("datasets") == now["datasets"]
    if "labels" in began:  # else of an earlier version
        is_same &= began["labels"] == now["labels"]
    is_same &= began.get("streamed") == now.get("streamed")
    if before.tasks != record.tasks or not is_same:
        raise DataError(
            f"the tables are not those that {run_dir} began with: their labels or the division "
            "into train, val and test differ. Bring the tables back, or start a new run"
        )


def describe_data(mix: Opened) -> dict[str, Any]:
    """Return what ``splits.json`` holds: parts, digests of the labels, and the report in lines.

    The rows of streamed data are too many to be listed: of them it holds counts and digests.
    """
    if isinstance(mix, StreamedMix):
        lines = mix.report.lines()
        return {"datasets": {}, "labels": {}, "streamed": mix.describe(), "report": lines}
    return {
        "datasets": mix.splits(),
        "labels": {name: _digest_labels(task) for name, task in mix.tasks.items()},
        "report": mix.report.lines(),
    }


def _digest_labels(task: TaskData) -> str:
    """Return the SHA-256 of the labels of a task, of their weights and of whose they are."""
    digest = hashlib.sha256()
    for array in (task.molecule, task.offset, *task.value_blocks(), task.weight):
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def write_duplicates(path: Path, mix: Mix) -> None:
    """List labels whose copies, in several rows of one molecule, contradict each other.

    Where there are none, nothing is written.
    """
    if not any(len(found.molecule) for found in mix.contradictions.values()):
        return
    smiles = mix.smiles()
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["smiles", "dataset", "task", "label", "place", "rows", "values", "used"])
        for name, found in mix.contradictions.items():
            spec = mix.tasks[name].spec
            for i in range(len(found.molecule)):
                copies = slice(found.offset[i], found.offset[i + 1])
                used = float(found.used[i])
                writer.writerow(
                    [
                        smiles[found.molecule[i]],
                        spec.dataset,
                        name,
                        spec.labels[found.column[i]],
                        "" if spec.level == "graph" else str(found.inner[i]),
                        " ".join(str(row) for row in found.row[copies]),
                        " ".join(f"{value:.7g}" for value in found.value[copies]),
                        "" if np.isnan(used) else f"{used:.7g}",
                    ]
                )


def write_predictions(
    path: Path, rows: TaskPredictions, smiles: Sequence[str], source_row: NDArray[np.int64]
) -> None:
    """Write one line for each labelled molecule, atom, bond or pair of atoms of one task.

    Args:
        path: The csv file.
        rows: What was predicted.
        smiles: [R] SMILES of the molecule of each row.
        source_row: [R] which row of its table it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(_header(rows))
        writer.writerows(_lines(rows, smiles, source_row))


def _header(rows: TaskPredictions) -> list[str]:
    spec = rows.spec
    header = [*PREDICTION_COLUMNS, *place_columns(spec.level)]
    for label in spec.labels:
        header += [label, f"{label}_predicted"]
        header += [f"{label}_p{c}" for c in range(spec.num_classes or 0)]
    return header


def _lines(
    rows: TaskPredictions, smiles: Sequence[str], source_row: NDArray[np.int64]
) -> Iterator[list[str]]:
    spec = rows.spec
    for i, text in enumerate(smiles):
        line = [text, spec.dataset, str(source_row[i])]
        place = {"begin": rows.ends[i, 0], "end": rows.ends[i, 1]}  # others count atoms or bonds
        line += [str(place.get(name, rows.inner[i])) for name in place_columns(spec.level)]
        for j in range(len(spec.labels)):
            label, predicted = rows.labels[i, j], rows.predictions[i, j]
            line.append("" if np.isnan(label) else f"{label:.7g}")
            if spec.num_classes:
                line.append(str(int(predicted.argmax())))
                line += [f"{p:.6g}" for p in predicted]
            else:
                line.append(f"{predicted:.7g}")
        yield line


def metrics_summary(
    metrics: Mapping[Part, Mapping[str, TaskMetrics]], mix: Opened
) -> dict[str, Any]:
    """Return the ``tasks`` part of ``results.json``.

    Args:
        metrics: Metrics of each task for each evaluated part.
        mix: The data, for the label counts.
    """
    tasks: dict[str, Any] = {}
    for spec in mix.specs:
        name = spec.name
        per_label: dict[str, dict[str, Any]] = {label: {} for label in spec.labels}
        entry: dict[str, Any] = {
            "level": spec.level,
            "loss": spec.loss,
            "unit": spec.unit,
            "labels": spec.labels,
            "class_names": spec.class_names,
            "coverage": mix.report.tasks[name].labels,
            "per_label": per_label,
            "defined": {part: of_task[name].defined for part, of_task in metrics.items()},
            "binned": {part: list(of_task[name].binned) for part, of_task in metrics.items()},
        }
        if spec.threshold_for is not None:
            entry["threshold_for"] = spec.threshold_for
        for part, of_task in metrics.items():
            entry[part] = of_task[name].task
            if spec.threshold_for is not None:
                entry["thresholds"] = of_task[name].thresholds
            for label, values in of_task[name].labels.items():
                per_label[label][part] = values
        tasks[name] = entry
    return tasks
