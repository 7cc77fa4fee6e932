"""``graphium sweep``: search for the best options of an experiment."""

import os
import time
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from graphium.cli.common import signals_of
from graphium.cli.requeue import making_room
from graphium.cli.train import load_experiment, prepare_missing
from graphium.errors import GraphiumError, StoppedError, UsageError

if TYPE_CHECKING:
    from graphium.config.experiment import Experiment
    from graphium.studies.sweep import Sweep


def sweep(
    context: typer.Context,
    experiment: Annotated[Path, typer.Argument(help="Experiment (YAML).")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="Options of all trials as key=value.")
    ] = None,
    space: Annotated[
        Path | None, typer.Option(help="What to try (YAML): key: [choices] or {low:, high:}.")
    ] = None,
    trials: Annotated[
        int, typer.Option(min=1, help="Trials in total, over all processes and calls.")
    ] = 20,
    timeout: Annotated[
        float | None,
        typer.Option(min=1, metavar="SECONDS", help="End between epochs after so much time."),
    ] = None,
    metric: Annotated[
        str | None,
        typer.Option(metavar="TASK/METRIC", help="Choose by a metric of val, not by the loss."),
    ] = None,
    direction: Annotated[
        Literal["minimize", "maximize"] | None,
        typer.Option(help="Which metric is good; by default, as errors and scores are."),
    ] = None,
    pruner: Annotated[
        Literal["median", "hyperband", "none"], typer.Option(help="End bad trials early.")
    ] = "median",
    seed: Annotated[int, typer.Option(min=0, help="Seed of the sampled values.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the sweep; default runs/NAME/sweep.")
    ] = None,
    test: Annotated[
        bool, typer.Option("--test", help="At the end, test the model of the best trial.")
    ] = False,
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Leave trials that other processes hold to them.")
    ] = False,
) -> None:
    """Search for the best options of an experiment, with any number of processes at once.

    Start the same command as often as you like, on machines that share the folder; start it again
    to go on. Trials are chosen by the val part alone.
    """
    if space is None:
        raise UsageError("say what to try: graphium sweep EXPERIMENT --space FILE")
    if find_spec("optuna") is None:
        raise UsageError("a sweep needs Optuna: pip install '.[search]'")
    started = time.monotonic()
    console = Console()

    from graphium.studies.space import check_space, read_space

    def load(more: list[str]) -> "Experiment":
        return load_experiment(experiment, [*(overrides or []), *more])

    dimensions = read_space(space)
    base = load([])
    check_space(dimensions, load)
    if base.trainer.devices * base.trainer.num_nodes > 1:
        raise UsageError(
            "a trial trains on one device; set trainer.devices=1 and trainer.num_nodes=1, and "
            "start a process for each"
        )

    from graphium.studies.trial_watch import read_objective

    objective = read_objective(metric, direction, base)
    with making_room(_how_to_go_on):
        prepare_missing(base, console, workers=0, may_prepare=True)
    folder = out or Path(os.environ.get("GRAPHIUM_RUNS_DIR", "runs")) / base.name / "sweep"

    from graphium.store.prepare import cache_root
    from graphium.studies.journal import Journal
    from graphium.studies.sweep import Sweep
    from graphium.studies.sweep_files import SweepRecord, enter
    from graphium.studies.sweep_page import write_page

    record = SweepRecord(
        experiment=base.model_dump(mode="json"),
        space=dimensions.record(),
        options={
            "objective": str(objective),
            "direction": objective.direction,
            "pruner": pruner,
            "seed": seed,
        },
    )
    is_new = enter(folder, record, space.read_bytes())
    console.print(
        f"{'new sweep' if is_new else 'going on'} in {folder}: {trials} trials, {objective}",
        highlight=False,
        soft_wrap=True,
    )
    journal = Journal(
        folder,
        dimensions,
        direction=objective.direction,
        pruner=pruner,
        max_epochs=base.trainer.max_epochs,
        seed=seed,
    )
    signals = signals_of(context)
    study = Sweep(
        folder=folder,
        space=dimensions,
        objective=objective,
        journal=journal,
        num_trials=trials,
        load=load,
        prepare=lambda one: prepare_missing(one, console, workers=0, may_prepare=True),
        store_root=cache_root(),
        console=console,
        deadline=None if timeout is None else started + timeout,
        waits=not no_wait,
        asked=signals,
    )
    with making_room(_how_to_go_on), signals.noted():
        is_complete = study.work()
    tested = study.test_best() if test and is_complete else None
    page = write_page(folder, base.name, journal, dimensions, objective)
    _say_end(console, study, tested, page, is_complete=is_complete)
    if not is_complete and timeout is not None:
        raise typer.Exit(StoppedError.exit_code)


def _how_to_go_on() -> str:
    return "what is finished is kept; start the same command again"


def _say_end(
    console: Console, study: "Sweep", tested: Path | None, page: Path, *, is_complete: bool
) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True, markup=False)

    best = study.journal.best()
    if not is_complete:
        say("not all trials are finished; the same command goes on")
    elif best is None:
        raise GraphiumError(
            f"no trial ran to its end; the reasons are in {study.folder}/trials.csv"
        )
    if best is not None:
        say(f"best: trial {best.number}, {study.objective} {best.value:.4g}")
        say(f"train it anew with: graphium-train {study.folder / 'best.yaml'}")
    if tested is not None:
        say(f"tested: {tested / 'results.json'}")
    say(f"report: {page}")
