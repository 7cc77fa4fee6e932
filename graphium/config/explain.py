"""Pydantic's errors in the user's words: where, which option, what was found, what was meant."""

import json
import re
from collections.abc import Iterable, Iterator, Sequence

from pydantic_core import ErrorDetails

from graphium.config.mistakes import COMMAND_LINE, Mistake
from graphium.config.options import RENAMED, ROOT, Spot, option_names
from graphium.config.suggest import did_you_mean
from graphium.config.yaml_nodes import Keys, YamlNode
from graphium.errors import FieldError, GroupedFieldError

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
    children = {key: plain(child) for key, child in node.children.items()}
    if isinstance(node.value, list):
        return list(children.values())
    return children if isinstance(node.value, dict) else node.value


def option_path(location: Keys, root: Spot = ROOT) -> Keys:
    """Remove the names of kinds and forms that pydantic puts into the location of an error."""
    path: list[str | int] = []
    spot = root
    for step in location:
        section = spot.of_kind(step) if len(spot.sections) > 1 else None
        if section is not None:
            spot = Spot(section)
            continue
        if isinstance(step, str) and spot.item is not None:  # one form of what may be a list
            continue
        path.append(step)
        spot = spot.child(step)
    return tuple(path)


def explain(
    error: ErrorDetails, tree: YamlNode, root: Spot = ROOT
) -> Iterator[tuple[Keys, Mistake]]:
    """Yield the mistakes of one of pydantic's errors.

    Args:
        error: What pydantic found.
        tree: The file as it was written.
        root: What the whole file may be.

    Yields:
        The value to leave out before looking for further mistakes, and the mistake.
    """
    path = option_path(error["loc"], root)
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
        yield path, mistake_at(tree, path, _unknown_option(tree, path, root))
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


def mistake_at(tree: YamlNode, path: Keys, message: str) -> Mistake:
    """Return a mistake placed at an option, or at the innermost section around it."""
    node, _ = tree.find(path)
    return Mistake(node.place, ".".join(map(str, path)), message)


def dead_end(keys: Sequence[str]) -> str:
    """Say why keys go through a single value or a list; nothing where they do not.

    Keys that no section has go through: they are found later, with all that is written.
    """
    spot = ROOT
    for used, key in enumerate(keys):
        owner = ".".join(keys[:used])
        if spot.item is not None:
            return f"'{owner}' is a list; give all of it: {owner}=[...]"
        if spot.is_value:
            return f"'{owner}' holds one value, not options; there is no '{key}' in it"
        spot = spot.child(key)
    return ""


def _with_value(tree: YamlNode, path: Keys, message: str, choices: Iterable[str] = ()) -> Mistake:
    node, left_over = tree.find(path)
    if not left_over:
        message += f", got {show(node)}"
        message += did_you_mean(node.text or "", choices)
    return mistake_at(tree, path, message)


def _unknown_option(tree: YamlNode, path: Keys, root: Spot) -> str:
    """Say what an unknown key could have been: a neighbour, another kind's, or one elsewhere."""
    now = RENAMED.get(".".join(map(str, path)))
    if now is not None:
        return f"unknown option (did you mean '{now}'?)"
    *parents, key = path
    spot = root
    for parent in parents:
        spot = spot.child(parent)
    assert spot.sections, "pydantic went where our walk cannot"
    kind_name = tree.find(tuple(parents))[0].kind or spot.default_kind
    section = spot.of_kind(kind_name) or spot.sections[0]
    neighbour = did_you_mean(str(key), section.model_fields)
    if neighbour:
        return f"unknown option{neighbour}"
    for other in spot.sections:
        if key in other.model_fields:
            its_kind = other.model_fields["kind"].default
            return f"unknown option of kind '{kind_name}'; it belongs to kind '{its_kind}'"
    elsewhere = [name for name in option_names(root) if name.rpartition(".")[2] == key]
    if elsewhere:
        return f"unknown option here (did you mean '{elsewhere[0]}'?)"
    return f"unknown option; there is {', '.join(section.model_fields)}"


def _near_name(tree: YamlNode, path: Keys) -> str:
    """Suggest a name for one that an override misspelt, and so made."""
    if len(path) < 3:
        return ""
    node, _ = tree.find(path[:-1])
    group, _ = tree.find(path[:-2])
    if node.place.source != COMMAND_LINE:
        return ""
    return did_you_mean(str(path[-2]), (str(key) for key in group.children if key != path[-2]))
