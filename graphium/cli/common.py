"""How every program of ours ends: one message and one exit code for each kind of failure."""

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Annotated, NoReturn

import typer

from graphium.errors import GraphiumError, StoppedError
from graphium.training.signals import StopSignals

INTERRUPTED = 130
"""Exit code after Ctrl-C, as shells have it: 128 + SIGINT."""

RowTimeout = Annotated[
    float,
    typer.Option(
        metavar="SECONDS",
        min=1.0,
        help="Processor time for one row; a molecule that needs more is left out as 'timeout'.",
    ),
]
WorkerMemory = Annotated[
    float,
    typer.Option(
        metavar="GB",
        min=0.5,
        help="Memory for one worker (Linux); a molecule that needs more is left out as 'crashed'.",
    ),
]


def guarded(
    app: typer.Typer,
    arguments: Sequence[str],
    name: str | None = None,
    signals: StopSignals | None = None,
) -> NoReturn:
    """Run an app and leave Python.

    A ``GraphiumError`` becomes one message on stderr and the exit code of its class, a wish to make
    room 75 (which is no error), Ctrl-C 130. Anything else is a defect of graphium and keeps its
    traceback.

    Args:
        app: The commands; they find the signals with ``signals_of``.
        arguments: Words of the command line.
        name: Name of the program in its help; by default that of the process.
        signals: Of this process, if the caller answers them, and settles a wish that no command
            has settled.

    Raises:
        StoppedError: There is such a wish.
        SystemExit: Always, otherwise.
    """
    app.pretty_exceptions_enable = False  # a plain traceback can be searched and quoted
    own = StopSignals()
    try:
        with ExitStack() as stack:
            if signals is None:
                stack.enter_context(own.answered())
                stack.enter_context(own.at_once())
            app(list(arguments), prog_name=name, obj=signals or own)
    except StoppedError as stop:
        if signals is not None:
            raise
        typer.echo(str(stop), err=True)
        sys.exit(stop.exit_code)
    except GraphiumError as error:
        typer.secho("error: ", err=True, nl=False, fg="red", bold=True)
        typer.echo(str(error), err=True)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        typer.echo("interrupted", err=True)
        sys.exit(INTERRUPTED)
    sys.exit(0)


def signals_of(context: typer.Context) -> StopSignals:
    """Return what this process has been asked for, inside of a command that ``guarded`` runs."""
    return context.obj if isinstance(context.obj, StopSignals) else StopSignals()
