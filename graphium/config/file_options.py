"""Options that name files: ``$VARIABLES`` and ``~`` in them are expanded."""

import os
import re
from collections.abc import Iterator
from typing import Any

from graphium.config.mistakes import Path, mistake_at
from graphium.config.yaml_nodes import Mistake, YamlNode

_PATTERNS = (
    ("datasets", "*", "table"), ("datasets", "*", "split", "file"), ("finetune", "checkpoint"),
)  # fmt: skip


def _file_options(values: Any) -> Iterator[tuple[dict[str, str], str, Path]]:
    """Yield (holder, key, path) of every option that names a file."""
    for pattern in _PATTERNS:
        holders: list[tuple[Any, tuple[str, ...]]] = [(values, ())]
        for step in pattern[:-1]:
            holders = [
                (holder[key], (*path, key))
                for holder, path in holders
                if isinstance(holder, dict)
                for key in (holder if step == "*" else [step])
                if key in holder
            ]
        for holder, path in holders:
            if isinstance(holder, dict) and isinstance(holder.get(pattern[-1]), str):
                yield holder, pattern[-1], (*path, pattern[-1])


def expand_variables(values: Any, tree: YamlNode, found: list[Mistake]) -> None:
    """Expand in place; ``$$`` stands for a dollar, a variable that is not set is a mistake."""
    for holder, key, path in _file_options(values):
        written = holder[key]

        def expand(match: re.Match[str], path: Path = path, written: str = written) -> str:
            name = match[1] or match[2]
            if name is None:
                return "$"
            if name not in os.environ:
                message = f"the environment variable {name} is not set, got '{written}'"
                found.append(mistake_at(tree, path, message))
            return os.environ.get(name, match[0])

        expanded = re.sub(r"\$(?:\$|(\w+)|\{(\w+)\})", expand, written)
        holder[key] = os.path.expanduser(expanded)


def escape_variables(values: Any) -> None:
    """Undo ``expand_variables``, in place: what is written out means the same when read again."""
    for holder, key, _ in _file_options(values):
        holder[key] = holder[key].replace("$", "$$")
