"""An experiment from its YAML files and the command line.

What wins, weakest first: defaults, the files of ``extends`` (left to right), the file itself,
``key=value`` overrides. Mappings merge; lists and single values replace. A section whose ``kind``
changes is replaced as a whole, because options of one kind mean nothing to another.
"""

import json
import os
import string
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from graphium.config.compose import merge, read_file, read_overrides
from graphium.config.experiment import Experiment
from graphium.config.explain import explain
from graphium.config.mistakes import Mistake, config_error
from graphium.config.options import ROOT, Spot
from graphium.config.unreadable import UnreadableError
from graphium.config.yaml_nodes import Keys, YamlNode


@dataclass(frozen=True, slots=True)
class Loaded:
    """A valid experiment, and where each of its values comes from."""

    experiment: Experiment
    origins: dict[str, str]
    """Dotted key of each value -> ``file:line``, ``command line`` or ``default``."""
    written: YamlNode
    """All that the files and the command line say, each value with its place."""


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
    experiment = build_experiment(tree, found)
    if experiment is None or found:
        raise config_error(found)
    return Loaded(experiment, dict(_origins(experiment.model_dump(mode="json"), tree)), tree)


def build_experiment(tree: YamlNode, found: list[Mistake]) -> Experiment | None:
    """Build the experiment; a value that is wrong is noted, left out, and the rest looked at again.

    Looking again finds the mistakes that pydantic hides behind others: it checks how sections fit
    together only once each of them is valid.

    Args:
        tree: All that is written.
        found: Takes the mistakes.

    Returns:
        The experiment; None when something in it is wrong.
    """
    values = typed_values(tree, ROOT, (), found)
    left_out: set[Keys] = set()
    while True:
        try:
            return Experiment.model_validate_json(json.dumps(values), strict=True)
        except ValidationError as error:
            details = error.errors(include_url=False)
        wrong = [
            (keys, mistake)
            for detail in details
            for keys, mistake in explain(detail, tree)
            if not any(keys[: len(known)] == known for known in left_out)
        ]
        if not wrong:
            return None
        found.extend(mistake for _, mistake in wrong)
        left_out |= {_leave_out(values, keys) for keys, _ in wrong}


def typed_values(node: YamlNode, spot: Spot, keys: Keys, found: list[Mistake]) -> Any:
    """Return plain values as the schema wants them.

    Text is text where text is wanted (``32`` and ``no`` need no quotes there), variables in names
    of files are expanded, and the default ``kind`` is written where a choice of kinds needs it.
    """
    children = {
        key: typed_values(child, spot.child(key), (*keys, key), found)
        for key, child in node.children.items()
    }
    if isinstance(node.value, list):
        return list(children.values())
    if isinstance(node.value, dict):
        return {"kind": spot.default_kind, **children} if spot.default_kind else children
    if node.value is None or node.text is None or not spot.takes_text:
        return node.value
    return _expand(node, ".".join(map(str, keys)), found) if spot.names_file else node.text


def _expand(node: YamlNode, key: str, found: list[Mistake]) -> str:
    """Expand ``~`` and ``$VARIABLES``; ``$$`` stands for a dollar."""
    if "\0" in (node.text or ""):
        found.append(Mistake(node.place, key, "no file's name holds character zero"))
        return ""
    template = string.Template(node.text or "")
    for name in template.get_identifiers():
        if name not in os.environ:
            message = f"the environment variable {name} is not set, got '{node.text}'"
            found.append(Mistake(node.place, key, message))
    return os.path.expanduser(template.safe_substitute(os.environ))


def _leave_out(values: Any, keys: Keys) -> Keys:
    """Remove a value; of a list the whole, so that positions keep their meaning."""
    whole = next((keys[:i] for i, step in enumerate(keys) if isinstance(step, int)), keys)
    for step in whole[:-1]:
        values = values.get(step) if isinstance(values, dict) else None
    if isinstance(values, dict):  # else a required section that is not there
        values.pop(whole[-1], None)
    return whole


def _origins(value: object, tree: YamlNode, keys: Keys = ()) -> Iterator[tuple[str, str]]:
    if isinstance(value, dict) and value:
        for key, child in value.items():
            yield from _origins(child, tree, (*keys, key))
    else:
        node, left_over = tree.find(keys)
        yield ".".join(map(str, keys)), "default" if left_over else str(node.place)
