"""``graphium report``: the page of a finished run, written again, or of several side by side."""

from pathlib import Path
from typing import Annotated

import typer

from graphium.errors import UsageError


def report(
    runs: Annotated[
        list[Path],
        typer.Argument(
            metavar="RUN...", help="Directory of a finished run; with --compare several."
        ),
    ],
    compare: Annotated[
        bool,
        typer.Option("--compare", help="One page about all runs: metrics, curves, what differs."),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Page of --compare; default compare.html.")
    ] = None,
    no_baselines: Annotated[
        bool,
        typer.Option("--no-baselines", help="Fit none; show those that were fitted before."),
    ] = False,
) -> None:
    """Write report.html of a run: metrics beside baselines, curves, figures, worst molecules.

    With --compare, write one page about several runs; a folder of seeds counts as one run.
    """
    if compare:
        from graphium.apply.compare_page import write_comparison

        typer.echo(f"comparison: {write_comparison(runs, out or Path('compare.html'))}")
        return
    if len(runs) > 1 or out is not None:
        raise UsageError("one run at a time, into its own folder; for several, say --compare")
    from graphium.apply.report import write_report

    typer.echo(f"report: {write_report(runs[0], baselines=not no_baselines)}")
