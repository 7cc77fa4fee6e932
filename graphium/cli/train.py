"""``graphium-train``: prepare what is missing, train, report."""

import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from graphium.cli.common import guarded, signals_of
from graphium.cli.launch import launch
from graphium.cli.one_run import Job, conclude, run, run_as_rank
from graphium.cli.rank import dismiss, follow, leading, with_ranks
from graphium.cli.requeue import making_room
from graphium.cli.run_folder import (
    CONFIG,
    alone,
    check_same_experiment,
    has_begun,
    has_checkpoint,
    is_empty,
    is_finished,
    is_of_seeds,
    new_run_dir,
)
from graphium.config.dump import dump_yaml
from graphium.config.load import load_config
from graphium.errors import DataError, UsageError
from graphium.training.place import Place, find_place
from graphium.training.signals import StopSignals

if TYPE_CHECKING:
    from graphium.config.experiment import Experiment


@dataclass(frozen=True, slots=True)
class _Asked:
    """What the command line asks for."""

    experiment: Path | None
    overrides: list[str]
    seeds: int
    may_prepare: bool
    report: bool
    resume: Path | None
    run_dir: Path | None
    auto_resume: bool
    workers: int
    profile: bool


def train(
    context: typer.Context,
    experiment: Annotated[
        Path | None, typer.Argument(help="Experiment (YAML). Not needed with --resume.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Options as key=value: trainer.max_epochs=5"),
    ] = None,
    seeds: Annotated[
        int, typer.Option(min=1, help="Train this many times, from the experiment's seed upwards.")
    ] = 1,
    no_prepare: Annotated[
        bool, typer.Option("--no-prepare", help="Fail, with the command, if a store is missing.")
    ] = False,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Leave out baselines and report.html.")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="Go on with an interrupted run, from its last checkpoint.")
    ] = None,
    run_dir: Annotated[
        Path | None, typer.Option(help="Directory of the run; default runs/NAME/TIME.")
    ] = None,
    auto_resume: Annotated[
        bool,
        typer.Option(
            "--auto-resume",
            help="Go on with the run of --run-dir where it stands, or start it: for jobs that are "
            "put back into the queue.",
        ),
    ] = False,
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that prepare stores; 0 takes every core.")
    ] = 0,
    profile: Annotated[
        bool, typer.Option("--profile", help="Say where the time of a step goes; write a trace.")
    ] = False,
) -> None:
    """Prepare what is missing, train, evaluate and write the report of an experiment.

    On several machines, start it with torchrun or srun, once for each GPU. After SIGUSR1 or
    SIGTERM it finishes the step, keeps it, and ends with exit code 75; where it does not train, it
    ends at once. A job of SLURM that was sent SIGUSR1 goes back into the queue.
    """
    console = Console()
    asked = _Asked(
        experiment, overrides or [], seeds, not no_prepare, not no_report, resume, run_dir,
        auto_resume, workers, profile,
    )  # fmt: skip
    signals = signals_of(context)
    place = find_place(os.environ)
    if place is None:
        _start(asked, console, signals)
        return
    with signals.noted():
        if place.is_first:
            _lead(asked, console, place, signals)
        else:
            follow(place, signals)


def _lead(asked: _Asked, console: Console, place: Place, signals: StopSignals) -> None:
    """Be the first of the processes that torchrun or srun has started."""
    with leading(place, signals) as leader:
        with making_room(_how_to_start_again):
            job = _decide(asked, console, place)
        if job is None:
            dismiss(leader)
            return
        leader.order(job)
    run_as_rank(job, console, place, leader.store, signals)


def _how_to_start_again() -> str:
    return "what is prepared is kept; start the same command again"


def _start(asked: _Asked, console: Console, signals: StopSignals) -> None:
    """Run alone, or start the processes of this machine."""
    with making_room(_how_to_start_again):
        job = _decide(asked, console, None)
        if job is None:
            return
        if is_of_seeds(job.run_dir):
            _run_seeds(job.run_dir, console, signals, report=asked.report)
        elif job.experiment.trainer.devices == 1:
            run(job, console, signals)
        elif (code := launch(job)) != 0:
            sys.exit(code)


