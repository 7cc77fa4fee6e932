"""Writes the pages that follow from the code, so that they cannot disagree with it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import ModuleType

import typer
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
from graphium.graphs.reasons import MEANINGS
from graphium.store import layout


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
            "### Status of a row\n",
            _table(("status", "name", "meaning"), status),
        )
    )


def _literal(module: ModuleType) -> str:
    """Return a module's docstring as preformatted text."""
    return f"```text\n{(module.__doc__ or '').strip()}\n```\n"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(map(_cell, line))} |\n" for line in lines) + "\n"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())
