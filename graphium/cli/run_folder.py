"""The directory of a run: made once, found again, never written into by another run."""

import fcntl
import itertools
import logging
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from graphium.config.dump import differ, spelled
from graphium.config.load import load_config
from graphium.errors import GraphiumError, UsageError
from graphium.training.place import Place, describe_host

if TYPE_CHECKING:
    from graphium.config.experiment import Experiment

_LOG = logging.getLogger(__name__)

CONFIG = "config.yaml"
"""The experiment, in full."""
_BEFORE_THE_FIRST_STEP = {
    CONFIG, "log.txt", "environment.json", "splits.json", "duplicates.csv", "metrics.csv"
}  # fmt: skip
"""What a run writes before it makes the folder of its checkpoints."""
_MAY_DIFFER = (
    "trainer.devices", "trainer.num_nodes", "trainer.parallel", "trainer.timeout",
    "trainer.start_timeout",
)  # fmt: skip
"""Options of the place where a run goes on."""
_FOLDER_SECONDS = 30.0
"""For a folder to be seen by another machine."""


def new_run_dir(name: str, chosen: Path | None) -> Path:
    """Make the directory of a run; an existing one is never written into.

    Args:
        name: Of the experiment.
        chosen: Where the user wants it; None makes ``runs/NAME/TIME``.

    Raises:
        UsageError: The chosen one exists, or none can be made there.
    """
    if chosen is None:
        base = Path(os.environ.get("GRAPHIUM_RUNS_DIR", "runs")) / name
        return _make_timed(base)
    try:
        chosen.mkdir(parents=True)
    except FileExistsError:
        if has_begun(chosen) and not has_checkpoint(chosen) and not is_of_seeds(chosen):
            go_on = "it has no checkpoint yet, so remove it, or start it again with --auto-resume"
        else:
            go_on = f"or go on with it: graphium-train --resume {chosen}"
        raise UsageError(
            f"{chosen} exists and is not overwritten; choose another --run-dir, {go_on}"
        ) from None
    except OSError as error:
        raise _not_there(chosen, error) from error
    return chosen


def _make_timed(base: Path) -> Path:
    """Make a directory named after the time; runs that start in one second get a number."""
    now = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    for number in itertools.count(1):
        directory = base / (now if number == 1 else f"{now}_{number}")
        try:
            directory.mkdir(parents=True)
        except FileExistsError:
            continue
        except OSError as error:
            raise _not_there(directory, error) from error
        return directory
    raise AssertionError("unreachable: itertools.count does not end")


def _not_there(directory: Path, error: OSError) -> UsageError:
    return UsageError(
        f"{directory} cannot be made ({error.strerror}); choose another place with --run-dir, or "
        "with the environment variable GRAPHIUM_RUNS_DIR"
    )


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
        f"\n  {key} is {spelled(there)} in the run and {spelled(here)} now"
        for key, there, here in differ(began, given)
        if key not in _MAY_DIFFER
    ]
    if differences:
        raise UsageError(
            f"{run_dir} is a run of another experiment; resume it with --resume alone, or start a "
            f"new run:{''.join(differences)}"
        )


@contextmanager
def alone(run_dir: Path) -> Iterator[None]:
    """Let no other process train in a directory while the body runs; the end of this one frees it.

    Raises:
        UsageError: Another process does.
    """
    handle = os.open(run_dir, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UsageError(
                f"another process is at work in {run_dir} (see its log.txt); wait for its end, or "
                "choose another --run-dir"
            ) from error
        except OSError:  # a file system without locks: nothing is known
            _LOG.debug("%s cannot be locked", run_dir)
        yield
    finally:
        os.close(handle)


def remove_unbegun(run_dir: Path) -> None:
    """Remove the directory of a run that ended before its first step; not that of a seed.

    So the same command can be given again. It goes as a whole: another thread may be writing.
    """
    with suppress(OSError):
        names = {path.name for path in run_dir.iterdir()}
        if names <= _BEFORE_THE_FIRST_STEP and not run_dir.name.startswith("seed-"):
            aside = run_dir.with_name(f".{run_dir.name}.{secrets.token_hex(4)}.tmp")
            shutil.rmtree(run_dir.rename(aside))


def wait_for_folder(run_dir: Path, place: Place) -> None:
    """Wait until this machine sees the directory of a run that the first rank has made.

    Raises:
        GraphiumError: It does not.
    """
    deadline = time.monotonic() + _FOLDER_SECONDS
    while not has_begun(run_dir):
        if time.monotonic() > deadline:
            raise GraphiumError(
                f"rank {place.rank} on {describe_host()} does not see {run_dir}, which rank 0 has "
                "made; put runs on a file system that all machines share (GRAPHIUM_RUNS_DIR, "
                "--run-dir)"
            )
        time.sleep(0.5)


def how_to_go_on(run_dir: Path) -> str:
    """Return the command for what is missing after a run was interrupted."""
    if run_dir.name.startswith("seed-"):
        return f"interrupted; go on with: graphium-train --resume {run_dir.parent}"
    if (run_dir / "results.json").exists():
        return f"interrupted; the model is trained; write its page with: graphium report {run_dir}"
    if not has_checkpoint(run_dir):
        return "interrupted before the first checkpoint; start the same command again"
    return f"interrupted; go on with: graphium-train --resume {run_dir}"


@contextmanager
def logged(path: Path) -> Iterator[None]:
    """Write what graphium logs into a file, too, and its warnings on the terminal."""
    in_file, warned = logging.FileHandler(path), logging.StreamHandler()
    in_file.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    warned.setFormatter(logging.Formatter("warning: %(message)s"))
    warned.setLevel(logging.WARNING)
    logger = logging.getLogger("graphium")
    logger.setLevel(logging.INFO)
    handlers = (in_file, warned)
    for handler in handlers:
        logger.addHandler(handler)
    try:
        yield
    finally:
        for handler in handlers:
            logger.removeHandler(handler)
        in_file.close()
