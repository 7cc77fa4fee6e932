"""``graphium data export``: a store for other programs."""

from pathlib import Path
from typing import Annotated, Literal

import typer


def export(
    store: Annotated[Path, typer.Argument(help="A store's folder.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "--output", "-o", help="A .pt file, or a folder for one file for each segment."
        ),
    ],
    form: Annotated[
        Literal["pyg"],
        typer.Option("--format", help="pyg: what PyTorch Geometric's InMemoryDataset loads."),
    ] = "pyg",
    features: Annotated[
        Path | None,
        typer.Option(
            metavar="EXPERIMENT",
            help="Experiment (YAML) whose features and encodings are written; without it, the "
            "stored properties of atoms and bonds as integers.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATTERN",
            help="Columns to write ('assay_*'); may be given again; by default all.",
            show_default=False,
        ),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace existing files.")] = False,
) -> None:
    """Write a store's graphs, labels and SMILES to files of plain tensors."""
    from graphium.apply.pyg_export import export_pyg
    from graphium.config.load import load_config
    from graphium.store.read import open_store

    chosen = None if features is None else load_config(features, []).experiment.features
    opened = open_store(store)
    patterns = ["*"] if labels is None else labels
    match form:
        case "pyg":
            files = export_pyg(opened, output, features=chosen, labels=patterns, force=force)
    size = sum(file.stat().st_size for file in files)
    count = f"{len(files)} files" if len(files) > 1 else "1 file"
    typer.echo(f"{opened.num_molecules:,} molecules, {count}, {size:,} bytes: {output}")
