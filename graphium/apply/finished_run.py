"""What a finished run left in its directory, read back for summaries and reports.

``training/run.py`` writes these files and ``apply/baselines.py`` adds ``baselines.json``. Reading
needs neither the stores nor torch.
"""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeVar

import pandas as pd
from pydantic import BaseModel, ValidationError

from graphium.config.data import Level, Part
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.config.tasks import Loss
from graphium.errors import DataError

_T = TypeVar("_T", list[Any], dict[str, Any])

Metrics = dict[str, float | None]
"""Value by metric name; None where the metric is not defined."""

Rival = Literal["mean", "forest"]
"""A baseline: see ``apply/baselines.py``."""


class TaskResult(BaseModel):
    """One task of ``results.json``."""

    level: Level
    loss: Loss
    unit: str | None = None
    labels: list[str]
    class_names: list[str] | None = None
    coverage: dict[Part, dict[str, int]]
    val: Metrics = {}
    test: Metrics = {}
    per_label: dict[str, dict[Part, Metrics]] = {}
    defined: dict[Part, dict[str, int]] = {}
    """Labels for which each metric is defined."""
    binned: dict[Part, list[str]] = {}
    """Metrics that were computed from histograms."""
    threshold_for: str | None = None
    """What the thresholds of 0/1 labels were chosen for on val."""

    def count(self, part: Part) -> int:
        """Return the number of known labels, all columns together."""
        return sum(self.coverage.get(part, {}).values())

    def metrics(self, part: Part) -> Metrics:
        """Return the metrics of val or test."""
        return self.val if part == "val" else self.test


class Results(BaseModel):
    """``results.json``."""

    name: str
    seed: int
    epochs: int
    best_epoch: int | None = None
    parameters: int
    wall_seconds: float
    train_seconds: float | None = None
    molecules_per_second: float
    waiting_share: float | None = None
    peak_memory_mb: float | None = None
    gpu_peak_memory_mb: float | None = None
    molecules: dict[Part, int]
    rows_left_out: dict[Part, dict[str, tuple[int, int]]] = {}
    """Rows in ``predictions/`` and rows in all, of tasks with too many to write."""
    tasks: dict[str, TaskResult]


class RivalResult(BaseModel):
    """What one baseline reached on one task."""

    method: str
    """What it is, in words, with every cap that was applied."""
    val: Metrics = {}
    test: Metrics = {}
    per_label: dict[str, dict[Part, Metrics]] = {}
    seconds: float = 0.0

    def metrics(self, part: Part) -> Metrics:
        """Return the metrics of val or test."""
        return self.val if part == "val" else self.test


class Baselines(BaseModel):
    """``baselines.json``."""

    key: str
    """Changes with the data, the split, the tasks and the method."""
    tasks: dict[str, dict[Rival, RivalResult]]