def _decide(asked: _Asked, console: Console, place: Place | None) -> Job | None:
    """Find out what to run, and prepare it.

    Args:
        asked: The command line.
        console: Where to say what is done.
        place: This process, if others wait for the decision.

    Returns:
        The job; None if it is done already.
    """
    if asked.profile and asked.seeds > 1:
        raise UsageError("--profile watches one run; leave out --seeds")
    if asked.resume is not None:
        if asked.seeds > 1:
            raise UsageError("--resume takes the seeds from the run; leave out --seeds")
        if asked.auto_resume or asked.run_dir is not None:
            raise UsageError("--resume names the run; leave out --run-dir and --auto-resume")
        if asked.experiment is not None:
            given = load_experiment(asked.experiment, asked.overrides)
            check_same_experiment(asked.resume, given)
        return _resume(asked.resume, asked, console, place)
    if asked.experiment is None:
        raise UsageError("give an experiment, for example: graphium-train expts/demo.yaml")
    if asked.auto_resume and asked.run_dir is None:
        raise UsageError("--auto-resume goes on with the run of --run-dir; give that, too")
    experiment = load_experiment(asked.experiment, asked.overrides, place)
    several = place is not None or experiment.trainer.devices * experiment.trainer.num_nodes > 1
    if asked.seeds > 1 and several:
        raise UsageError("--seeds trains on one device; on several, start a run for each seed")
    if asked.auto_resume and asked.run_dir is not None and has_begun(asked.run_dir):
        check_same_experiment(asked.run_dir, experiment)
        return _go_on(asked.run_dir, experiment, asked, console)
    return _begin(experiment, asked, console)


def _begin(experiment: "Experiment", asked: _Asked, console: Console) -> Job:
    """Make a new run directory."""
    _prepare(experiment, console, asked)
    if asked.auto_resume and asked.run_dir is not None and is_empty(asked.run_dir):
        asked.run_dir.rmdir()  # made by one that was killed before it had written anything
    directory = new_run_dir(experiment.name, asked.run_dir)
    for seed in range(experiment.seed, experiment.seed + asked.seeds) if asked.seeds > 1 else ():
        (directory / f"seed-{seed}").mkdir()
    (directory / CONFIG).write_text(dump_yaml(experiment))  # last: the run has begun
    return Job(experiment, directory, resume=False, report=asked.report, profile=asked.profile)


def _go_on(run_dir: Path, experiment: "Experiment", asked: _Asked, console: Console) -> Job | None:
    """Go on with a run wherever it stands."""
    with alone(run_dir):  # before anything is mended there
        pass
    resume = has_checkpoint(run_dir)
    job = Job(experiment, run_dir, resume, asked.report, asked.profile)
    if is_finished(run_dir):
        if asked.report and not is_of_seeds(run_dir) and not (run_dir / "report.html").exists():
            conclude(job, console)
        console.print(f"{run_dir} is finished", highlight=False, soft_wrap=True)
        return None
    _prepare(experiment, console, asked)
    if resume:
        _recover(run_dir, console)
    return job


def _run_seeds(directory: Path, console: Console, signals: StopSignals, *, report: bool) -> None:
    """Train every seed that is not finished, then say mean and spread."""
    experiment = load_config(directory / "config.yaml").experiment
    directories = sorted(directory.glob("seed-*"), key=lambda path: int(path.name[5:]))
    for one in directories:
        console.rule(one.name.replace("-", " "))
        if (one / "results.json").exists():
            console.print("finished before")
            continue
        seeded = experiment.model_copy(update={"seed": int(one.name[5:])})
        started = has_checkpoint(one)
        if started:
            _recover(one, console)
        run(Job(seeded, one, resume=started, report=report), console, signals)
    from graphium.apply.summary import summarize_seeds

    console.rule(f"{len(directories)} seeds")
    console.print(summarize_seeds(directory, directories))


