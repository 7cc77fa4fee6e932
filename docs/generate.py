"""Writes the pages that follow from the code, so that they cannot disagree with it."""

import runpy
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

import typer
from rdkit import Chem
from typer.testing import CliRunner

from graphium.checkpoint import format as checkpoint_format
from graphium.cli import main
from graphium.config.schema import markdown_reference
from graphium.graphs.features import (
    ATOM_FEATURES,
    BOND_FEATURES,
    CONFORMER_BOND_FEATURES,
    Feature,
)
from graphium.graphs.mol_block import RowStatus
from graphium.graphs.properties import ATOM_PROPERTIES, BOND_PROPERTIES
from graphium.graphs.reasons import MEANINGS
from graphium.store import layout

LARGE = Path(__file__).parents[1] / "benchmarks" / "large.py"
"""Computes what a large table takes from the figures of ``results``."""


def write_pages(folder: Path) -> None:
    """Write every generated page; an unchanged one keeps its time, so that nothing is rebuilt."""
    pages = {
        "options.md": markdown_reference(),
        "cli.md": "\n".join(_commands()),
        "features.md": _features("Atoms", ATOM_FEATURES)
        + _features("Bonds", BOND_FEATURES)
        + _conformer_features(),
        "store.md": _store(),
        "checkpoint.md": _literal(checkpoint_format),
        "large.md": runpy.run_path(str(LARGE))["markdown"](),
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in pages.items():
        page = folder / name
        if not page.exists() or page.read_text() != text:
            page.write_text(text)


def _commands() -> Iterator[str]:
    """Yield the manual of each command: what its ``--help`` says."""
    yield from _manual("graphium-train", main.COMMANDS["train"].load())
    for name, command in main.COMMANDS.items():
        if name != "train":  # the same as graphium-train
            yield from _manual(f"graphium {name}", command.load())


def _manual(name: str, app: typer.Typer) -> Iterator[str]:
    app.rich_markup_mode = None  # no boxes
    commands = [one.name or one.callback.__name__ for one in app.registered_commands]
    words = [[command] for command in commands] if len(commands) > 1 else [[]]
    for one in words:
        result = CliRunner().invoke(app, [*one, "--help"], prog_name=name, env={"COLUMNS": "96"})
        if result.exit_code != 0:
            raise RuntimeError(f"{name} --help failed: {result.output}") from result.exception
        yield f"## {' '.join([name, *one])}\n\n```text\n{result.output.strip()}\n```\n"


def _features(title: str, features: Mapping[str, Feature]) -> str:
    rows = [
        (f"`{name}`", str(f.width), f.unit, ", ".join(f.columns)) for name, f in features.items()
    ]
    return f"## {title}\n\n" + _table(("feature", "width", "unit and scale", "columns"), rows)


def _conformer_features() -> str:
    rows = [(f"`{name}`", "1", meaning) for name, meaning in CONFORMER_BOND_FEATURES.items()]
    return "## Bonds in a conformer\n\n" + _table(("feature", "width", "meaning and unit"), rows)


def _store() -> str:
    rows = [(f"`{name}`", f"[{a.shape}]", a.dtype, a.meaning) for name, a in layout.ARRAYS.items()]
    means = {RowStatus.OK: "the row is a molecule", **MEANINGS}
    status = [(str(int(one)), one.name.lower(), means[one]) for one in RowStatus]
    return "\n".join(
        (
            _literal(layout),
            "### Arrays of a segment\n",
            _table(("array", "shape", "type", "meaning"), rows),
            "### Columns of `atom_table` and `bond_table`\n",
            _properties("of atoms", ATOM_PROPERTIES, _atom_values()),
            _properties("of bonds", BOND_PROPERTIES, _bond_values()),
            "### Status of a row\n",
            _table(("status", "name", "meaning"), status),
        )
    )


def _properties(title: str, names: Sequence[str], values: Mapping[str, str]) -> str:
    rows = [(str(number), f"`{name}`", values[name]) for number, name in enumerate(names)]
    return _table(("column", title, "values"), rows)


def _atom_values() -> dict[str, str]:
    """Return what the numbers of each property of an atom mean; those of enums are RDKit's."""
    return {
        "atomic_number": "0 is the dummy atom `*`",
        "formal_charge": "elementary charges",
        "isotope": "mass number; 0 is not labelled",
        "radical_electrons": "unpaired electrons",
        "explicit_hydrogens": "hydrogens written in brackets, where they are no atoms of the graph",
        "implicit_hydrogens": "hydrogens that RDKit adds",
        "degree": "bonds between atoms of the graph",
        "explicit_valence": "valence without implicit hydrogens",
        "implicit_valence": "valence of implicit hydrogens",
        "hybridization": _numbers(Chem.HybridizationType),
        "chiral_tag": f"{_numbers(Chem.ChiralType)}; depends on the order of the atoms",
        "cip_code": "0 none, 1 R, 2 S, 3 r, 4 s",
        "is_aromatic": "0 or 1",
        "ring_sizes": "bit k, from the lowest, for a ring of k + 3 atoms, k < 12",
        "num_rings": "rings of the smallest set that the atom is in",
        "min_ring": "atoms of the smallest of them; 0 is none",
        "max_ring": "atoms of the largest of them; 0 is none",
        "num_single_bonds": "single ones of these",
        "num_double_bonds": "double ones",
        "num_triple_bonds": "triple ones",
        "num_aromatic_bonds": "aromatic ones",
    }


def _bond_values() -> dict[str, str]:
    return {
        "bond_type": _numbers(Chem.BondType),
        "stereo": _numbers(Chem.BondStereo),
        "is_conjugated": "0 or 1",
        "is_in_ring": "0 or 1",
        "begin_atomic_number": "the smaller atomic number of the bond's ends",
        "end_atomic_number": "the larger one",
    }


def _numbers(enum: Any) -> str:
    """Return the numbers and names of an enum of RDKit."""
    return ", ".join(f"{number} {one.name.lower()}" for number, one in sorted(enum.values.items()))


def _literal(module: ModuleType) -> str:
    """Return a module's docstring as preformatted text."""
    return f"```text\n{(module.__doc__ or '').strip()}\n```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
