"""``graphium data generate``: invented tables of the shape of a mix, from real SMILES."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from graphium.generate.tables import Order, Written


def generate(
    mix: Annotated[
        str,
        typer.Argument(
            help="A mix by name (toymix, largemix, ultralarge), its folder, or its generate.yaml.",
            show_default=False,
        ),
    ],
    rows: Annotated[
        int,
        typer.Option(
            min=1, help="Rows of each table; at most those of the real one.", show_default=False
        ),
    ],
    smiles: Annotated[
        str,
        typer.Option(
            metavar="FILE",
            help="Real molecules: csv, tsv, smi (also .gz) or parquet, or a pattern of several.",
            show_default=False,
        ),
    ],
    smiles_column: Annotated[
        str | None,
        typer.Option(help="Its SMILES column; found by its name when absent.", show_default=False),
    ] = None,
    to: Annotated[
        Path | None, typer.Option(help="Folder of the tables; default generated/MIX.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Changes all that is drawn.")] = 0,
    repeat: Annotated[
        bool,
        typer.Option("--repeat", help="Begin FILE again where rows are more than its molecules."),
    ] = False,
) -> None:
    """Write tables like those of a mix: real molecules, invented labels.

    Kinds, names and numbers of columns, shares of missing labels, of ones and of classes, lists of
    atom labels and splits are those of the real tables where they are known; generated.json beside
    the tables says what is invented. They are for trying out and measuring what real tables of
    that size will take. No figure that a network reaches on them means anything.
    """
    from graphium.generate.mix import find_recipe, plan_tables
    from graphium.generate.mix import generate as write_mix
    from graphium.generate.smiles import open_smiles

    found = find_recipe(mix)
    source = open_smiles(smiles, smiles_column)
    orders = plan_tables(found.recipe, rows, source, repeat=repeat)
    folder = Path("generated") / found.name if to is None else to
    write_mix(found, orders, source, folder, seed=seed, on_table=_echo)
    typer.echo(f"invented labels of {found.name}: {folder}")


def _echo(order: "Order", written: "Written") -> None:
    parts = ", ".join(f"{part} {count:,}" for part, count in written.parts.items())
    files = written.files[0] if len(written.files) == 1 else f"{len(written.files)} files"
    unread = f"; {written.unread:,} SMILES without numbered atoms" if written.unread else ""
    typer.echo(f"{order.name}: {written.rows:,} rows in {files} ({parts}){unread}")
