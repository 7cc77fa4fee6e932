"""The ``graphium`` program: its commands by name, each imported when it is called."""

import importlib
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, NoReturn

import typer

from graphium.cli.common import guarded
from graphium.training.signals import StopSignals


@dataclass(frozen=True, slots=True)
class LazyCommand:
    """A command whose module is imported when it is called, so that help answers at once."""

    module: str
    attribute: str
    """A function with typer annotations, or an app with commands of its own."""
    summary: str

    def load(self) -> typer.Typer:
        """Import the module and return the command as an app."""
        target = getattr(importlib.import_module(self.module), self.attribute)
        if isinstance(target, typer.Typer):
            return target
        app = typer.Typer(add_completion=False)
        app.command()(target)
        return app


COMMANDS = {
    "check": LazyCommand("graphium.cli.check", "check", "Validate and show an experiment."),
    "data": LazyCommand("graphium.cli.data", "app", "Download tables, prepare stores."),
    "train": LazyCommand("graphium.cli.train", "train", "Train, evaluate and report."),
    "slurm": LazyCommand("graphium.cli.slurm", "slurm", "Write and submit jobs that train."),
    "find-lr": LazyCommand("graphium.cli.find_lr", "find_lr", "Suggest a learning rate."),
    "predict": LazyCommand("graphium.cli.predict", "predict", "Predict for a table of SMILES."),
    "embed": LazyCommand("graphium.cli.predict", "embed", "Compute molecules' embeddings."),
    "convert": LazyCommand("graphium.cli.convert", "convert", "Take weights of torch over."),
    "sweep": LazyCommand("graphium.cli.sweep", "sweep", "Search for the best options."),
    "report": LazyCommand("graphium.cli.report", "report", "Write the report of a run again."),
}

app = typer.Typer(
    add_completion=False,
    pretty_exceptions_enable=False,
    no_args_is_help=True,
    epilog="graphium COMMAND --help explains each command.",
)


def _forward(name: str, command: LazyCommand) -> Callable[[typer.Context], None]:
    def call(context: typer.Context) -> None:
        command.load()(context.args, prog_name=f"graphium {name}", obj=context.obj)

    return call


def register(group: typer.Typer) -> None:
    """Give an app all commands, each under its name and summary."""
    for name, command in COMMANDS.items():
        group.command(
            name,
            help=command.summary,
            add_help_option=False,  # all words, --help too, are for the loaded command
            context_settings={
                "allow_extra_args": True,
                "allow_interspersed_args": False,
                "ignore_unknown_options": True,
            },
        )(_forward(name, command))


register(app)


def _print_version(wanted: bool) -> None:
    if wanted:
        from graphium import __version__

        typer.echo(f"graphium {__version__}")
        raise typer.Exit


@app.callback()
def root(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version."),
    ] = False,
) -> None:
    """Train multi-task foundation models on molecules."""


def main(arguments: Sequence[str] | None = None, signals: StopSignals | None = None) -> NoReturn:
    """Run ``graphium`` with the words given, or with those of the command line."""
    guarded(app, sys.argv[1:] if arguments is None else arguments, "graphium", signals)
