"""What a sweep folder holds beside the journal."""

import csv
import io
import json
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from graphium.config.differences import differing
from graphium.errors import DataError, UsageError
from graphium.store.files import create_once, write_atomic
from graphium.store.owner import machine_name
from graphium.studies.space import Space, shown

STATES: Mapping[TrialState, str] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "pruned",
    TrialState.FAIL: "failed",
    TrialState.RUNNING: "begun",
    TrialState.WAITING: "waiting",
}

RECORD = "sweep.json"
_MAX_SHOWN = 10


@dataclass(frozen=True, slots=True)
class SweepRecord:
    """What all processes of one sweep must agree on."""

    experiment: Mapping[str, Any]
    space: Mapping[str, Any]
    options: Mapping[str, Any]
    """Objective, pruner and seed."""

    def values(self) -> dict[str, Any]:
        """Return all of it as plain values."""
        return {
            "experiment": self.experiment,
            "space": dict(self.space),
            "options": self.options,
        }


def writer() -> str:
    """Return a name for temporary files that no other process has."""
    return f"{machine_name()}-{os.getpid()}"


def enter(folder: Path, record: SweepRecord, space_text: bytes) -> bool:
    """Begin a sweep in a folder, or join the one that is there; returns whether it is new.

    Raises:
        UsageError: The folder holds another sweep, or something else.
        DataError: What it says of its sweep is damaged.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / RECORD
    content = json.dumps(record.values(), indent=2)
    if not path.exists() and any(not one.name.startswith(".") for one in folder.iterdir()):
        raise UsageError(f"{folder} holds something else than a sweep; choose another --out")
    if create_once(path, content.encode(), writer()):
        create_once(folder / "space.yaml", space_text, writer())
        return True
    try:
        before = dict(json.loads(path.read_text()))
    except (ValueError, TypeError, RecursionError) as error:
        raise DataError(f"{path} is damaged: {error}. Begin anew in another folder") from error
    different = differing([before, json.loads(content)])
    if different:
        lines = [
            f"\n  {key}: {_or_absent(was)} there, {_or_absent(now)} here"
            for key, (was, now) in list(different.items())[:_MAX_SHOWN]
        ]
        more = len(different) - len(lines)
        rest = f"\n  and {more} more" if more > 0 else ""
        raise UsageError(
            f"{folder} holds another sweep; choose another --out, or begin as that one did. "
            f"What differs:{''.join(lines)}{rest}"
        )
    return False


def _or_absent(value: str | None) -> str:
    return "absent" if value is None else value


def trial_folder(folder: Path, number: int) -> Path:
    """Return the run directory of a trial."""
    return folder / "trials" / f"{number:04d}"


def write_csv(path: Path, trials: Sequence[FrozenTrial], space: Space) -> None:
    """Write one line for each trial that was begun."""
    keys = [dimension.key for dimension in space.dimensions]
    out = io.StringIO()
    table = csv.writer(out, lineterminator="\n")
    table.writerow(["trial", "state", "value", "best_epoch", "epochs", "seconds", *keys, "reason"])
    for trial in trials:
        if trial.state == TrialState.WAITING:
            continue
        is_done = trial.state == TrialState.COMPLETE
        params = [trial.params.get(key) for key in keys]
        table.writerow(
            [
                trial.number,
                STATES[trial.state],
                repr(trial.value) if is_done else "",
                trial.user_attrs.get("best_epoch", ""),
                trial.last_step or 0,
                "" if trial.duration is None else f"{trial.duration.total_seconds():.1f}",
                *("" if one is None else _exactly(one) for one in params),
                trial.user_attrs.get("reason", ""),
            ]
        )
    write_atomic(path, out.getvalue().encode(), writer())


def _exactly(value: int | float | str) -> str:
    return repr(value) if isinstance(value, float) else shown(value)


def write_best(folder: Path, number: int) -> None:
    """Write ``best.yaml``, the experiment of a trial, as ``graphium-train`` takes it."""
    config = trial_folder(folder, number) / "config.yaml"
    write_atomic(folder / "best.yaml", config.read_bytes(), writer())


def keep_best(folder: Path, trials: Sequence[FrozenTrial], best: FrozenTrial | None) -> None:
    """Remove checkpoints, predictions and tables of finished trials that are not the best.

    A trial that is not the best now never will be, so any process may do this at any time.
    """
    for trial in trials:
        if not trial.state.is_finished() or (best is not None and trial.number == best.number):
            continue
        for name in ("checkpoints", "predictions", "metrics"):
            path = trial_folder(folder, trial.number) / name
            if path.exists():
                shutil.rmtree(path, ignore_errors=True)  # another process may be at it