@dataclass(frozen=True, slots=True)
class FinishedRun:
    """The files of one run."""

    path: Path
    """Directory of the run."""
    results: Results
    """Metrics, counts, times."""
    baselines: Baselines | None
    """None where they were not computed."""

    def experiment(self) -> Experiment:
        """Return the experiment as it was run."""
        return load_config(self.path / "config.yaml").experiment

    def config_text(self) -> str:
        """Return the resolved experiment as YAML, or nothing where it is absent."""
        path = self.path / "config.yaml"
        return path.read_text(encoding="utf-8") if path.is_file() else ""

    def environment(self) -> dict[str, Any]:
        """Return versions, machine and commit; empty where they were not recorded."""
        return _read_json(self.path / "environment.json")

    def split_lines(self) -> list[str]:
        """Return what the mix reported about joins, splits and labels."""
        return [str(line) for line in self._of_splits("report", list)]

    def parts(self) -> dict[str, dict[Part, list[int]]]:
        """Return the rows of each part of each dataset; empty where they were not recorded."""
        return self._of_splits("datasets", dict)

    def streamed_parts(self) -> dict[str, str]:
        """Return a digest of who is in which part of each dataset of a run that was streamed."""
        streamed = self._of_splits("streamed", dict)
        try:
            return {name: str(one["parts_sha256"]) for name, one in streamed.items()}
        except (KeyError, TypeError) as error:
            raise _damaged(self.path / "splits.json", "streamed lacks digests") from error

    def _of_splits(self, key: str, kind: type[_T]) -> _T:
        """Return one entry of ``splits.json``; an empty one where it is absent."""
        path = self.path / "splits.json"
        found = _read_json(path).get(key)
        if found is None:
            return kind()
        if not isinstance(found, kind):
            raise _damaged(path, f"{key} is {type(found).__name__}, not {kind.__name__}")
        return found

    def history(self) -> pd.DataFrame:
        """Return ``metrics.csv``: epoch, step, part, task, label, metric, value."""
        columns = ["epoch", "step", "part", "task", "label", "metric", "value"]
        path = self.path / "metrics.csv"
        if not path.is_file():
            return pd.DataFrame(columns=columns)
        text = dict.fromkeys(("part", "task", "label", "metric"), str)
        with _reading(path):
            table = pd.read_csv(path, dtype=text, keep_default_na=False, na_values={"value": [""]})
            return table[columns].astype({"epoch": "float64", "value": "float64"})

    def predictions(self, part: Part, task: str) -> pd.DataFrame | None:
        """Return one line for each labelled row of a task; None where nothing was written.

        Cells without a label are NaN.
        """
        path = self.path / "predictions" / part / f"{task}.csv"
        if not path.is_file():
            return None
        with _reading(path):
            table = pd.read_csv(path, dtype={"smiles": str, "dataset": str})
        return table if len(table) else None

    def classes(self, part: Part, task: str) -> pd.DataFrame | None:
        """Return precision, recall and f1 of each class; None where nothing was written."""
        path = self.path / "metrics" / part / f"{task}_classes.csv"
        if not path.is_file():
            return None
        with _reading(path):
            return pd.read_csv(path, dtype={"label": str, "name": str})


def read_run(run_dir: Path) -> FinishedRun:
    """Read a run directory.

    Raises:
        DataError: If this is not the directory of a finished run, or a file of it is damaged.
    """
    path = run_dir / "results.json"
    if not path.is_file():
        raise DataError(
            f"{run_dir} is not the directory of a finished run: it has no results.json. "
            f"{_remedy(run_dir)}"
        )
    try:
        results = Results.model_validate_json(path.read_bytes())
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        raise _damaged(path, f"{where}: {first['msg']}" if where else first["msg"]) from error
    return FinishedRun(run_dir, results, _read_baselines(run_dir / "baselines.json"))


def _remedy(run_dir: Path) -> str:
    if not run_dir.is_dir():
        return "There is no such folder."
    finished = sorted(run_dir.glob("*/results.json")) + sorted(run_dir.glob("*/*/results.json"))
    if finished:
        return f"Did you mean {finished[-1].parent}?"
    if (run_dir / "checkpoints" / "last").exists():
        return f"It was interrupted; finish it with: graphium-train --resume {run_dir}"
    if (run_dir / "config.yaml").exists():
        return f"It failed or was ended before its first checkpoint ({run_dir / 'log.txt'})."
    return "Give the directory that graphium-train printed (runs/NAME/TIME)."


def _read_baselines(path: Path) -> Baselines | None:
    """Baselines of another version are computed again, not an error."""
    try:
        return Baselines.model_validate_json(path.read_bytes())
    except (FileNotFoundError, ValidationError):
        return None


def _read_json(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise _damaged(path, str(error)) from error
    if not isinstance(content, dict):
        raise _damaged(path, f"it is {type(content).__name__}, not an object of names and values")
    return content


@contextmanager
def _reading(path: Path) -> Iterator[None]:
    """Say which table is damaged."""
    try:
        yield
    except (ValueError, OverflowError, KeyError) as error:  # pandas' own are ValueErrors
        raise _damaged(path, str(error).splitlines()[0]) from error


def _damaged(path: Path, problem: str) -> DataError:
    return DataError(
        f"{path} is damaged: {problem}. Copy it again from where it is whole, or train again."
    )
