"""``graphium report``: the page of a finished run, written again."""

from pathlib import Path
from typing import Annotated

import typer


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Directory of a finished run.")],
    no_baselines: Annotated[
        bool,
        typer.Option("--no-baselines", help="Fit none; show those that were fitted before."),
    ] = False,
) -> None:
    """Write report.html of a run: metrics beside baselines, curves, figures, worst molecules."""
    from graphium.apply.report import write_report

    typer.echo(f"report: {write_report(run, baselines=not no_baselines)}")
