"""How every program of ours ends: one message and one exit code for each kind of failure."""

import sys
from collections.abc import Sequence
from typing import Annotated, NoReturn

import typer

from graphium.errors import GraphiumError, StoppedError

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


def guarded(app: typer.Typer, arguments: Sequence[str], name: str | None = None) -> NoReturn:
    """Run an app and leave Python.

    A ``GraphiumError`` becomes one message on stderr and the exit code of its class (75 for a run
    that made room, which is no error), Ctrl-C becomes 130. Anything else is a defect of graphium
    and keeps its traceback.

    Args:
        app: The commands.
        arguments: Words of the command line.
        name: Name of the program in its help; by default that of the process.
    """
    app.pretty_exceptions_enable = False  # a plain traceback can be searched and quoted
    try:
        app(list(arguments), prog_name=name)
    except StoppedError as stop:
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
