"""Reads a section that is a whole file, without ``extends`` and overrides, with equal messages."""

import json
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from graphium.config.base import Section
from graphium.config.explain import explain, show
from graphium.config.load import typed_values
from graphium.config.mistakes import Mistake, Place, config_error, show_path
from graphium.config.options import Spot
from graphium.config.unreadable import UnreadableError, read_text
from graphium.config.yaml_nodes import YamlNode, read_yaml

_Root = TypeVar("_Root", bound=Section)


def read_section(path: Path, root: type[_Root], what: str) -> _Root:
    """Read a YAML file that holds one section.

    Args:
        path: The file.
        root: The section.
        what: How messages call it.

    Raises:
        ConfigError: Lists every mistake with its line.
    """
    found: list[Mistake] = []
    try:
        tree = _read(path, what, found)
    except UnreadableError as error:
        raise config_error([*found, error.mistake], what) from error
    spot = Spot(root)
    values = typed_values(tree, spot, (), found)
    try:
        section = root.model_validate_json(json.dumps(values), strict=True)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            found += [mistake for _, mistake in explain(detail, tree, spot)]
        raise config_error(found, what) from error
    if found:
        raise config_error(found, what)
    return section


def _read(path: Path, what: str, found: list[Mistake]) -> YamlNode:
    name = show_path(path)
    node, mistakes = read_yaml(read_text(path, Place(name)), name)
    found += mistakes
    if node is None or not isinstance(node.value, dict):
        got = "the file is empty" if node is None else f"got {show(node)}"
        raise UnreadableError(Place(name), f"{what}: 'key: value' lines are expected; {got}")
    return node
