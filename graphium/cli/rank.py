"""How the processes of one run agree on what to do: the first one decides, the others follow.

``python -m graphium.cli.rank RUN_DIR`` is one rank of a run whose folder was made before
(``launch.py`` starts them). Ranks that torchrun or srun has started run ``graphium-train`` itself.
"""

import json
import os
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer
from rich.console import Console

from graphium.cli.common import guarded, signals_of
from graphium.cli.one_run import Job, run_as_rank
from graphium.cli.run_folder import CONFIG
from graphium.config.experiment import Experiment
from graphium.config.load import load_config
from graphium.errors import GraphiumError, UsageError
from graphium.training.place import Place, find_place
from graphium.training.signals import StopSignals

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

_ORDER = "graphium/order"
_HEARD = "graphium/heard"
_MEETING_SECONDS = 1800.0
"""Until all ranks have started: importing from a busy file system takes minutes."""
_PREPARING_SECONDS = 7 * 24 * 3600.0
"""For the first one to prepare stores; if it dies, its connection closes."""
_LAST_WORDS = 5.0
"""Seconds for the others to hear that the first one has failed."""


@dataclass(frozen=True, slots=True)
class Leader:
    """The first rank, before all know what to do."""

    place: Place
    store: "Store"

    def tell(self, order: dict[str, Any]) -> None:
        """Tell all ranks what to do."""
        self.store.set(_ORDER, json.dumps(order))

    def order(self, job: Job) -> None:
        """Let all ranks take part in a run."""
        experiment = job.experiment.model_dump(mode="json")
        run_dir = str(job.run_dir.resolve())
        self.tell(
            {
                "experiment": experiment,
                "run_dir": run_dir,
                "resume": job.resume,
                "profile": job.profile,
            }
        )


@contextmanager
def leading(place: Place, signals: StopSignals) -> Iterator[Leader]:
    """Meet the other ranks; if the body fails before they have their order, they end, too.

    Args:
        place: This rank, the first.
        signals: Of this process, which only notes them: the others must hear that it ends.
    """
    from graphium.training.ranks import meet

    leader = Leader(place, meet(place, _MEETING_SECONDS))
    try:
        with signals.at_once():
            yield leader
    except BaseException as error:
        leader.tell({"end": _exit_code(error)})
        _wait_for_listeners(leader)
        raise


def _exit_code(error: BaseException) -> int:
    if isinstance(error, SystemExit) and isinstance(error.code, int):
        return error.code
    return error.exit_code if isinstance(error, GraphiumError) else 1


def _wait_for_listeners(leader: Leader) -> None:
    """Keep what the others read until they have."""
    deadline = time.monotonic() + _LAST_WORDS
    while time.monotonic() < deadline:
        if leader.store.add(_HEARD, 0) == leader.place.world_size - 1:
            return
        time.sleep(0.05)


def dismiss(leader: Leader) -> None:
    """Tell the others that there is nothing for them to do."""
    leader.tell({"end": 0})
    _wait_for_listeners(leader)


def follow(place: Place, signals: StopSignals) -> None:
    """Do what the first rank says.

    Args:
        place: This rank.
        signals: Of this process, which only notes them: the first rank decides, as long as there is
            no run.

    Raises:
        GraphiumError: The first rank has died.
        SystemExit: There is nothing to do, or it has failed and said why.
    """
    from datetime import timedelta

    from graphium.training.ranks import meet

    store = meet(place, _MEETING_SECONDS)
    store.set_timeout(timedelta(seconds=_PREPARING_SECONDS))
    try:
        order = json.loads(store.get(_ORDER))
        store.add(_HEARD, 1)
    except RuntimeError as error:  # its connection was closed
        raise GraphiumError(
            f"rank {place.rank} of {place.world_size}: rank 0 has ended before the run began"
        ) from error
    if "end" in order:
        raise SystemExit(order["end"])
    experiment = Experiment.model_validate(order["experiment"])
    run_dir, resume, profile = Path(order["run_dir"]), order["resume"], order["profile"]
    job = Job(experiment, run_dir, resume, report=False, profile=profile)
    run_as_rank(job, Console(), place, store, signals)


def with_ranks(experiment: Experiment, place: Place) -> Experiment:
    """Return an experiment whose devices are the ranks that there are."""
    there = {"devices": place.local_size, "num_nodes": place.num_nodes}
    trainer = experiment.trainer.model_copy(update=there)
    return experiment.model_copy(update={"trainer": trainer})


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, and nobody is left to tell."""
    parent = os.getppid()

    def look() -> None:
        while os.getppid() == parent:
            time.sleep(1)
        os._exit(1)

    threading.Thread(target=look, name="parent-watch", daemon=True).start()


app = typer.Typer(add_completion=False)


@app.command()
def rank(
    context: typer.Context,
    run_dir: Path,
    resume: Annotated[bool, typer.Option("--resume")] = False,
    report: Annotated[bool, typer.Option("--report")] = False,
    profile: Annotated[bool, typer.Option("--profile")] = False,
) -> None:
    """Be one rank of a run whose folder was made before; the environment says which."""
    from graphium.training.ranks import meet

    _end_with_parent()
    place = find_place(os.environ)
    if place is None:
        raise UsageError("the environment does not say which rank this is")
    experiment = with_ranks(load_config(run_dir / CONFIG).experiment, place)
    job = Job(experiment, run_dir, resume, report, profile)
    store = meet(place, job.experiment.trainer.start_timeout)
    run_as_rank(job, Console(), place, store, signals_of(context))


def main(arguments: list[str]) -> NoReturn:
    """Be a rank that the command has started; it notes signals until all have met."""
    signals = StopSignals()
    with signals.answered():
        guarded(app, arguments, signals=signals)


if __name__ == "__main__":
    main(sys.argv[1:])