def load_experiment(path: Path, overrides: list[str], place: Place | None = None) -> "Experiment":
    """Read the experiment; one that fine-tunes takes what it leaves out from the checkpoint.

    Args:
        path: The YAML file.
        overrides: Options as key=value.
        place: This process among those that were started; they are its devices.

    Raises:
        UsageError: It asks for other devices than were started.
    """
    loaded = load_config(path, overrides)
    experiment = loaded.experiment
    if experiment.finetune is not None:
        from graphium.training.finetune import inherit

        experiment = inherit(experiment, loaded.origins)
    if place is None:
        return experiment
    there = {"devices": place.local_size, "num_nodes": place.num_nodes}
    for name, number in there.items():
        wanted = getattr(experiment.trainer, name)
        if loaded.origins[f"trainer.{name}"] != "default" and wanted != number:
            raise UsageError(
                f"trainer.{name} is {wanted}, and {number} were started (torchrun or srun: "
                f"{place.num_nodes} machines with {place.local_size} processes each); leave it out"
            )
    return with_ranks(experiment, place)


def prepare_missing(
    experiment: "Experiment",
    console: Console,
    *,
    workers: int,
    may_prepare: bool,
    command: Sequence[str] = ("EXPERIMENT",),
) -> None:
    """Make the stores that are missing, once, before any rank starts.

    Args:
        experiment: What is to be run.
        console: Where to say what is made.
        workers: Processes; 0 takes one for each core.
        may_prepare: Else a missing store is an error.
        command: Words that name the experiment on the command line, for that error.

    Raises:
        DataError: A store is missing, and must not be made.
    """
    from graphium.store.prepare import cache_root, missing, prepare_experiment

    absent = missing(experiment, cache_root())
    if absent and not may_prepare:
        raise DataError(
            f"not prepared: {', '.join(absent)} (looked in {cache_root()}); prepare with "
            f"'{shlex.join(['graphium', 'data', 'prepare', *command])}', or leave out --no-prepare"
        )
    if absent:
        console.print(
            f"preparing {', '.join(absent)} in {cache_root()}", highlight=False, soft_wrap=True
        )
        prepare_experiment(experiment, cache_root(), workers=workers, progress=True)


def _prepare(experiment: "Experiment", console: Console, asked: _Asked) -> None:
    """Make sure that everything is there that the run needs.

    Raises:
        UsageError: It needs processes on other machines, which nobody has started.
    """
    if experiment.trainer.num_nodes > 1 and find_place(os.environ) is None:
        raise UsageError(
            f"trainer.num_nodes is {experiment.trainer.num_nodes}: start the command on every "
            "machine, with srun (graphium slurm writes the script) or torchrun"
        )
    named = [] if asked.experiment is None else [str(asked.experiment), *asked.overrides]
    prepare_missing(
        experiment,
        console,
        workers=asked.workers,
        may_prepare=asked.may_prepare,
        command=named or [str(asked.resume / CONFIG) if asked.resume else "EXPERIMENT"],
    )


def _recover(run_dir: Path, console: Console) -> None:
    """Go back to the newest whole checkpoint, if the last one is damaged, and say so."""
    from graphium.checkpoint.recover import recover

    for line in recover(run_dir / "checkpoints"):
        console.print(line, highlight=False, soft_wrap=True)


def _resume(run_dir: Path, asked: _Asked, console: Console, place: Place | None) -> Job:
    """Go on with an interrupted run, or with the seeds of one that are not finished."""
    if not is_of_seeds(run_dir) and not has_checkpoint(run_dir):
        last = run_dir / "checkpoints" / "last"
        raise UsageError(f"{run_dir} has no checkpoint to resume from (no {last})")
    if is_finished(run_dir):
        raise UsageError(f"{run_dir} is finished; train anew, or 'graphium report {run_dir}'")
    if place is not None and is_of_seeds(run_dir):
        raise UsageError(f"{run_dir} holds several seeds, which train on one device each")
    with alone(run_dir):  # before anything is mended there
        pass
    experiment = load_config(run_dir / CONFIG).experiment
    if place is not None:
        experiment = with_ranks(experiment, place)
    _prepare(experiment, console, asked)
    if has_checkpoint(run_dir):
        _recover(run_dir, console)
    return Job(experiment, run_dir, resume=True, report=asked.report, profile=asked.profile)


def main(arguments: list[str] | None = None, signals: StopSignals | None = None) -> Any:
    """Run ``graphium-train``."""
    app = typer.Typer(add_completion=False)
    app.command(name="graphium-train")(train)
    return guarded(app, sys.argv[1:] if arguments is None else arguments, signals=signals)


if __name__ == "__main__":  # torchrun -m graphium.cli.train
    main()
