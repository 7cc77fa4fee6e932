"""Segments of stores in memory: those in use, and the next one, which a thread reads ahead.

All stand in one ``PackedGraphs`` and one ``TaskData`` for each task, each segment in a slot of its
own, so that a batch of rows of several segments is cut like any other. Slots are as large as the
largest segment and are used again and again: memory does not grow with the data.
"""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.pack import PackedGraphs
from graphium.batching.task_data import TaskData
from graphium.graphs.mol_block import offsets


@final
@dataclass(frozen=True, slots=True)
class Segment:
    """The molecules of one segment, and the labels they have."""

    graphs: PackedGraphs
    """Codes are rows of the tables of the whole mix."""
    tasks: dict[str, TaskData]
    """The tasks of its dataset; ``molecule`` counts inside the segment."""


@final
@dataclass(frozen=True, slots=True)
class Room:
    """What the largest segment of one store has of everything."""

    molecules: int
    atoms: int
    bonds: int
    labelled: dict[str, int]
    """By task of the store: molecules with labels."""
    labels: dict[str, int]
    """By task of the store: rows of labels."""


@final
class Slots:
    """Room for some segments of each store.

    Args:
        counts: Slots of each store.
        rooms: Size of each of these.
        tasks: All tasks, without labels.
        example: A segment, which says what encodings there are.
    """

    def __init__(
        self,
        counts: Sequence[int],
        rooms: Sequence[Room],
        tasks: Mapping[str, TaskData],
        example: Segment,
    ) -> None:
        of_slot = [room for room, count in zip(rooms, counts, strict=True) for _ in range(count)]
        self._molecule = offsets(np.array([room.molecules + 1 for room in of_slot]))
        self._atom = offsets(np.array([room.atoms for room in of_slot]))
        self._bond = offsets(np.array([room.bonds for room in of_slot]))
        self._labelled = {
            name: offsets(np.array([room.labelled.get(name, 0) for room in of_slot]))
            for name in tasks
        }
        self._label = {
            name: offsets(np.array([room.labels.get(name, 0) for room in of_slot]))
            for name in tasks
        }
        like, atoms, bonds = example.graphs, int(self._atom[-1]), int(self._bond[-1])
        self.graphs = replace(
            like,
            atom_offset=np.zeros(self._molecule[-1], np.int64),
            bond_offset=np.zeros(self._molecule[-1], np.int64),
            atom_code=_many(like.atom_code, atoms),
            bond_code=_many(like.bond_code, bonds),
            bond_ends=_many(like.bond_ends, bonds),
            encodings={name: _many(one, atoms) for name, one in like.encodings.items()},
            bond_encodings={name: _many(one, bonds) for name, one in like.bond_encodings.items()},
        )
        self.tasks = {
            name: replace(
                task,
                # Where no labelled molecule stands: the end of the slot, which is none.
                molecule=np.repeat(self._molecule[1:] - 1, np.diff(self._labelled[name])),
                offset=np.zeros(self._labelled[name][-1] + 1, np.int64),
                stored=_many(task.stored, int(self._label[name][-1])),
                weight=_many(task.weight, int(self._labelled[name][-1])),
            )
            for name, task in tasks.items()
        }

    def first(self, slot: int) -> int:
        """Return the position of the first molecule of a slot."""
        return int(self._molecule[slot])

    def put(self, slot: int, segment: Segment) -> None:
        """Write a segment into a slot; what stands in others may be read meanwhile."""
        first, ours, theirs = self.first(slot), self.graphs, segment.graphs
        atom, bond = int(self._atom[slot]), int(self._bond[slot])
        _write(ours.atom_offset, first, atom + theirs.atom_offset)
        _write(ours.bond_offset, first, bond + theirs.bond_offset)
        _write(ours.atom_code, atom, theirs.atom_code)
        _write(ours.bond_code, bond, theirs.bond_code)
        _write(ours.bond_ends, bond, theirs.bond_ends)
        for name, values in theirs.encodings.items():
            _write(ours.encodings[name], atom, values)
        for name, values in theirs.bond_encodings.items():
            _write(ours.bond_encodings[name], bond, values)
        for name, found in segment.tasks.items():
            task, label = self.tasks[name], int(self._label[name][slot])
            row, end = self._labelled[name][slot : slot + 2].tolist()
            task.molecule[row + len(found.molecule) : end] = self._molecule[slot + 1] - 1
            _write(task.molecule, row, first + found.molecule)
            _write(task.offset, row, label + found.offset[:-1])
            _write(task.stored, label, found.stored)
            _write(task.weight, row, found.weight)


