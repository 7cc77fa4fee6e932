"""Mistakes of an experiment: where each is, how it reads, and the one error that lists them all."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from graphium.errors import ConfigError

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


def config_error(mistakes: Iterable[Mistake], where: str = "experiment") -> ConfigError:
    """Return one error that lists all mistakes, in the order of files and lines."""
    ordered = sorted(
        dict.fromkeys(mistakes),
        key=lambda one: (one.place.source == COMMAND_LINE, one.place.source, one.place.line),
    )
    count = f"{len(ordered)} mistakes" if len(ordered) > 1 else "1 mistake"
    lines = "".join(f"\n  {mistake}" for mistake in ordered)
    return ConfigError(f"{count} in the {where}:{lines}")


def show_path(path: Path) -> str:
    """Return the path relative to the working directory where it lies below it."""
    full = os.path.abspath(path)
    below = os.path.relpath(full)
    return full if below.startswith(os.pardir) else below
