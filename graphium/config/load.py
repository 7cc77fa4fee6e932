"""An experiment from its YAML files and the command line.

What wins, weakest first: defaults, the files of ``extends`` (left to right), the file itself,
``key=value`` overrides. Mappings merge; lists and single values replace. A section whose ``kind``
changes is replaced as a whole, because options of one kind mean nothing to another.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from graphium.config.compose import merge, read_file, read_overrides
from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.config.file_options import escape_variables, expand_variables
from graphium.config.mistakes import Path as KeyPath
from graphium.config.mistakes import config_error, explain, option_path
from graphium.config.options import ROOT, Spot
from graphium.config.yaml_nodes import Mistake, UnreadableError, YamlNode, scalar

_OF_TABLE = "datasets.table."
_AROUND_TABLE = (
    "name=table",
    "datasets.table={table: _}",
    "tasks.t={dataset: table, labels: [y], loss: mae}",
)
"""An experiment around one table, so that its options are read and explained as in any other."""


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid experiment, and where each of its values comes from."""

    experiment: Experiment
    origins: dict[str, str]
    """Dotted key of each value -> ``file:line``, ``command line`` or ``default``."""


def load_config(path: str | Path, overrides: Sequence[str] = ()) -> Loaded:
    """Read an experiment.

    Args:
        path: The YAML file.
        overrides: ``dotted.key=value``; the value is YAML. The last of equal keys wins.

    Returns:
        The experiment, all defaults filled in, and the origin of each value.

    Raises:
        ConfigError: Lists every mistake with its file and line.
    """
    found: list[Mistake] = []
    try:
        tree = read_file(Path(path), found)
    except UnreadableError as error:
        raise config_error([*found, error.mistake]) from error
    tree = merge(tree, read_overrides(overrides, found), ROOT)
    values = _with_kinds(tree, ROOT)
    expand_variables(values, tree, found)
    experiment = _validate(values, tree, found)
    if experiment is None or found:
        raise config_error(found)
    return Loaded(experiment, dict(_origins(experiment.model_dump(mode="json"), tree, ())))


def load_dataset(table: str, overrides: Sequence[str] = ()) -> DatasetConfig:
    """Return the options of one table that is named on the command line.

    Args:
        table: The table as the shell gave it; variables are not expanded again.
        overrides: ``key=value`` words; the value is YAML, read as those of an experiment are.

    Raises:
        ConfigError: Lists every mistake.
    """
    found: list[Mistake] = []
    words = [*_AROUND_TABLE, *(_OF_TABLE + override for override in overrides)]
    tree = read_overrides(words, found)
    values = _with_kinds(tree, ROOT)
    expand_variables(values, tree, found)
    values["datasets"]["table"]["table"] = table
    experiment = _validate(values, tree, found)
    if experiment is None or found:
        shorter = [
            replace(
                one,
                key=one.key.removeprefix(_OF_TABLE),
                message=one.message.replace(_OF_TABLE, "").replace("datasets.table", "table"),
            )
            for one in found
        ]
        raise config_error(shorter, "options of the table")
    return experiment.datasets["table"]


def dump_yaml(experiment: Experiment) -> str:
    """Return an experiment as YAML that loads back equal, with every default written out."""
    values = experiment.model_dump(mode="json")
    escape_variables(values)
    return yaml.dump(
        values, Dumper=_Dumper, sort_keys=False, default_flow_style=None, allow_unicode=True,
        width=100,
    )  # fmt: skip


class _Dumper(yaml.SafeDumper):
    """Quotes text that our reader would take for another value."""


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    style = None if scalar(text) == text else "'"
    if not text.isprintable():  # line breaks, Unicode's among them, survive as escapes only
        style = '"'
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent_text)


def _with_kinds(node: YamlNode, spot: Spot | None) -> Any:
    """Return plain values, with the default ``kind`` written where a choice of kinds needs it."""
    if isinstance(node.value, list):
        return [_with_kinds(item, None) for item in node.value]
    if not isinstance(node.value, dict):
        return node.value
    values = {
        key: _with_kinds(child, spot.child(key) if spot is not None else None)
        for key, child in node.value.items()
    }
    if spot is not None and len(spot.sections) > 1 and spot.default_kind is not None:
        values.setdefault("kind", spot.default_kind)
    return values


def _validate(values: Any, tree: YamlNode, found: list[Mistake]) -> Experiment | None:
    """Build the experiment; a value that is wrong is noted, left out, and the rest looked at again.

    Looking again finds the mistakes that pydantic hides behind others: it checks how sections fit
    together only once each of them is valid.
    """
    left_out: set[KeyPath] = set()
    while True:
        try:
            return Experiment.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False)
        amended = [_give_text(values, tree, detail) for detail in details]
        wrong = [
            one
            for detail, is_amended in zip(details, amended, strict=True)
            if not is_amended
            for one in explain(detail, tree)
            if not any(one[0][: len(path)] == path for path in left_out)
        ]
        found.extend(mistake for _, mistake in wrong)
        left_out |= {_leave_out(values, path) for path, _ in wrong}
        if not wrong and not any(amended):
            return None


def _give_text(values: Any, tree: YamlNode, detail: ErrorDetails) -> bool:
    """Give an option that wants text what was written: ``32`` or ``no`` need no quotes there."""
    if detail["type"] not in ("string_type", "literal_error"):
        return False
    path = option_path(detail["loc"])
    node, used = tree.find(path)
    holder = _holder(values, path)
    if used < len(path) or node.text is None or isinstance(holder[path[-1]], str | None):
        return False
    holder[path[-1]] = node.text
    return True


def _leave_out(values: Any, path: KeyPath) -> KeyPath:
    """Remove a value; of a list the whole, so that positions keep their meaning."""
    whole = next((path[:i] for i, step in enumerate(path) if isinstance(step, int)), path)
    holder = _holder(values, whole)
    if isinstance(holder, dict):
        holder.pop(whole[-1], None)
    return whole


def _holder(values: Any, path: KeyPath) -> Any:
    """Return the mapping or list that the last step leads into; None when there is none."""
    for step in path[:-1]:
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):  # a required option that was not given
            return None
    return values


def _origins(value: object, tree: YamlNode, path: KeyPath) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _origins(child, tree, (*path, key))
    else:
        node, used = tree.find(path)
        yield ".".join(map(str, path)), str(node.place) if used == len(path) else "default"
