"""``graphium find-lr``: which learning rate to begin with."""

import csv
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import Progress

from graphium.cli.train import load_experiment, prepare_missing
from graphium.errors import UsageError

if TYPE_CHECKING:
    from graphium.training.lr_finder import LearningRates


def find_lr(
    experiment: Annotated[Path, typer.Argument(help="Experiment (YAML).")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Options as key=value: batch.size=64"),
    ] = None,
    first: Annotated[float, typer.Option("--from", help="Lowest learning rate.")] = 1e-6,
    last: Annotated[float, typer.Option("--to", help="Highest learning rate.")] = 1.0,
    steps: Annotated[int, typer.Option(min=20, help="Steps between them.")] = 100,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the table and the picture; default lr/NAME.")
    ] = None,
) -> None:
    """Suggest a learning rate: train some steps with rates that rise until the loss does.

    The rate where the smoothed loss falls most steeply is printed, with the options to try. The
    loss at each rate is written as lr.csv and drawn in lr.svg.
    """
    if not 0 < first < last:
        raise UsageError(f"--from must be above 0 and below --to; got {first:g} and {last:g}")
    console = Console()
    loaded = load_experiment(experiment, overrides or [])
    prepare_missing(loaded, console, workers=0, may_prepare=True)

    import torch

    from graphium.batching.opened import open_data
    from graphium.store.prepare import cache_root
    from graphium.training.lr_finder import find_learning_rate

    if loaded.trainer.threads is not None:
        torch.set_num_threads(loaded.trainer.threads)
    mix = open_data(loaded, cache_root())
    with Progress(console=console, transient=True) as progress:
        task = progress.add_task("steps", total=steps)
        found = find_learning_rate(
            loaded,
            mix,
            first=first,
            last=last,
            steps=steps,
            on_step=lambda done: progress.update(task, completed=done),
        )
    folder = Path("lr") / loaded.name if out is None else out
    folder.mkdir(parents=True, exist_ok=True)
    _write(folder, found)
    _say(console, found, steps, folder)


def _write(folder: Path, found: "LearningRates") -> None:
    from graphium.apply.figures.learning_rates import learning_rate_curve

    with (folder / "lr.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["lr", "loss", "smoothed_loss"])
        writer.writerows(
            zip(found.rates.tolist(), found.losses.tolist(), found.smoothed.tolist(), strict=True)
        )
    (folder / "lr.svg").write_text(learning_rate_curve(found))


def _say(console: Console, found: "LearningRates", steps: int, folder: Path) -> None:
    def say(text: str) -> None:
        console.print(text, highlight=False, soft_wrap=True)

    if len(found.rates) < steps:
        say(f"the loss left its lowest value fourfold, or broke down, at {found.rates[-1]:.1e}")
    if found.suggestion is None:
        say("the loss does not fall at any of these rates; look at the labels, or begin lower")
    else:
        say(f"the loss falls most steeply at {found.suggestion:.1e}; try")
        say(f"  optimizer.lr={found.suggestion:.1e}")
    say(f"picture and table: {folder / 'lr.svg'}, {folder / 'lr.csv'}")
