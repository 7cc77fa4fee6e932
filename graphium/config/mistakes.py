"""What is wrong with an experiment, in the user's words: where, which option, what was found."""

import json
import re
from collections.abc import Iterable, Iterator

from pydantic_core import ErrorDetails

from graphium.config.options import ROOT, Spot, option_names
from graphium.config.suggest import did_you_mean as did_you_mean
from graphium.config.yaml_nodes import COMMAND_LINE, Mistake, YamlNode
from graphium.errors import ConfigError, FieldError, GroupedFieldError

Path = tuple[str | int, ...]
"""Keys (and positions in lists) that lead to one value."""

_WORDING = {
    "missing": "required, but not given",
    "string_type": "should be text",
    "int_type": "should be an integer",
    "int_from_float": "should be an integer",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "list_type": "should be a list",
    "tuple_type": "should be a list",
    "model_type": "should be a section of 'key: value' lines",
    "dict_type": "should be a section of 'key: value' lines",
    "too_short": "needs more values",
    "too_long": "has too many values",
}
"""Our words for pydantic's types of error; its own are kept where they are good."""

_OF_KEY = "[key]"
"""Last step of pydantic's location of an error of a key, not of its value."""


def config_error(mistakes: Iterable[Mistake], where: str = "experiment") -> ConfigError:
    """Return one error that lists all mistakes, in the order of files and lines."""
    ordered = sorted(
        dict.fromkeys(mistakes),
        key=lambda one: (one.place.source == COMMAND_LINE, one.place.source, one.place.line),
    )
    count = f"{len(ordered)} mistakes" if len(ordered) > 1 else "1 mistake"
    lines = "".join(f"\n  {mistake}" for mistake in ordered)
    return ConfigError(f"{count} in the {where}:{lines}")


def show(node: YamlNode, limit: int = 60) -> str:
    """Return a value as it may be quoted in a message."""
    if isinstance(node.value, str):
        text = f"'{node.value}'"
    elif node.text is not None:
        text = node.text or "nothing"
    else:
        text = json.dumps(plain(node), ensure_ascii=False)
    return text if len(text) <= limit else f"{text[: limit - 3]}..."


def plain(node: YamlNode) -> object:
    """Return the value without its places."""
    if isinstance(node.value, dict):
        return {key: plain(child) for key, child in node.value.items()}
    if isinstance(node.value, list):
        return [plain(child) for child in node.value]
    return node.value


def option_path(location: Path) -> Path:
    """Remove the names of kinds that pydantic puts into the location of an error."""
    path: list[str | int] = []
    spot: Spot | None = ROOT
    for step in location:
        section = spot.of_kind(step) if spot is not None and len(spot.sections) > 1 else None
        if section is not None:
            spot = Spot(section)
            continue
        path.append(step)
        spot = spot.child(str(step)) if spot is not None else None
    return tuple(path)


def explain(error: ErrorDetails, tree: YamlNode) -> Iterator[tuple[Path, Mistake]]:
    """Yield the mistakes of one of pydantic's errors.

    Args:
        error: What pydantic found.
        tree: The experiment as it was written.

    Yields:
        The value to leave out before looking for further mistakes, and the mistake.
    """
    path = option_path(error["loc"])
    cause = error.get("ctx", {}).get("error")
    if isinstance(cause, FieldError | GroupedFieldError):
        for one in cause.errors if isinstance(cause, GroupedFieldError) else (cause,):
            yield (*path, *one.key), mistake_at(tree, (*path, *one.key), one.message)
        return
    if error["type"] == "union_tag_invalid":
        choices = re.findall(r"'([^']*)'", error["ctx"]["expected_tags"])
        message = "should be " + " or ".join(f"'{choice}'" for choice in choices)
        yield path, _with_value(tree, (*path, "kind"), message, choices)
    elif error["type"] == "extra_forbidden":
        yield path, mistake_at(tree, path, _unknown_option(tree, path))
    elif error["type"] == "missing" and isinstance(path[-1], int):  # of a list of fixed length
        yield path[:-1], _with_value(tree, path[:-1], _WORDING["too_short"])
    elif error["type"] == "missing":
        yield path, mistake_at(tree, path, _WORDING["missing"] + _near_name(tree, path))
    elif path[-1:] == (_OF_KEY,):
        message = error["msg"].replace("String should", "should")
        yield path, mistake_at(tree, path[:-1], f"the name {message}, got '{path[-2]}'")
    else:
        message = _WORDING.get(error["type"], error["msg"].removeprefix("Value error, "))
        message = message.replace("Input should", "should").replace("String should", "should")
        choices = re.findall(r"'([^']*)'", error.get("ctx", {}).get("expected", ""))
        yield path, _with_value(tree, path, message, choices)


def mistake_at(tree: YamlNode, path: Path, message: str) -> Mistake:
    """Return a mistake placed at an option, or at the innermost section around it."""
    node, _ = tree.find(path)
    return Mistake(node.place, ".".join(map(str, path)), message)


def _with_value(tree: YamlNode, path: Path, message: str, choices: Iterable[str] = ()) -> Mistake:
    node, used = tree.find(path)
    if used == len(path):
        message += f", got {show(node)}"
        message += did_you_mean(node.text or "", choices)
    return mistake_at(tree, path, message)


def _unknown_option(tree: YamlNode, path: Path) -> str:
    """Say what an unknown key could have been: a neighbour, another kind's, or one elsewhere."""
    *parents, key = (str(step) for step in path)
    spot: Spot | None = ROOT
    for parent in parents:
        spot = spot.child(parent) if spot is not None else None
    assert spot is not None, "pydantic went where our walk cannot"
    section_node, _ = tree.find(path[:-1])
    kind = section_node.value.get("kind") if isinstance(section_node.value, dict) else None
    kind_name = spot.default_kind if kind is None else kind.text
    section = spot.of_kind(kind_name) or spot.sections[0]
    neighbour = did_you_mean(key, section.model_fields)
    if neighbour:
        return f"unknown option{neighbour}"
    for other in spot.sections:
        if key in other.model_fields:
            its_kind = other.model_fields["kind"].default
            return f"unknown option of kind '{kind_name}'; it belongs to kind '{its_kind}'"
    elsewhere = [name for name in option_names() if name.rpartition(".")[2] == key]
    if elsewhere:
        return f"unknown option here (did you mean '{elsewhere[0]}'?)"
    return f"unknown option; there is {', '.join(section.model_fields)}"


def _near_name(tree: YamlNode, path: Path) -> str:
    """Suggest a name for one that an override misspelt, and so made."""
    if len(path) < 3:
        return ""
    node, _ = tree.find(path[:-1])
    group, _ = tree.find(path[:-2])
    if node.place.source != COMMAND_LINE or not isinstance(group.value, dict):
        return ""
    return did_you_mean(str(path[-2]), (name for name in group.value if name != path[-2]))
