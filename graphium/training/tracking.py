"""Where the numbers of a run go: a csv file always, Weights & Biases when asked."""

import csv
import json
import logging
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

from graphium.config.training import WandbConfig
from graphium.training.run_files import write_json

log = logging.getLogger("graphium")

MAX_LABELS = 40
"""Labels of a task beyond which Weights & Biases gets the task's metrics alone, as it does of a
single label; ``metrics.csv`` has those of each."""

_INPUTS = ("config.yaml", "splits.json", "environment.json", "results.json")
"""Files of a run that become an artifact."""


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
        temporary = path.with_suffix(".tmp")
        with temporary.open("w", newline="") as file:
            csv.writer(file).writerows([list(Entry._fields), *kept])
        temporary.replace(path)  # at once: a kill here must not cost the epochs before
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
    """Sends totals and task metrics to Weights & Biases, and each label's when there are few.

    Where the server cannot be reached, or nobody has logged in, the run is kept offline and goes
    on. At its end, its experiment, splits and results become one artifact, its best checkpoint
    another.

    Args:
        config: The ``wandb`` section.
        run_dir: The run; wandb keeps its files there.
        name: Name of the run.
        experiment: All options.
    """

    def __init__(
        self, config: WandbConfig, run_dir: Path, name: str, experiment: Mapping[str, Any]
    ) -> None:
        import wandb  # only here: a run without it does not need it installed

        self._run_dir = run_dir
        self._keeps_model = config.upload_checkpoint
        id_file = run_dir / "wandb.json"
        run_id = json.loads(id_file.read_text())["id"] if id_file.exists() else None

        def start(mode: Literal["online", "offline"]) -> Any:
            return wandb.init(
                project=config.project,
                entity=config.entity,
                mode=mode,
                name=name,
                dir=str(run_dir),
                config=dict(experiment),
                id=run_id,
                resume="allow" if run_id else None,
                settings=wandb.Settings(init_timeout=config.timeout),
            )

        try:
            self._run = start(config.mode)
        except (wandb.errors.CommError, wandb.errors.UsageError, OSError) as error:
            if config.mode == "offline":
                raise
            wandb.teardown()
            log.warning(
                "Weights & Biases cannot be used (%s); the run goes on, and is kept offline: "
                "`wandb sync %s` uploads it later",
                str(error).splitlines()[0] if str(error) else type(error).__name__,
                run_dir / "wandb" / "offline-run-*",
            )
            self._run = start("offline")
        write_json(id_file, {"id": self._run.id})

    def log(self, entries: Iterable[Entry]) -> None:
        """Send one epoch, with the optimiser step as its axis."""
        entries = list(entries)
        labels = {entry.task: set[str]() for entry in entries}
        for entry in entries:
            labels[entry.task].update({entry.label} - {""})
        by_step: dict[int, dict[str, float]] = {}
        for entry in entries:
            is_shown = not entry.label or 1 < len(labels[entry.task]) <= MAX_LABELS
            if is_shown and entry.value is not None:
                path = "/".join(p for p in (entry.part, entry.task, entry.label, entry.metric) if p)
                by_step.setdefault(entry.step, {"epoch": entry.epoch})[path] = entry.value
        for step, values in by_step.items():
            self._run.log(values, step=step)

    def close(self) -> None:
        """Keep the run's files as artifacts, and finish it."""
        files = [self._run_dir / name for name in _INPUTS if (self._run_dir / name).exists()]
        self._keep("run", files)
        best = self._run_dir / "checkpoints" / "best"
        if self._keeps_model and best.exists():
            self._keep("model", sorted(best.resolve().iterdir()))
        self._run.finish()

    def _keep(self, kind: str, files: Sequence[Path]) -> None:
        import wandb

        if files:
            artifact = wandb.Artifact(f"{self._run.id}-{kind}", type=kind)
            for file in files:  # not copied: `wandb sync` looks for them later, from any folder
                artifact.add_file(str(file.resolve()), name=file.name, policy="immutable")
            self._run.log_artifact(artifact)
