"""``graphium-train``: prepare what is missing, train, report."""

import itertools
import logging
import os
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from graphium.cli.common import guarded
from graphium.config.dump import differ, dump_yaml
from graphium.config.load import load_config
from graphium.errors import DataError, UsageError

if TYPE_CHECKING:
    from graphium.config.experiment import Experiment

RUN_DIR_VARIABLE = "GRAPHIUM_RUN_DIR"
"""Tells the other ranks of one run which directory the first one made."""


def train(
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
    workers: Annotated[
        int, typer.Option(min=0, help="Processes that prepare stores; 0 takes every core.")
    ] = 0,
) -> None:
    """Prepare what is missing, train, evaluate and write the report of an experiment."""
    console = Console()
    _refuse_launchers()
    if resume is not None:
        if seeds > 1:
            raise UsageError("--resume takes the seeds from the run; leave out --seeds")
        if experiment is not None:
            _refuse_another(load_experiment(experiment, overrides or []), resume)
        _resume(resume, console, report=not no_report)
        return
    if experiment is None:
        raise UsageError("give an experiment, for example: graphium-train expts/demo.yaml")
    loaded = load_experiment(experiment, overrides or [])
    if seeds > 1 and loaded.trainer.devices > 1:
        raise UsageError("--seeds trains on one device; on several, start a run for each seed")
    prepare_missing(loaded, console, workers=workers, may_prepare=not no_prepare)
    directory = _new_run_dir(loaded.name, run_dir)
    if seeds == 1:
        _run(loaded, directory, console, report=not no_report)
        return
    (directory / "config.yaml").write_text(dump_yaml(loaded))
    for seed in range(loaded.seed, loaded.seed + seeds):
        (directory / f"seed-{seed}").mkdir()
    _run_seeds(directory, console, report=not no_report)


def _run_seeds(directory: Path, console: Console, *, report: bool) -> None:
    """Train every seed that is not finished, then say mean and spread."""
    experiment = load_config(directory / "config.yaml").experiment
    directories = sorted(directory.glob("seed-*"), key=lambda path: int(path.name[5:]))
    for one in directories:
        console.rule(one.name.replace("-", " "))
        if (one / "results.json").exists():
            console.print("finished before")
            continue
        seeded = experiment.model_copy(update={"seed": int(one.name[5:])})
        started = (one / "checkpoints" / "last").is_symlink()
        if started:
            _recover(one, console)
        _run(seeded, one, console, report=report, resume=started)
    from graphium.apply.summary import summarize_seeds

    console.rule(f"{len(directories)} seeds")
    console.print(summarize_seeds(directory, directories))


def _is_other_rank() -> bool:
    """Whether the first rank of a run has started this process."""
    return RUN_DIR_VARIABLE in os.environ and os.environ.get("LOCAL_RANK", "0") != "0"


def _refuse_launchers() -> None:
    """Say what cannot work yet: each process would prepare stores and make a run of its own.

    Raises:
        UsageError: The command was started by torchrun, or by srun with several tasks.
    """
    by_torchrun = "TORCHELASTIC_RUN_ID" in os.environ
    by_srun = "SLURM_PROCID" in os.environ and int(os.environ.get("SLURM_NTASKS", "1")) > 1
    if by_torchrun or by_srun:
        raise UsageError(
            "start graphium-train once, without torchrun and as one task of srun: it starts "
            "trainer.devices processes on this machine itself; several machines are not supported"
        )


def load_experiment(path: Path, overrides: list[str]) -> "Experiment":
    """Read the experiment; one that fine-tunes takes what it leaves out from the checkpoint."""
    loaded = load_config(path, overrides)
    if loaded.experiment.finetune is None:
        return loaded.experiment
    from graphium.training.finetune import inherit

    return inherit(loaded.experiment, loaded.origins)


def prepare_missing(
    experiment: "Experiment", console: Console, *, workers: int, may_prepare: bool
) -> None:
    """Make the stores that are missing, once, before any rank starts."""
    from graphium.store.prepare import cache_root, missing, prepare_experiment

    if _is_other_rank():  # the first one has prepared
        return
    absent = missing(experiment, cache_root())
    if absent and not may_prepare:
        raise DataError(
            f"not prepared: {', '.join(absent)} (looked in {cache_root()}); prepare with "
            f"'graphium data prepare EXPERIMENT', or leave out --no-prepare"
        )
    if absent:
        console.print(
            f"preparing {', '.join(absent)} in {cache_root()}", highlight=False, soft_wrap=True
        )
        prepare_experiment(experiment, cache_root(), workers=workers, progress=True)


