"""One run of one experiment: train, then report, as one process or as one of several ranks."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from graphium.cli.requeue import make_room, making_room
from graphium.cli.run_folder import alone, how_to_go_on, logged, remove_unbegun, wait_for_folder
from graphium.errors import GraphiumError, StoppedError, UsageError
from graphium.training.signals import StopSignals, ignore

if TYPE_CHECKING:
    from torch.distributed.distributed_c10d import Store

    from graphium.config.experiment import Experiment
    from graphium.training.place import Place
    from graphium.training.ranks import Ranks


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be run."""

    experiment: "Experiment"
    run_dir: Path
    """Exists; for this run alone."""
    resume: bool
    """Go on from the last checkpoint."""
    report: bool
    """Write baselines and ``report.html``."""
    profile: bool = False
    """Watch the first steps of the first rank (``training/profiling.py``)."""


def run(job: Job, console: Console, signals: StopSignals) -> None:
    """Run in this process; a directory in which nothing has begun is removed if that fails.

    Raises:
        KeyboardInterrupt: The user stopped the run; how to go on was said.
        SystemExit: A signal asked for the end; what is finished is kept.
        GraphiumError: The experiment cannot be run, or another process trains in the directory.
    """
    with alone(job.run_dir):
        try:
            with making_room(lambda: how_to_go_on(job.run_dir)):
                _train_and_report(job, console, None, signals)
        except (GraphiumError, KeyboardInterrupt, SystemExit):
            remove_unbegun(job.run_dir)
            raise


def run_as_rank(
    job: Job, console: Console, place: "Place", store: "Store", signals: StopSignals
) -> None:
    """Run as one of several processes; only the first one writes and speaks.

    Args:
        job: The same on all ranks.
        console: Where the first one speaks.
        place: This process among all.
        store: Where they have met.
        signals: Of this process; it must not end before all can.
    """
    from datetime import timedelta

    from graphium.training.hardware import accelerator
    from graphium.training.ranks import Ranks

    def tidy() -> None:
        if place.is_first:
            remove_unbegun(job.run_dir)

    config = job.experiment.trainer
    try:
        on_gpu = accelerator(config) == "gpu"
    except UsageError as error:
        tidy()
        if place.local_rank > 0:  # the first of each machine says it
            raise SystemExit(error.exit_code) from error
        raise
    store.set_timeout(timedelta(seconds=config.start_timeout))
    ranks = Ranks(place, store, config, on_gpu=on_gpu, tidy=tidy)
    with (
        making_room(lambda: how_to_go_on(job.run_dir)),  # the first rank, when it is alone again
        ranks.ending_together(lambda stop: make_room(stop, how_to_go_on(job.run_dir))),
        signals.at_once(),
    ):
        if not place.is_first:
            wait_for_folder(job.run_dir, place)
        with alone(job.run_dir) if place.is_first else nullcontext():
            _train_and_report(job, console, ranks, signals)


def _train_and_report(
    job: Job, console: Console, ranks: "Ranks | None", signals: StopSignals
) -> None:
    from graphium.store.prepare import cache_root
    from graphium.training.run import train

    is_first = ranks is None or ranks.place.is_first
    watchers = []
    if job.profile:
        from graphium.training.profiling import StepProfiler

        watchers.append(StepProfiler(job.run_dir, console if is_first else None, ranks))
    log = logged(job.run_dir / "log.txt") if is_first else nullcontext()
    with log:
        try:
            train(
                job.experiment,
                job.run_dir,
                store_root=cache_root(),
                resume=job.resume,
                console=console if is_first else None,
                watchers=watchers,
                ranks=ranks,
                asked=signals,
            )
        except StoppedError as stop:
            if ranks is None or not stop.is_agreed:
                raise
            if is_first:
                make_room(stop, how_to_go_on(job.run_dir))
            ranks.leave()  # none ends before the job is in the queue again
            raise SystemExit(stop.exit_code) from stop
        except KeyboardInterrupt:
            if is_first:
                console.print(how_to_go_on(job.run_dir), highlight=False, soft_wrap=True)
            raise
        if ranks is not None:
            if not is_first:
                ignore()  # it has nothing more to do
            ranks.leave()
        if is_first:
            conclude(job, console)


def conclude(job: Job, console: Console) -> None:
    """Write the page, and say the most important numbers and where the rest is."""
    if job.report:
        from graphium.apply.report import write_report

        write_report(job.run_dir, baselines=job.experiment.report.baselines)
    from graphium.apply.summary import summarize_run

    console.print(summarize_run(job.run_dir))
    name = "report.html" if job.report else "results.json"
    what = "report" if job.report else "results"
    console.print(f"{what}: {job.run_dir / name}", highlight=False, soft_wrap=True)
