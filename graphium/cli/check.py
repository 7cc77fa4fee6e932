"""``graphium check``: is the experiment valid, what is it in full, where does each value come from?

Neither torch nor RDKit is imported, so it answers at once, on a login node too.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text

from graphium.cli.check_tables import folder_lines, repeated_lines, table_mistakes
from graphium.config.data import DatasetConfig
from graphium.config.explain import mistake_at
from graphium.config.load import Loaded, load_config
from graphium.config.mistakes import Mistake, config_error
from graphium.config.schema import json_schema
from graphium.config.sources import SOURCES, load_sources
from graphium.config.training import INHERITED
from graphium.config.unreadable import no_file
from graphium.errors import ConfigError, UsageError

ORIGIN_COLUMN = 64
"""Where origins begin, unless values are longer."""

_CHECKPOINT = "finetune.checkpoint"
"""Origin of what is taken from the checkpoint that an experiment starts from."""


def check(
    experiment: Annotated[
        Path | None,
        typer.Argument(
            help="Experiment (YAML), or the sources.yaml of a mix. Not needed with --schema."
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="Options as key=value: trainer.max_epochs=5"),
    ] = None,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON schema of experiments, for editors.")
    ] = False,
    no_tables: Annotated[
        bool,
        typer.Option("--no-tables", help="Do not look whether its tables and checkpoint exist."),
    ] = False,
) -> None:
    """Validate an experiment and show it in full, each value with its origin.

    Its tables, and the checkpoint that it starts from, must exist, and the header of a csv or tsv
    file must have the columns that the experiment names; of other tables nothing is read. All
    mistakes are listed at once, each with its file and line; the exit code is then 2.
    """
    if schema:
        typer.echo(json.dumps(json_schema(), indent=2))
        return
    if experiment is None:
        raise UsageError("give an experiment, for example: graphium check expts/demo.yaml")
    if experiment.name == SOURCES:
        _check_sources(experiment, overrides or [])
        return
    loaded = load_config(experiment, overrides or [])
    if not no_tables:
        _check_files(loaded)
    console = Console(highlight=False)
    for line in describe(loaded):
        console.print(line, soft_wrap=True)
    config = loaded.experiment
    for text in [] if no_tables else _notes(config.datasets):
        console.print(text, soft_wrap=True, markup=False)
    counts = ((len(config.datasets), "dataset"), (len(config.tasks), "task"))
    found = ", ".join(f"{count} {word}{'s' * (count != 1)}" for count, word in counts)
    console.print(f"\n[green]valid[/green]: {found}")


def _notes(datasets: Mapping[str, DatasetConfig]) -> Iterator[str]:
    yield from folder_lines(datasets)
    yield from repeated_lines(datasets)


def _check_sources(path: Path, overrides: list[str]) -> None:
    if overrides:
        raise UsageError(f"{path} is no experiment: it has no options to override.")
    datasets = load_sources(path).datasets
    files = [file for dataset in datasets.values() for file in dataset.files]
    known = sum(file.sha256 is not None for file in files)
    Console(highlight=False).print(
        f"[green]valid[/green]: {len(datasets)} datasets, {len(files)} files, "
        f"{known} with a known SHA-256"
    )


def _check_files(loaded: Loaded) -> None:
    found = [*table_mistakes(loaded), *_checkpoint_mistakes(loaded)]
    if found:
        error = config_error(found, "experiment and its files")
        raise ConfigError(f"{error}\nWhere the files are elsewhere: graphium check --no-tables")


def _checkpoint_mistakes(loaded: Loaded) -> Iterator[Mistake]:
    """Yield what is wrong with the checkpoint that an experiment starts from."""
    config = loaded.experiment.finetune
    if config is None:
        return
    folder = Path(config.checkpoint)
    if not folder.exists():
        yield mistake_at(loaded.written, ("finetune", "checkpoint"), no_file(folder))
    elif not _read_trained(folder):
        message = f"{folder} is neither a checkpoint nor a run directory with one"
        yield mistake_at(loaded.written, ("finetune", "checkpoint"), message)


def describe(loaded: Loaded) -> Iterator[Text]:
    """Yield the lines that show an experiment; defaults are dim."""
    values = loaded.experiment.model_dump(mode="json")
    origins = dict(loaded.origins)
    if loaded.experiment.finetune is not None:
        _fill_inherited(values, origins, Path(loaded.experiment.finetune.checkpoint))
    lines = list(_lines(values, origins, "", 0))
    column = min(max(len(left) for left, _ in lines), ORIGIN_COLUMN)
    for left, origin in lines:
        key, colon, value = left.partition(":")
        is_default = origin == "default"
        line = Text(style="dim" if is_default else "")
        line.append(key + colon, style="" if is_default else "cyan")
        line.append(value)
        if origin is not None:
            line.append(" " * max(column - len(left), 0) + f"  {origin}", style="dim")
        yield line


def _fill_inherited(values: dict[str, Any], origins: dict[str, str], checkpoint: Path) -> None:
    """Put in what training will take from the checkpoint, in place."""
    trained = _read_trained(checkpoint)
    for section in INHERITED:
        keys = [key for key in origins if key == section or key.startswith(f"{section}.")]
        if any(origins[key] != "default" for key in keys):
            continue
        *parents, name = section.split(".")
        ours, theirs = values, trained
        for parent in parents:
            ours, theirs = ours[parent], theirs.get(parent, {})
        ours[name] = theirs.get(name, f"(from {_CHECKPOINT})")
        origins |= dict.fromkeys(_leaves(ours[name], section), _CHECKPOINT)


def _read_trained(checkpoint: Path) -> dict[str, Any]:
    """Return the experiment of a checkpoint as JSON; empty when it cannot be found or read."""
    for folder in (checkpoint, checkpoint / "checkpoints" / "best", checkpoint / "best"):
        try:
            experiment = json.loads((folder / "model.json").read_bytes())["experiment"]
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # what is wrong with it is said when it is used
        if isinstance(experiment, dict) and isinstance(experiment.get("model"), dict):
            return experiment
    return {}


def _leaves(value: object, key: str) -> Iterator[str]:
    if isinstance(value, dict) and value:
        for name, child in value.items():
            yield from _leaves(child, f"{key}.{name}")
    else:
        yield key


def _lines(
    values: dict[str, object], origins: dict[str, str], prefix: str, depth: int
) -> Iterator[tuple[str, str | None]]:
    """Yield (YAML line, origin); the heading of a section has no origin."""
    for key, value in values.items():
        indent = "  " * depth
        if isinstance(value, dict) and value:
            yield f"{indent}{key}:", None
            yield from _lines(value, origins, f"{prefix}{key}.", depth + 1)
        else:
            yield f"{indent}{key}: {_one_line(value)}", origins[f"{prefix}{key}"]


def _one_line(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_one_line, value))}]"
    if isinstance(value, str):
        return value
    return json.dumps(value)
