"""Why a text cannot be used at all, in the user's words: errors of the system and of PyYAML."""

import os
from pathlib import Path

import yaml

from graphium.config.mistakes import Mistake, Place, show_path
from graphium.config.suggest import did_you_mean

MAX_BYTES = 1 << 20
"""Of one file: tables are named in an experiment, not written into it."""
MAX_NODES = 100_000
"""Keys and values in one file after aliases are expanded; more is an alias bomb."""
MAX_DEPTH = 40
"""Levels of nesting in YAML; an alias that contains itself has no end of them."""
_TOO_DEEP = f"nested deeper than {MAX_DEPTH} levels"


class UnreadableError(Exception):
    """The text cannot be used at all; carries the reason as a ``Mistake``."""

    def __init__(self, place: Place, message: str, key: str = "") -> None:
        self.mistake = Mistake(place, key, message)
        super().__init__(str(self.mistake))


def read_text(path: Path, asked: Place, key: str = "") -> str:
    """Return what stands in a file of YAML, without looking further into one that is too large.

    Args:
        path: The file.
        asked: Who asked for it.
        key: The option that names it, if one does.

    Raises:
        UnreadableError: There is no such file, or it is not one of text, or too large.
    """
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise UnreadableError(
                Place(show_path(path)),
                f"larger than {MAX_BYTES >> 20} MB, which no experiment needs; name tables and "
                "patterns of columns ('assay_*') instead of writing out what they hold",
            )
        return content.decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable_file(path, error, asked, key) from error


def unreadable_file(
    path: Path, error: OSError | UnicodeDecodeError, asked: Place, key: str
) -> UnreadableError:
    """Explain why a file cannot be read.

    Args:
        path: The file.
        error: What reading it raised.
        asked: Who asked for the file.
        key: The option that names it, if one does.
    """
    if isinstance(error, UnicodeDecodeError):
        line = error.object.count(b"\n", 0, error.start) + 1
        place = Place(show_path(path), line)
        return UnreadableError(place, "not UTF-8 text; save the file as UTF-8")
    if isinstance(error, FileNotFoundError):
        return UnreadableError(asked, no_file(path, besides=asked.source), key)
    return UnreadableError(asked, f"cannot read '{show_path(path)}': {error.strerror}", key)


def no_file(path: Path, besides: str = "") -> str:
    """Say that there is no such file, and suggest a sibling other than ``besides``."""
    folder = path.parent
    files = [one for one in folder.iterdir() if one.is_file()] if os.path.isdir(folder) else []
    names = (one.name for one in files if show_path(one) != besides)
    return f"there is no file '{show_path(path)}'{did_you_mean(path.name, names)}"


def unreadable_yaml(
    text: str, error: yaml.YAMLError | RecursionError, source: str
) -> UnreadableError:
    """Explain why a text is not YAML.

    Args:
        text: The text.
        error: What PyYAML raised.
        source: Where the text comes from.
    """
    if isinstance(error, yaml.reader.ReaderError):
        place = Place(source, text.count("\n", 0, error.position) + 1)
        return UnreadableError(place, f"not text: character #x{error.character:04x} is not allowed")
    if isinstance(error, yaml.MarkedYAMLError):
        mark = error.problem_mark or error.context_mark
        assert mark is not None, "PyYAML knows where"
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        place = Place(source, mark.line + 1, mark.column + 1)
        return UnreadableError(place, f"not YAML at column {place.column}: {problem}")
    return UnreadableError(Place(source), _TOO_DEEP)


def refuse_excess(nodes: int, depth: int, place: Place) -> None:
    """Refuse what no experiment needs.

    Args:
        nodes: Keys and values so far, aliases expanded.
        depth: Levels of nesting.
        place: What was read last.

    Raises:
        UnreadableError: There are too many.
    """
    if nodes > MAX_NODES:
        raise UnreadableError(place, f"more than {MAX_NODES} values after aliases are expanded")
    if depth > MAX_DEPTH:
        raise UnreadableError(place, _TOO_DEEP)
