"""YAML text to a tree of values that know where they were written.

PyYAML parses and we decide what a scalar means, after the core schema of YAML 1.2.2 (section
10.3): ``4e-5`` is a number, only ``true`` and ``false`` are booleans, and ``no`` and ``on`` are
text. Beyond YAML, keys are always text, numbers are finite, and tags and ``<<`` are refused.
"""

import math
import re
from dataclasses import dataclass, replace

import yaml

from graphium.config.bounded_yaml import BoundedLoader
from graphium.config.mistakes import Mistake, Place
from graphium.config.unreadable import UnreadableError, refuse_excess, unreadable_yaml

_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map")}
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_DECIMAL = re.compile(r"[-+]?[0-9]+")
_PREFIXED = re.compile(r"0o[0-7]+|0x[0-9a-fA-F]+")
_MOST_DIGITS = 1_000
"""Longer numbers with a prefix are text, as others with more digits than Python prints are."""
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")

Scalar = None | bool | int | float | str
Keys = tuple[str | int, ...]
"""Keys (and positions in lists) that lead to one value."""


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A scalar, a list or a mapping, and where it (in a mapping: its key) is written."""

    value: "Scalar | list[YamlNode] | dict[str | int, YamlNode]"
    place: Place
    text: str | None = None
    """What was written, for a scalar: what a text option gets, whatever the value looks like."""

    @property
    def children(self) -> "dict[str | int, YamlNode]":
        """What stands one level deeper, by key or by position."""
        if isinstance(self.value, list):
            return dict(enumerate(self.value))
        return self.value if isinstance(self.value, dict) else {}

    @property
    def kind(self) -> str | None:
        """The ``kind`` that a section says it is of, as it is written."""
        return self.children["kind"].text if "kind" in self.children else None

    def find(self, keys: Keys) -> "tuple[YamlNode, Keys]":
        """Follow the keys as far as they lead; returns the last node and the keys left over."""
        if keys and keys[0] in self.children:
            return self.children[keys[0]].find(keys[1:])
        return self, keys


def scalar(text: str) -> Scalar:
    """Return what an unquoted scalar means."""
    try:
        if _DECIMAL.fullmatch(text):
            return int(text)
        if _PREFIXED.fullmatch(text) and len(text) < _MOST_DIGITS:
            return int(text, 0)
    except ValueError:  # more digits than Python converts
        return text
    if _FLOAT.fullmatch(text) and math.isfinite(number := float(text)):
        return number
    return _WORDS.get(text, text)


def read_yaml(text: str, source: str) -> tuple[YamlNode | None, list[Mistake]]:
    """Parse one document.

    Args:
        text: The YAML.
        source: Name of the file for places, or ``command line``.

    Returns:
        The tree, or None when the document is empty, and the mistakes found in it (keys written
        twice, tags). The tree is complete apart from them.

    Raises:
        UnreadableError: On bad syntax, too many or too deeply nested values.
    """
    try:
        root = BoundedLoader(text, source).get_single_node()
    except (yaml.YAMLError, RecursionError) as error:
        raise unreadable_yaml(text, error, source) from error
    builder = _Builder(source)
    return (None if root is None else builder.build(root, ())), builder.mistakes


class _Builder:
    """Turns PyYAML's nodes into ours and notes the mistakes on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.mistakes: list[Mistake] = []
        self.count = 0

    def note(self, place: Place, keys: Keys, message: str) -> None:
        self.mistakes.append(Mistake(place, ".".join(map(str, keys)), message))

    def build(self, node: yaml.Node, keys: Keys) -> YamlNode:
        place = Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)
        self.count += 1
        refuse_excess(self.count, len(keys), place)
        if node.tag not in _TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.note(place, keys, f"tags are not allowed, got {tag}")
        if isinstance(node, yaml.MappingNode):
            return YamlNode(self.build_mapping(node, keys), place)
        if isinstance(node, yaml.SequenceNode):
            items = [self.build(item, (*keys, i)) for i, item in enumerate(node.value)]
            return YamlNode(items, place)
        assert isinstance(node, yaml.ScalarNode), "YAML has three kinds of nodes"
        if re.search("[\ud800-\udfff]", node.value):
            raise UnreadableError(place, "not text: an escape is half of a character")
        return YamlNode(scalar(node.value) if node.style is None else node.value, place, node.value)

    def build_mapping(self, node: yaml.MappingNode, keys: Keys) -> dict[str | int, YamlNode]:
        entries: dict[str | int, YamlNode] = {}
        for key_node, value_node in node.value:
            key = self.build(key_node, keys)
            if not isinstance(key_node, yaml.ScalarNode) or key.text is None:
                self.note(key.place, keys, "a key must be a word, not a collection")
                continue
            inner = (*keys, key.text)
            value = self.build(value_node, inner)
            if key.text == "<<" and key_node.style is None:
                message = "merge keys are not supported; use extends, or repeat the options"
                self.note(key.place, inner, message)
            elif key.text in entries:
                self.note(key.place, inner, f"written twice; first at {entries[key.text].place}")
            else:
                entries[key.text] = replace(value, place=key.place)
        return entries
