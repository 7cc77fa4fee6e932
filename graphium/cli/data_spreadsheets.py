"""``graphium data for-spreadsheets``: a csv whose cells no spreadsheet evaluates."""

from pathlib import Path
from typing import Annotated

import typer

from graphium.errors import counted


def for_spreadsheets(
    table: Annotated[Path, typer.Argument(metavar="FILE", help="csv or tsv file (also .gz).")],
    output: Annotated[
        Path, typer.Option("--output", "-o", help="The copy: csv or tsv file (also .gz).")
    ],
    undo: Annotated[
        bool, typer.Option("--undo", help="Take the apostrophes away that this command has set.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace an existing output.")] = False,
) -> None:
    """Copy a csv so that a spreadsheet takes names and notes for text, not for formulas.

    For any csv: predictions, duplicates.csv of a run, rejects.csv of a store. Cells that begin
    with = + - @, a tab or a carriage return get an apostrophe in front, unless they are numbers.
    """
    from graphium.apply.spreadsheets import guard_file

    changed = guard_file(table, output, force=force, undo=undo)
    typer.echo(f"{counted(changed, 'cell')} changed: {output}", err=True)
