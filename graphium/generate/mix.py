"""All invented tables of a mix."""

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from graphium.config.recipe import RECIPE, GeneratedTable, Recipe, load_recipe
from graphium.config.suggest import did_you_mean
from graphium.errors import DataError, UsageError
from graphium.generate.parts import open_parts, write_lists
from graphium.generate.smiles import SmilesSource
from graphium.generate.tables import Order, Written, file_paths, has_atom_labels, write_table

REPORT = "generated.json"
"""Name of the file that says what of the tables is invented."""
UNFINISHED = ".unfinished"
"""Folder in which files stand until all of them are whole; what an interruption left is removed."""

_DATA = Path(__file__).parents[2] / "data"


@dataclass(frozen=True, slots=True)
class RecipeOfMix:
    """A mix whose tables can be invented."""

    name: str
    recipe: Recipe


def find_recipe(word: str) -> RecipeOfMix:
    """Find the recipe of a mix by its name, its folder, or a file in it.

    Args:
        word: A name in ``data/`` (of the working directory, or of the clone that graphium runs
            from), a folder, a ``mix.yaml`` or ``generate.yaml``.

    Raises:
        UsageError: If there is none.
        ConfigError: If it is not valid.
    """
    for place in (Path("data") / word, _DATA / word, Path(word)):
        folder = place if place.is_dir() else place.parent
        path = place if place.is_file() and place.name != "mix.yaml" else folder / RECIPE
        if place.exists() and path.is_file():
            return RecipeOfMix(folder.resolve().name, load_recipe(path))
    names = sorted({one.parent.name for root in (Path("data"), _DATA) for one in _recipes(root)})
    raise UsageError(
        f"There is no mix '{word}' with a {RECIPE}{did_you_mean(word, names)}; "
        f"{', '.join(names) or 'none'} can be generated."
    )


def _recipes(root: Path) -> list[Path]:
    return sorted(root.glob(f"*/{RECIPE}"))


def plan_tables(
    recipe: Recipe, rows: int, source: SmilesSource, *, repeat: bool = False
) -> list[Order]:
    """Decide how many rows each table has, and of which molecules.

    Args:
        recipe: The tables.
        rows: Rows of each; never more than its real one has.
        source: The molecules.
        repeat: Begin ``source`` again where a table needs more.

    Raises:
        DataError: ``source`` has fewer molecules than a table rows.
    """
    orders: list[Order] = []
    start = 0
    for name, table in recipe.tables.items():
        count = min(rows, table.rows)
        if count > source.num_rows and not repeat:
            raise DataError(
                f"{source.table.name} has {source.num_rows:,} SMILES, and {count:,} rows of "
                f"{name} need as many. Ask for fewer rows, give more SMILES, or add --repeat: "
                "molecules then come several times."
            )
        if orders:
            start += orders[-1].rows - round(recipe.overlap * min(count, orders[-1].rows))
        orders.append(Order(name, table, start, count))
    return orders


def generate(
    mix: RecipeOfMix,
    orders: list[Order],
    source: SmilesSource,
    folder: Path,
    *,
    seed: int,
    on_table: Callable[[Order, Written], None] | None = None,
) -> None:
    """Write all tables, their parts and the report on them.

    Args:
        mix: The mix.
        orders: What to write of each table.
        source: The molecules.
        folder: Where to; files that are there are never replaced.
        seed: Changes all that is drawn.
        on_table: Is called when a table is finished.

    Raises:
        UsageError: A file is there already.
    """
    _refuse_existing(mix.recipe, folder)
    unfinished = folder / UNFINISHED
    if unfinished.exists():
        shutil.rmtree(unfinished)
    unfinished.mkdir(parents=True)
    report: dict[str, object] = {
        "mix": mix.name,
        "made_by": "graphium data generate",
        "seed": seed,
        "smiles": source.table.name,
        "values": "all labels and splits are invented; the molecules are those of `smiles`",
        "tables": {},
    }
    tables: dict[str, object] = {}
    lists: dict[str, dict[str | None, dict[str, list[int]]]] = {}
    for order in orders:
        about = {"names": _about_names(order.table), "first_molecule": order.start}
        note = json.dumps({**report, "tables": {order.name: about}})
        with open_parts(order.table.parts, unfinished) as parts:
            written = write_table(order, source, unfinished, parts, seed, note)
        if parts.writer is None:
            lists.setdefault(order.table.parts.file, {})[order.table.parts.key] = parts.lists
        tables[order.name] = {**about, **asdict(written)}
        if on_table is not None:
            on_table(order, written)
    for name, of_tables in lists.items():
        write_lists(unfinished / name, of_tables)
    for path in sorted(unfinished.iterdir()):
        path.rename(folder / path.name)
    unfinished.rmdir()
    (folder / REPORT).write_text(json.dumps({**report, "tables": tables}, indent=1) + "\n")


def _refuse_existing(recipe: Recipe, folder: Path) -> None:
    for table in recipe.tables.values():
        for path in (*file_paths(table, folder), folder / table.parts.file):
            if path.exists():
                raise UsageError(
                    f"{path} exists, and may be real: nothing is replaced. Remove it, or choose "
                    "another folder with --to."
                )


def _about_names(table: GeneratedTable) -> str:
    labels = "molecules and atoms" if has_atom_labels(table) else "molecules"
    origin = "invented: those of the real table are not known" if table.invented_names else "real"
    return f"names of the columns (labels of {labels}) are {origin}"
