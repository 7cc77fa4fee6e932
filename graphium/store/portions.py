"""Which segments each part of a divided preparation makes, and the commands that make them."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path

from graphium.errors import UsageError
from graphium.store.files import canonical_json, write_atomic
from graphium.store.layout import MAX_SEGMENTS, PARTS
from graphium.store.records import Plan


@dataclass(frozen=True, slots=True)
class Part:
    """Part ``number`` of ``count``, counted from 1."""

    number: int
    count: int

    @staticmethod
    def parse(text: str) -> "Part":
        """Read ``K/N``.

        Raises:
            UsageError: If it is something else.
        """
        number, slash, count = text.partition("/")
        if slash and number.isdecimal() and count.isdecimal() and 1 <= int(number) <= int(count):
            return Part(int(number), int(count))
        raise UsageError(
            f"--part is '{text}'; it is K/N, part K of N, counted from 1: --part 1/{count or 8}."
        )

    def segments(self, plan: Plan) -> range:
        """Return its segments: consecutive ones, as many as any other part has, or one more."""
        each, more = divmod(plan.num_segments, self.count)
        before = self.number - 1
        first = before * each + min(before, more)
        return range(first, first + each + (before < more))


@dataclass(frozen=True, slots=True)
class Division:
    """How a store is divided: what ``parts.json`` holds."""

    command: str
    """Prepares the store; with ``--part K/N`` a part of it."""
    folder: str
    """Where it is called."""
    count: int
    """Parts."""

    def command_of(self, part: int) -> str:
        """Return the command that makes a part."""
        return f"{self.command} --part {part}/{self.count}"

    def parts_of(self, plan: Plan, segments: Iterable[int]) -> list[int]:
        """Return the parts that make these segments, in order."""
        wanted = list(segments)
        return [
            number
            for number in range(1, min(self.count, plan.num_segments) + 1)
            if any(one in Part(number, self.count).segments(plan) for one in wanted)
        ]


def note_division(store: Path, division: Division, writer: str) -> None:
    """Keep the command beside the segments, so that it can be said which one is to be repeated."""
    write_atomic(store / PARTS, canonical_json(asdict(division)), writer)


def noted_division(store: Path) -> Division | None:
    """Return how the last part that was started divided the store, if any was."""
    try:
        found = Division(**json.loads((store / PARTS).read_bytes()))
    except (FileNotFoundError, ValueError, TypeError, RecursionError):  # it only serves messages
        return None
    is_whole = isinstance(found.count, int) and 0 < found.count <= MAX_SEGMENTS
    return found if is_whole else None
