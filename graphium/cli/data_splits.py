"""``graphium data convert-splits``: split files of torch as parquet."""

from pathlib import Path
from typing import Annotated

import typer

from graphium.errors import UsageError


def convert_splits(
    files: Annotated[
        list[Path],
        typer.Argument(help="Split files of torch, such as NAME_random_splits.pt."),
    ],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            help="The parquet file, where one file is converted; default: beside it.",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Turn published split files into parquet files of rows and parts, which mixes read.

    A .pt file may hold code: only lists and arrays of numbers are read, all else is refused.
    """
    from graphium.apply.torch_splits import convert_splits as convert

    if output is not None and len(files) > 1:
        raise UsageError("--output names one file; several are written beside those given.")
    for file in files:
        written = output or file.with_suffix(".parquet")
        counts = convert(file, written)
        parts = ", ".join(f"{name} {count:,}" for name, count in counts.items())
        typer.echo(f"{written}: {parts}")
