"""YAML text to a tree of values that know where they were written.

PyYAML parses and we decide what a scalar means, after the core schema of YAML 1.2.2 (section
10.3): ``4e-5`` is a number, only ``true`` and ``false`` are booleans, and ``no`` and ``on`` are
text. Beyond YAML, keys are always text, numbers are finite, and tags and ``<<`` are refused.
"""

import math
import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

MAX_NODES = 100_000
"""Values in one file after aliases are expanded; more is an alias bomb, not an experiment."""
MAX_DEPTH = 40
"""Levels of nesting; an alias that contains itself has no end of them."""

_TAGS = {f"tag:yaml.org,2002:{name}" for name in ("str", "seq", "map")}
_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_NUMBERS: tuple[tuple[re.Pattern[str], Callable[[str], int | float]], ...] = (
    (re.compile(r"[-+]?[0-9]+"), int),
    (re.compile(r"0[ox][0-9a-fA-F]+"), lambda text: int(text, 0)),
    (re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?"), float),
)

Scalar = None | bool | int | float | str

COMMAND_LINE = "command line"
"""Source of what is written as ``key=value``; it has no lines."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written; lines and columns count from 1, a line of 0 is the whole file."""

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        has_line = self.line > 0 and self.source != COMMAND_LINE
        return f"{self.source}:{self.line}" if has_line else self.source


@dataclass(frozen=True, slots=True)
class Mistake:
    """One thing to mend."""

    place: Place
    key: str
    """Dotted name of the option; empty when it concerns the whole file."""
    message: str

    def __str__(self) -> str:
        owner = f"{self.key}: " if self.key else ""
        return f"{self.place}  {owner}{self.message}"


class UnreadableError(Exception):
    """The text cannot be used at all; carries the reason as a ``Mistake``."""

    def __init__(self, mistake: Mistake) -> None:
        super().__init__(str(mistake))
        self.mistake = mistake


@dataclass(frozen=True, slots=True)
class YamlNode:
    """A scalar, a list or a mapping, and where it (in a mapping: its key) is written."""

    value: "Scalar | list[YamlNode] | dict[str, YamlNode]"
    place: Place
    text: str | None = None
    """What was written, for a scalar: what a text option gets, whatever the value looks like."""

    def find(self, keys: tuple[str | int, ...]) -> "tuple[YamlNode, int]":
        """Follow the keys as far as they lead; returns the last node and how many were used."""
        node = self
        for used, key in enumerate(keys):
            if isinstance(node.value, dict) and key in node.value:
                node = node.value[str(key)]
            elif isinstance(node.value, list) and isinstance(key, int) and key < len(node.value):
                node = node.value[key]
            else:
                return node, used
        return node, len(keys)


class _Loader(yaml.SafeLoader):
    """Leaves every scalar text; ``scalar`` says what it means."""

    yaml_implicit_resolvers = {}


def scalar(text: str) -> Scalar:
    """Return what an unquoted scalar means."""
    if text in _WORDS:
        return _WORDS[text]
    for pattern, number in _NUMBERS:
        if pattern.fullmatch(text):
            try:
                value = number(text)
            except ValueError:  # 0o9, or more digits than Python converts
                return text
            return value if isinstance(value, int) or math.isfinite(value) else text
    return text


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
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        place = Place(source, mark.line + 1, mark.column + 1) if mark else Place(source)
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        raise _unreadable(place, f"not YAML at column {place.column}: {problem}") from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        found = f"character #x{error.character:04x}"
        raise _unreadable(Place(source, line), f"not text: {found} is not allowed") from error
    except RecursionError as error:
        raise _unreadable(Place(source), f"nested deeper than {MAX_DEPTH} levels") from error
    builder = _Builder(source)
    return (None if root is None else builder.build(root, "", 0)), builder.mistakes


def _unreadable(place: Place, message: str) -> UnreadableError:
    return UnreadableError(Mistake(place, "", message))


class _Builder:
    """Turns PyYAML's nodes into ours and notes the mistakes on the way."""

    def __init__(self, source: str) -> None:
        self.source = source
        self.mistakes: list[Mistake] = []
        self.count = 0

    def build(self, node: yaml.Node, key: str, depth: int) -> YamlNode:
        place = self.place(node)
        self.count += 1
        if self.count > MAX_NODES:
            raise _unreadable(place, f"more than {MAX_NODES} values after aliases are expanded")
        if depth > MAX_DEPTH:
            raise _unreadable(place, f"nested deeper than {MAX_DEPTH} levels")
        if node.tag not in _TAGS:
            tag = node.tag.replace("tag:yaml.org,2002:", "!!")
            self.mistakes.append(Mistake(place, key, f"tags are not allowed, got {tag}"))
        if isinstance(node, yaml.MappingNode):
            return YamlNode(self.build_mapping(node, key, depth), place)
        if isinstance(node, yaml.SequenceNode):
            items = [self.build(item, f"{key}.{i}", depth + 1) for i, item in enumerate(node.value)]
            return YamlNode(items, place)
        assert isinstance(node, yaml.ScalarNode), "YAML has three kinds of nodes"
        text = self.text(node)
        return YamlNode(text if node.style is not None else scalar(text), place, text)

    def build_mapping(self, node: yaml.MappingNode, key: str, depth: int) -> dict[str, YamlNode]:
        entries: dict[str, YamlNode] = {}
        for key_node, value_node in node.value:
            place = self.place(key_node)
            if not isinstance(key_node, yaml.ScalarNode):
                self.mistakes.append(Mistake(place, key, "a key must be a word, not a collection"))
                continue
            name = self.text(key_node)
            dotted = f"{key}.{name}" if key else name
            child = self.build(value_node, dotted, depth + 1)
            if name == "<<" and key_node.style is None:
                message = "merge keys are not supported; use extends, or repeat the options"
                self.mistakes.append(Mistake(place, dotted, message))
            elif name in entries:
                message = f"written twice; first at {entries[name].place}"
                self.mistakes.append(Mistake(place, dotted, message))
            else:
                entries[name] = YamlNode(child.value, place, child.text)
        return entries

    def text(self, node: yaml.ScalarNode) -> str:
        text = str(node.value)
        if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
            raise _unreadable(self.place(node), "not text: an escape is half of a character")
        return text

    def place(self, node: yaml.Node) -> Place:
        return Place(self.source, node.start_mark.line + 1, node.start_mark.column + 1)
