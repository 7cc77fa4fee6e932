"""How a worker tells its parent which row it is at, and what bounds its memory (in a worker).

The two share eight bytes of memory. A row that never ends, or that ends the process, is named by
what stands there; telling costs a fraction of a microsecond.
"""

import mmap
import struct
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar, overload

from graphium.store.faults import Fault, commit

if sys.platform != "win32":
    import resource

_Text = TypeVar("_Text", bound=str | None)

BEAT = struct.Struct("=q")
"""Layout of the shared memory: a row, or one of the following."""
IDLE = -1
"""No row is being worked on: nothing is watched."""
SOME = -2
"""Several rows are being worked on together."""

_MOST_MEMORY = 2**62
"""Bytes; no address space is as large."""


class Watch:
    """Says which row is being worked on.

    Args:
        beat: Memory that the parent reads.
        memory: GB that the process may take beyond what it has when work begins.
        faults: What rows with these SMILES do, in tests.
    """

    def __init__(
        self, beat: mmap.mmap | bytearray, memory: float, faults: Mapping[str, Fault]
    ) -> None:
        self._beat = beat
        self._memory = memory
        self._faults = faults
        self._row = IDLE
        self._passes = 0

    @contextmanager
    def working(self) -> Iterator[None]:
        """Be watched, with bounded memory, while the body runs."""
        self.at(SOME)
        with _bounded_memory(self._memory):
            yield
        self.at(IDLE)

    def at(self, row: int, smiles: str | None = None) -> None:
        """Say that work on this row begins."""
        self._row = row
        BEAT.pack_into(self._beat, 0, row)
        if smiles is not None and smiles in self._faults:
            commit(self._faults[smiles])

    @contextmanager
    def passing(self) -> Iterator[None]:
        """Go through rows in the body; a pass inside a row of another pass belongs to that row."""
        before, self._passes = self._row, self._passes + 1
        try:
            yield
        finally:
            self._passes -= 1
            self.at(before if self._passes else SOME)

    def silent(self) -> "Watch":
        """Return one that nobody sees: the row stays that which was named last."""
        return Watch(bytearray(BEAT.size), self._memory, {})

    def over(self, smiles: Sequence[_Text], rows: Sequence[int]) -> Sequence[_Text]:
        """Return the same SMILES, watched: whoever goes through them says where they are.

        Args:
            smiles: SMILES of some rows.
            rows: Number of each.
        """
        return _Watched(self, smiles, rows)


class _Watched(Sequence[_Text]):
    def __init__(self, watch: Watch, smiles: Sequence[_Text], rows: Sequence[int]) -> None:
        assert len(smiles) == len(rows), "one number for each"
        self._watch = watch
        self._smiles = smiles
        self._rows = rows

    def __len__(self) -> int:
        return len(self._smiles)

    def __iter__(self) -> Iterator[_Text]:
        with self._watch.passing():
            for row, text in zip(self._rows, self._smiles, strict=True):
                self._watch.at(row, text)
                yield text

    @overload
    def __getitem__(self, position: int) -> _Text: ...
    @overload
    def __getitem__(self, position: slice) -> Sequence[_Text]: ...
    def __getitem__(self, position: int | slice) -> _Text | Sequence[_Text]:
        if isinstance(position, slice):
            return _Watched(self._watch, self._smiles[position], self._rows[position])
        self._watch.at(self._rows[position], self._smiles[position])
        return self._smiles[position]


@contextmanager
def _bounded_memory(gigabytes: float) -> Iterator[None]:
    """Bound the address space while the body runs, where the system tells its size (Linux).

    Threads that compress arrays reserve far more than they use, so the bound is not left in force.
    """
    taken = Path("/proc/self/statm")
    if not taken.exists():
        yield
        return
    before: tuple[int, int] = resource.getrlimit(resource.RLIMIT_AS)
    size = int(taken.read_text().split()[0]) * mmap.PAGESIZE
    # More than the system can count, infinity among it, is no bound.
    bound = size + int(min(gigabytes * 2**30, _MOST_MEMORY))
    soft = bound if before[0] == resource.RLIM_INFINITY else min(bound, before[0])
    resource.setrlimit(resource.RLIMIT_AS, (soft, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
