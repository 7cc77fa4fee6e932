"""``graphium data prepare --part`` and ``--parts``: one preparation divided among machines."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from graphium.config.data import DatasetConfig
from graphium.store.portions import Division, Part

if TYPE_CHECKING:
    from graphium.store.limits import Limits
    from graphium.store.parts import PartReport


def spell_command(
    source: str, overrides: Sequence[str], root: Path, workers: int, limits: "Limits"
) -> str:
    """Return the command that prepares the same, for a shell in the same directory."""
    words = ["graphium", "data", "prepare", source, *overrides, "--store", str(root.absolute())]
    usual = type(limits)()
    for option, given, default in (
        ("--workers", workers, 0),
        ("--row-timeout", limits.row_timeout, usual.row_timeout),
        ("--worker-memory", limits.worker_memory, usual.worker_memory),
    ):
        if given != default:
            words += [option, f"{given:g}"]
    return shlex.join(words)


def make_part(
    datasets: Mapping[str, DatasetConfig],
    root: Path,
    part: Part,
    command: str,
    workers: int,
    limits: "Limits",
) -> None:
    """Make one part of the store of each dataset, and say what is still to be done."""
    from graphium.store.parts import prepare_part

    division = Division(command, str(Path.cwd()), part.count)
    reports = prepare_part(
        datasets, root, part, division, workers=workers, progress=True, limits=limits
    )
    for name, report in reports.items():
        all_of_them = f"{len(report.made)} of {report.num_segments} segments"
        typer.echo(f"{name}: part {part.number} of {part.count} is there ({all_of_them})")
        if report.missing:
            typer.echo(f"  {len(report.missing)} segments of other parts are not there yet")
        else:
            typer.echo(f"  all segments are there: {_commit(report)}")


def show_parts(
    datasets: Mapping[str, DatasetConfig], root: Path, count: int, command: str, workers: int
) -> None:
    """Plan the stores; print the commands of all parts, and what comes after them on stderr."""
    from graphium.store.parts import plan_parts

    division = Division(command, str(Path.cwd()), count)
    reports = plan_parts(datasets, root, division, workers=workers)
    useful = max(report.num_segments for report in reports.values())
    if useful < count:
        typer.echo(f"There are only {useful} segments, so more parts have nothing to do.", err=True)
        division = replace(division, count=useful)
    for number in range(1, division.count + 1):
        typer.echo(division.command_of(number))
    typer.echo("When all are done:", err=True)
    for report in reports.values():
        typer.echo(_commit(report), err=True)


def _commit(report: "PartReport") -> str:
    return shlex.join(["graphium", "data", "commit", str(report.store.absolute())])