def _new_run_dir(name: str, chosen: Path | None) -> Path:
    """Make the directory of a run; an existing one is never written into."""
    if _is_other_rank():
        return Path(os.environ[RUN_DIR_VARIABLE])
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


def _run(
    experiment: "Experiment", run_dir: Path, console: Console, *, report: bool, resume: bool = False
) -> None:
    """Train one seed, then write its report."""
    from graphium.store.prepare import cache_root
    from graphium.training.ranks import leave_ranks
    from graphium.training.run import train as train_run

    handler = _log_to(run_dir / "log.txt")
    if not _is_other_rank():
        os.environ[RUN_DIR_VARIABLE] = str(run_dir)
    try:
        train_run(
            experiment,
            run_dir,
            store_root=cache_root(),
            resume=resume,
            console=None if _is_other_rank() else console,
        )
        leave_ranks()
        if not _is_other_rank():
            _report(experiment, run_dir, console, report=report)
    except KeyboardInterrupt:
        console.print(_how_to_go_on(run_dir), highlight=False, soft_wrap=True)
        raise
    finally:
        logging.getLogger("graphium").removeHandler(handler)
        handler.close()


def _how_to_go_on(run_dir: Path) -> str:
    if run_dir.name.startswith("seed-"):
        return f"interrupted; go on with: graphium-train --resume {run_dir.parent}"
    if (run_dir / "results.json").exists():
        return f"interrupted; the model is trained; write its page with: graphium report {run_dir}"
    if not (run_dir / "checkpoints" / "last").exists():
        return "interrupted before the first checkpoint; there is nothing to resume"
    return f"interrupted; go on with: graphium-train --resume {run_dir}"


def _report(experiment: "Experiment", run_dir: Path, console: Console, *, report: bool) -> None:
    """Write the page, and say the most important numbers and where the rest is."""
    if report:
        from graphium.apply.report import write_report

        write_report(run_dir, baselines=experiment.report.baselines)
    from graphium.apply.summary import summarize_run

    console.print(summarize_run(run_dir))
    name = "report.html" if report else "results.json"
    what = "report" if report else "results"
    console.print(f"{what}: {run_dir / name}", highlight=False, soft_wrap=True)


def _resume(run_dir: Path, console: Console, *, report: bool) -> None:
    """Go on with an interrupted run, or with the seeds of one that are not finished."""
    is_of_seeds = any(run_dir.glob("seed-*"))
    last = run_dir / "checkpoints" / "last"
    if not is_of_seeds and not last.is_symlink():
        raise UsageError(f"{run_dir} has no checkpoint to resume from (no {last})")
    if (run_dir / "results.json").exists() or (run_dir / "seeds.json").exists():
        raise UsageError(f"{run_dir} is finished; train anew, or 'graphium report {run_dir}'")
    experiment = load_config(run_dir / "config.yaml").experiment
    prepare_missing(experiment, console, workers=0, may_prepare=True)
    if is_of_seeds:
        _run_seeds(run_dir, console, report=report)
    else:
        _recover(run_dir, console)
        _run(experiment, run_dir, console, report=report, resume=True)


def _recover(run_dir: Path, console: Console) -> None:
    """Go back to the newest whole checkpoint, if the last one is damaged, and say so."""
    if _is_other_rank():
        return
    from graphium.checkpoint.recover import recover

    for line in recover(run_dir / "checkpoints"):
        console.print(line, highlight=False, soft_wrap=True)


def _refuse_another(given: "Experiment", run_dir: Path) -> None:
    """Make sure that an experiment is the one of a run that is resumed.

    Raises:
        UsageError: It is not; the message says what differs.
    """
    path = run_dir / "config.yaml"
    if not path.exists():
        raise UsageError(f"{run_dir} is no run directory (it has no config.yaml)")
    began = load_config(path).experiment
    differences = [
        f"\n  {key} is {there} in the run and {here} now"
        for key, there, here in differ(began, given)
    ]
    if differences:
        raise UsageError(
            f"{run_dir} is a run of another experiment; resume it with --resume alone, or start a "
            f"new run:{''.join(differences)}"
        )


def _log_to(path: Path) -> logging.Handler:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    logger = logging.getLogger("graphium")
    logger.setLevel(logging.INFO)
    logger.addHandler(handler)
    return handler


def main(arguments: list[str] | None = None) -> Any:
    """Run ``graphium-train``."""
    app = typer.Typer(add_completion=False)
    app.command(name="graphium-train")(train)
    return guarded(app, sys.argv[1:] if arguments is None else arguments)
