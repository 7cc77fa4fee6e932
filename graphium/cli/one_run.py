"""One run of one experiment: train, then report, as one process or as one of several ranks."""

from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from graphium.cli.requeue import requeue
from graphium.cli.run_folder import how_to_go_on, logged, remove_unbegun
from graphium.errors import GraphiumError, StoppedError

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


def run(job: Job, console: Console) -> None:
    """Run in this process.

    Raises:
        KeyboardInterrupt: The user stopped the run; how to go on was said.
        StoppedError: A signal asked for the end; the last step is kept.
        GraphiumError: The experiment cannot be run; a directory in which nothing began is removed.
    """
    try:
        _train_and_report(job, console, None)
    except GraphiumError:
        remove_unbegun(job.run_dir)
        raise


def run_as_rank(job: Job, console: Console, place: "Place", store: "Store") -> None:
    """Run as one of several processes; only the first one writes and speaks.

    Args:
        job: The same on all ranks.
        console: Where the first one speaks.
        place: This process among all.
        store: Where they have met.
    """
    from datetime import timedelta

    from graphium.training.hardware import accelerator
    from graphium.training.ranks import Ranks

    config = job.experiment.trainer
    on_gpu = accelerator(config) == "gpu"
    store.set_timeout(timedelta(seconds=config.start_timeout))
    ranks = Ranks(place, store, config, on_gpu=on_gpu)
    with ranks.ending_together():
        _train_and_report(job, console, ranks)


def _train_and_report(job: Job, console: Console, ranks: "Ranks | None") -> None:
    from graphium.store.prepare import cache_root
    from graphium.training.preemption import stop_signals
    from graphium.training.run import train

    is_first = ranks is None or ranks.place.is_first
    watchers = []
    if job.profile and is_first:
        from graphium.training.profiling import StepProfiler

        watchers.append(StepProfiler(job.run_dir, console))
    log = logged(job.run_dir / "log.txt") if is_first else nullcontext()
    with log, stop_signals() as asked:
        try:
            train(
                job.experiment,
                job.run_dir,
                store_root=cache_root(),
                resume=job.resume,
                console=console if is_first else None,
                watchers=watchers,
                ranks=ranks,
                asked=asked,
            )
        except StoppedError as stop:
            if is_first:
                _make_room(stop, job.run_dir, console)
            if ranks is not None:
                ranks.leave()  # none ends before the job is in the queue again
            if not is_first:
                raise SystemExit(stop.exit_code) from stop  # one message is enough
            raise
        except KeyboardInterrupt:
            if is_first:
                console.print(how_to_go_on(job.run_dir), highlight=False, soft_wrap=True)
            raise
        if ranks is not None:
            ranks.leave()
        if is_first:
            conclude(job, console)


def _make_room(stop: StoppedError, run_dir: Path, console: Console) -> None:
    """Let the scheduler start the job again, or say how a person does."""
    came_back = requeue() if stop.requeue else None
    if came_back is None or not came_back.done:
        console.print(how_to_go_on(run_dir), highlight=False, soft_wrap=True)
    if came_back is not None:
        console.print(came_back.message, highlight=False, soft_wrap=True)


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
