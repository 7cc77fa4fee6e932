"""The directory of a run: made once, found again, never written into by another run."""

import itertools
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from graphium.config.dump import differ
from graphium.config.load import load_config
from graphium.errors import UsageError

if TYPE_CHECKING:
    from graphium.config.experiment import Experiment

CONFIG = "config.yaml"
"""The experiment, in full."""
_MAY_DIFFER = ("trainer.devices", "trainer.num_nodes", "trainer.timeout", "trainer.start_timeout")
"""Options of the place where a run goes on."""


def new_run_dir(name: str, chosen: Path | None) -> Path:
    """Make the directory of a run; an existing one is never written into.

    Args:
        name: Of the experiment.
        chosen: Where the user wants it; None makes ``runs/NAME/TIME``.

    Raises:
        UsageError: The chosen one exists.
    """
    if chosen is None:
        base = Path(os.environ.get("GRAPHIUM_RUNS_DIR", "runs")) / name
        return _make_timed(base)
    try:
        chosen.mkdir(parents=True)
    except FileExistsError:
        raise UsageError(
            f"{chosen} exists and is not overwritten; choose another --run-dir, or go on with "
            f"it: graphium-train --resume {chosen}"
        ) from None
    return chosen


def _make_timed(base: Path) -> Path:
    """Make a directory named after the time; runs that start in one second get a number."""
    time = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for number in itertools.count(1):
        directory = base / (time if number == 1 else f"{time}_{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        return directory
    raise AssertionError("unreachable: itertools.count does not end")


def has_begun(run_dir: Path) -> bool:
    """Whether there is a run in a directory, however far it has come."""
    return (run_dir / CONFIG).exists()


def is_empty(run_dir: Path) -> bool:
    """Whether a directory exists with nothing in it."""
    return run_dir.is_dir() and not any(run_dir.iterdir())


def is_finished(run_dir: Path) -> bool:
    """Whether a run, or all seeds of one, have their results."""
    return (run_dir / "results.json").exists() or (run_dir / "seeds.json").exists()


def is_of_seeds(run_dir: Path) -> bool:
    """Whether a directory holds one run for each of several seeds."""
    return any(run_dir.glob("seed-*"))


def has_checkpoint(run_dir: Path) -> bool:
    """Whether there is something to go on from."""
    return (run_dir / "checkpoints" / "last").is_symlink()


def check_same_experiment(run_dir: Path, given: "Experiment") -> None:
    """Make sure that an experiment is the one of a run that is resumed; on other devices it may.

    Raises:
        UsageError: It is not; the message says what differs.
    """
    path = run_dir / CONFIG
    if not path.exists():
        raise UsageError(f"{run_dir} is no run directory (it has no {CONFIG})")
    began = load_config(path).experiment
    differences = [
        f"\n  {key} is {there} in the run and {here} now"
        for key, there, here in differ(began, given)
        if key not in _MAY_DIFFER
    ]
    if differences:
        raise UsageError(
            f"{run_dir} is a run of another experiment; resume it with --resume alone, or start a "
            f"new run:{''.join(differences)}"
        )


def remove_unbegun(run_dir: Path) -> None:
    """Remove the directory of a run that failed before its data were open; not that of a seed."""
    names = {path.name for path in run_dir.iterdir()}
    if names <= {CONFIG, "log.txt"} and not run_dir.name.startswith("seed-"):
        for name in names:
            (run_dir / name).unlink()
        run_dir.rmdir()


def how_to_go_on(run_dir: Path) -> str:
    """Return the command for what is missing after a run was interrupted."""
    if run_dir.name.startswith("seed-"):
        return f"interrupted; go on with: graphium-train --resume {run_dir.parent}"
    if (run_dir / "results.json").exists():
        return f"interrupted; the model is trained; write its page with: graphium report {run_dir}"
    if not has_checkpoint(run_dir):
        return "interrupted before the first checkpoint; there is nothing to resume"
    return f"interrupted; go on with: graphium-train --resume {run_dir}"


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Write what graphium logs into a file, too."""
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("graphium")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    try:
        yield
    finally:
        logger.removeHandler(handler)
        handler.close()
