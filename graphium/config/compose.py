"""Files that extend each other and ``key=value`` overrides, merged into one tree."""

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graphium.config.mistakes import show
from graphium.config.options import ROOT, Spot
from graphium.config.suggest import did_you_mean
from graphium.config.yaml_nodes import (
    COMMAND_LINE,
    Mistake,
    Place,
    UnreadableError,
    YamlNode,
    read_yaml,
)


def read_file(
    path: Path, found: list[Mistake], asked: Place | None = None, chain: tuple[Path, ...] = ()
) -> YamlNode:
    """Read a file and the files it extends.

    Args:
        path: The file.
        found: Takes the mistakes that do not prevent reading on.
        asked: Place of the ``extends`` that names this file.
        chain: The files that led here.

    Raises:
        UnreadableError: When this file, or one it extends, cannot be read at all.
    """
    name = _display(path)
    blame = Mistake(asked or Place(name), "extends" if asked else "", "")
    text = _read_text(path, blame)
    chain = (*chain, path.resolve())
    if path.resolve() in chain[:-1]:
        circle = " -> ".join(_display(one) for one in chain[chain.index(path.resolve()) :])
        raise UnreadableError(replace(blame, message=f"files extend each other: {circle}"))
    node, problems = read_yaml(text, name)
    found.extend(problems)
    if node is None or not isinstance(node.value, dict):
        what = "the file is empty" if node is None else f"got {show(node)}"
        message = f"an experiment is made of 'key: value' lines; {what}"
        raise UnreadableError(Mistake(Place(name), "", message))
    entries = dict(node.value)
    parents = entries.pop("extends", None)
    tree = YamlNode({}, node.place)
    for parent in _extended(parents, found):
        base = path.parent / str(parent.value)
        tree = merge(tree, read_file(base, found, parent.place, chain), ROOT)
    return merge(tree, YamlNode(entries, node.place), ROOT)


def _extended(parents: YamlNode | None, found: list[Mistake]) -> list[YamlNode]:
    if parents is None:
        return []
    items = parents.value if isinstance(parents.value, list) else [parents]
    if all(isinstance(item.value, str) for item in items):
        return items
    message = f"should be a file or a list of files, got {show(parents)}"
    found.append(Mistake(parents.place, "extends", message))
    return []


def _read_text(path: Path, blame: Mistake) -> str:
    try:
        return path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        message = "not UTF-8 text; save the file as UTF-8"
        raise UnreadableError(Mistake(Place(_display(path), line), "", message)) from error
    except FileNotFoundError as error:
        message = f"there is no file '{_display(path)}'"
        if path.parent.is_dir():
            siblings = (
                one.name
                for one in path.parent.iterdir()
                if one.is_file() and _display(one) != blame.place.source
            )
            message += did_you_mean(path.name, siblings)
        raise UnreadableError(replace(blame, message=message)) from error
    except OSError as error:
        message = f"cannot read '{_display(path)}': {error.strerror}"
        raise UnreadableError(replace(blame, message=message)) from error


def _display(path: Path) -> str:
    """Return the path relative to the working directory where it lies below it."""
    full = os.path.abspath(path)
    below = os.path.relpath(full)
    return full if below.startswith(os.pardir) else below


def merge(base: YamlNode, over: YamlNode, spot: Spot | None) -> YamlNode:
    """Lay one tree over another; ``spot`` knows the kind of a section that does not say it."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if spot is not None and spot.has_kinds and "kind" in over.value:
        kind = base.value["kind"].value if "kind" in base.value else spot.default_kind
        if over.value["kind"].value != kind:
            return over
    merged = dict(base.value)
    for key, node in over.value.items():
        child = spot.child(key) if spot is not None else None
        merged[key] = merge(merged[key], node, child) if key in merged else node
    return YamlNode(merged, base.place if over.place.source == COMMAND_LINE else over.place)


def read_overrides(overrides: Sequence[str], found: list[Mistake]) -> YamlNode:
    """Read ``dotted.key=value`` words into one tree; the last of equal keys wins."""
    place = Place(COMMAND_LINE)
    tree = YamlNode({}, place)
    for override in overrides:
        dotted, equals, text = override.partition("=")
        keys = dotted.split(".")
        if not equals or not all(keys):
            found.append(Mistake(place, "", f"'{override}' is not of the form dotted.key=value"))
            continue
        try:
            node, problems = read_yaml(text, COMMAND_LINE)
        except UnreadableError as error:
            found.append(replace(error.mistake, key=dotted))
            continue
        found.extend(replace(problem, key=dotted) for problem in problems)
        if _leads_to_an_option(keys, dotted, found):
            node = node or YamlNode(None, place, "")
            for key in reversed(keys):
                node = YamlNode({key: node}, place)
            tree = merge(tree, node, None)
    return tree


def _leads_to_an_option(keys: Sequence[str], dotted: str, found: list[Mistake]) -> bool:
    """Refuse keys that go through a single value or a list; unknown ones are found later."""
    spot: Spot | None = ROOT
    for used, key in enumerate(keys):
        if spot is not None and not spot.sections and spot.names is None:
            owner = ".".join(keys[:used])
            message = f"'{owner}' holds one value, not options; there is no '{key}' in it"
            if spot.is_list:
                message = f"'{owner}' is a list; give all of it: {owner}=[...]"
            found.append(Mistake(Place(COMMAND_LINE), dotted, message))
            return False
        spot = spot.child(key) if spot is not None else None
    return True
