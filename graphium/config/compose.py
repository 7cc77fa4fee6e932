"""Files that extend each other and ``key=value`` overrides, merged into one tree."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from graphium.config.clashes import two_of_a_name
from graphium.config.explain import dead_end, show
from graphium.config.mistakes import COMMAND_LINE, Mistake, Place, show_path
from graphium.config.options import ROOT, UNKNOWN, Spot
from graphium.config.unreadable import UnreadableError, read_text
from graphium.config.yaml_nodes import YamlNode, read_yaml


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
    name = show_path(path)
    blamed, key = (asked, "extends") if asked else (Place(name), "")
    chain = (*chain, path.resolve())
    if chain[-1] in chain[:-1]:
        circle = " -> ".join(map(show_path, chain[chain.index(chain[-1]) :]))
        raise UnreadableError(blamed, f"files extend each other: {circle}", key)
    text = read_text(path, blamed, key)
    node, mistakes = read_yaml(text, name)
    found.extend(mistakes)
    if node is None or not isinstance(node.value, dict):
        what = "the file is empty" if node is None else f"got {show(node)}"
        message = f"an experiment is made of 'key: value' lines; {what}"
        raise UnreadableError(Place(name), message)
    extends = node.value.pop("extends", YamlNode([], node.place))
    parents = extends.value if isinstance(extends.value, list) else [extends]
    if not all(isinstance(one.value, str) and "\0" not in one.value for one in parents):
        message = f"should be a file or a list of files, got {show(extends)}"
        found.append(Mistake(extends.place, "extends", message))
        parents = []
    tree = YamlNode({}, node.place)
    for parent in parents:
        base = read_file(path.parent / str(parent.value), found, parent.place, chain)
        found.extend(two_of_a_name(tree, base))
        tree = merge(tree, base, ROOT)
    return merge(tree, node, ROOT)


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
        if reason := dead_end(keys):
            found.append(Mistake(place, dotted, reason))
            continue
        try:
            node, mistakes = read_yaml(text, COMMAND_LINE)
        except UnreadableError as error:
            found.append(replace(error.mistake, key=dotted))
            continue
        found.extend(replace(mistake, key=dotted) for mistake in mistakes)
        node = node or YamlNode(None, place, "")
        for key in reversed(keys):
            node = YamlNode({key: node}, place)
        tree = merge(tree, node, UNKNOWN)
    return tree


def merge(base: YamlNode, over: YamlNode, spot: Spot) -> YamlNode:
    """Lay one tree over another; ``spot`` knows the kind of a section that does not say it."""
    if not isinstance(base.value, dict) or not isinstance(over.value, dict):
        return over
    if spot.has_kinds and over.kind not in (None, base.kind or spot.default_kind):
        return over
    merged = dict(base.value)
    for key, node in over.value.items():
        merged[key] = merge(merged[key], node, spot.child(key)) if key in merged else node
    return YamlNode(merged, base.place if over.place.source == COMMAND_LINE else over.place)
