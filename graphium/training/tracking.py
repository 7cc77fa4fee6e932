"""Where the numbers of a run go: a csv file always, Weights & Biases when asked."""

import csv
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from graphium.config.training import WandbConfig


class Entry(NamedTuple):
    """One number of one epoch; empty task and label mean the whole experiment or task."""

    epoch: int
    """Epochs done, from 1."""
    step: int
    """Optimiser steps done."""
    part: str
    """train, val or test."""
    task: str
    label: str
    metric: str
    value: float | None
    """None where the metric is not defined."""


class Tracker(Protocol):
    """Something that keeps the numbers of a run."""

    def log(self, entries: Iterable[Entry]) -> None:
        """Keep the numbers of one epoch."""

    def close(self) -> None:
        """Write what is still in memory."""


class CsvTracker:
    """Appends to ``metrics.csv``, one number a line.

    Args:
        path: The file; lines after ``step`` are dropped, so that a resumed run, which comes
            to these steps again, leaves each line once.
        step: Optimiser steps done before this process.
    """

    def __init__(self, path: Path, step: int) -> None:
        kept: list[list[str]] = []
        if path.exists():
            with path.open(newline="") as file:
                rows = list(csv.reader(file))[1:]
            kept = [row for row in rows if len(row) == len(Entry._fields) and int(row[1]) <= step]
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([list(Entry._fields), *kept])
        self._path = path

    def log(self, entries: Iterable[Entry]) -> None:
        """Append and flush."""
        with self._path.open("a", newline="") as file:
            for entry in entries:
                value = "" if entry.value is None else f"{entry.value:.9g}"
                csv.writer(file).writerow([*entry[:-1], value])

    def close(self) -> None:
        """Do nothing: every line is on disk."""


class WandbTracker:
    """Sends totals and task metrics to Weights & Biases, and each label's when there are few."""

    def __init__(
        self, config: WandbConfig, run_dir: Path, name: str, experiment: Mapping[str, Any]
    ) -> None:
        import wandb  # only here: a run without it does not need it installed

        id_file = run_dir / "wandb.json"
        run_id = json.loads(id_file.read_text())["id"] if id_file.exists() else None
        self._run = wandb.init(
            project=config.project,
            entity=config.entity,
            mode=config.mode,
            name=name,
            dir=str(run_dir),
            config=dict(experiment),
            id=run_id,
            resume="allow" if run_id else None,
        )
        id_file.write_text(json.dumps({"id": self._run.id}))

    def log(self, entries: Iterable[Entry]) -> None:
        """Send one epoch, with the optimiser step as its axis."""
        by_step: dict[int, dict[str, float]] = {}
        for entry in entries:
            if entry.value is not None:
                path = "/".join(p for p in (entry.part, entry.task, entry.label, entry.metric) if p)
                by_step.setdefault(entry.step, {"epoch": entry.epoch})[path] = entry.value
        for step, values in by_step.items():
            self._run.log(values, step=step)

    def close(self) -> None:
        """Finish the run."""
        self._run.finish()