def _many(like: NDArray[Any], rows: int) -> NDArray[Any]:
    return np.empty((rows, *like.shape[1:]), like.dtype)


def _write(target: NDArray[Any], first: int, rows: NDArray[Any]) -> None:
    target[first : first + len(rows)] = rows


@final
class SegmentCache:
    """Keeps the segments of each store that were used last.

    Args:
        read: Reads a segment; also called in a thread.
        stores: [D + 1] first segment of each store, and their number.
        rooms: Of the largest segment of each store.
        tasks: All tasks, without labels.
        count: Slots for each store, or as many as it has segments, or as one batch needs.
    """

    def __init__(
        self,
        read: Callable[[int], Segment],
        stores: NDArray[np.int64],
        rooms: Sequence[Room],
        tasks: Mapping[str, TaskData],
        count: int,
    ) -> None:
        self._read = read
        self._stores = stores
        self._rooms = rooms
        self._tasks = tasks
        self._counts = np.minimum(count, np.diff(stores)).tolist()
        self._slots: Slots | None = None
        self._slot_of: dict[int, int] = {}  # the segment used last stands last
        self._coming: dict[int, Future[None]] = {}
        self._held: tuple[int, ...] = ()
        self._full: tuple[int, ...] | None = None

    def hold(self, segments: Sequence[int]) -> tuple[Slots, list[int]]:
        """Return the slots, and the slot of each of these segments, which are there until the next.

        Raises:
            StoreError: A segment is damaged, now or when it was read ahead.
        """
        self._held = tuple(segments)
        self._make_room(segments)
        for segment in segments:
            if segment in self._coming:
                self._finish(segment)
            elif segment not in self._slot_of:
                slot = self._free_slot(self._store_of(segment))
                assert slot is not None, "there are slots for all segments held"
                self._load(segment, slot)
                self._slot_of[segment] = slot
            self._slot_of[segment] = self._slot_of.pop(segment)
        assert self._slots is not None, "some segment is asked for first"
        return self._slots, [self._slot_of[segment] for segment in segments]

    def expect(self, segments: Sequence[int]) -> None:
        """Read the first of these that is absent ahead, in a thread, if a slot is free."""
        if self._held == self._full or any(not one.done() for one in self._coming.values()):
            return
        for segment in segments:
            if segment in self._slot_of:
                continue
            slot = self._free_slot(self._store_of(segment), spared=segments)
            if slot is not None:
                self._slot_of[segment] = slot
                thread = ThreadPoolExecutor(1, thread_name_prefix="graphium-segments")
                self._coming[segment] = thread.submit(self._load, segment, slot)
                thread.shutdown(wait=False)  # it ends with this segment
                return
        self._full = self._held  # nothing changes before others are held

    def _store_of(self, segment: int) -> int:
        return int(np.searchsorted(self._stores, segment, side="right")) - 1

    def _load(self, segment: int, slot: int) -> None:
        found = self._read(segment)
        if self._slots is None:
            self._slots = Slots(self._counts, self._rooms, self._tasks, found)
        self._slots.put(slot, found)

    def _finish(self, segment: int) -> None:
        """Wait for a segment that is read ahead."""
        try:
            self._coming.pop(segment).result()
        except BaseException:
            del self._slot_of[segment]
            raise

    def _free_slot(self, store: int, spared: Sequence[int] = ()) -> int | None:
        """Return a slot of a store, after forgetting its segment used longest ago if all are used.

        None where all its segments are held, spared or read ahead.
        """
        first = sum(self._counts[:store])
        used = set(self._slot_of.values())
        for slot in range(first, first + self._counts[store]):
            if slot not in used:
                return slot
        kept = {*self._held, *spared}
        for segment in self._slot_of:
            if self._store_of(segment) == store and segment not in kept:
                if segment in self._coming:
                    self._finish(segment)
                return self._slot_of.pop(segment)
        return None

    def _make_room(self, segments: Sequence[int]) -> None:
        """Begin anew with more slots where a batch needs more than there are."""
        if all(segment in self._slot_of for segment in segments):
            return
        needed = np.zeros(len(self._counts), np.int64)
        for segment in segments:
            needed[self._store_of(segment)] += 1
        if (needed <= self._counts).all():
            return
        for segment in list(self._coming):
            self._finish(segment)
        self._slot_of.clear()
        self._slots = None
        self._counts = np.maximum(
            self._counts, np.minimum(needed + 1, np.diff(self._stores))
        ).tolist()
