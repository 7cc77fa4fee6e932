"""Makes batches of rows that are read from stores as they are needed."""

import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray

from graphium.batching.collate import collate
from graphium.batching.compact import empty_labels
from graphium.batching.cut import best_cutter
from graphium.batching.maker import made_ready
from graphium.batching.stream_cache import SegmentCache
from graphium.batching.stream_mix import StreamedMix
from graphium.batching.stream_sampler import StreamSampler
from graphium.batching.stream_segments import SegmentReader, room_of
from graphium.batching.task_data import TaskData
from graphium.config.data import Part
from graphium.graphs.mol_batch import MolBatch


@final
class StreamMaker:
    """Makes batches (``BatchMaker``) of any rows; quick where they stand in few segments.

    Args:
        mix: The data.
        reader: Reads its segments.
        slots: Segments of each dataset in memory, unless one batch needs more.
        upcoming: Says which segments the next batches will need, the soonest first, when a batch of
            some rows was made.
        device: Where the network is.
    """

    def __init__(
        self,
        mix: StreamedMix,
        reader: SegmentReader,
        slots: int,
        upcoming: Callable[[NDArray[np.int64]], Sequence[int]],
        device: torch.device,
    ) -> None:
        self._mix = mix
        self._device = device
        self._upcoming = upcoming
        empty = np.zeros(0, np.int64)
        tasks = {
            spec.name: TaskData(
                spec,
                empty,
                np.zeros(1, np.int64),
                empty_labels(spec, 0),
                np.zeros(0, np.float32),
                empty,
            )
            for spec in mix.specs
        }
        rooms = [room_of(source) for source in mix.sources]
        self._cache = SegmentCache(reader.read, mix.rows.stores, rooms, tasks, slots)
        self._cutter = best_cutter(len(mix.rows.part))
        self._lock = threading.Lock()  # whoever is forgotten may still make its last batch

    def __call__(self, molecules: NDArray[np.int64], whole_step: NDArray[np.int64]) -> MolBatch:
        """Return the batch of some rows (``BatchMaker``)."""
        totals = self._mix.label_totals(whole_step)
        segment = self._mix.rows.segments_of(molecules)
        with self._lock:
            used = np.flatnonzero(np.bincount(segment, minlength=1))
            slots, places = self._cache.hold(used.tolist() or [0])
            first = np.zeros(self._mix.rows.num_segments, np.int64)
            first[used] = [slots.first(place) for place in places[: len(used)]]
            positions = first[segment] + molecules - self._mix.rows.starts[segment]
            batch = collate(slots.graphs, slots.tasks, positions, totals, self._cutter)
            self._cache.expect(self._upcoming(molecules))
        batch = replace(batch, keys=torch.from_numpy(molecules.copy()))
        return made_ready(batch, self._mix.features, self._device)


def training_maker(
    mix: StreamedMix, reader: SegmentReader, sampler: StreamSampler, device: torch.device
) -> StreamMaker:
    """Return what makes the training batches of the rank that asks a sampler."""
    # One more to read into, and one because the segment of a lane may end inside a batch.
    slots = sampler.most_lanes + 2
    return StreamMaker(mix, reader, slots, lambda _: sampler.upcoming(), device)


def evaluation_maker(
    mix: StreamedMix, reader: SegmentReader, part: Part, device: torch.device
) -> StreamMaker:
    """Return what makes batches of one part, whose rows are visited in order."""
    segments = np.flatnonzero(mix.rows.counts(part))

    def upcoming(molecules: NDArray[np.int64]) -> list[int]:
        last = mix.rows.segments_of(molecules[-1:])
        after = np.searchsorted(segments, last, side="right")
        return [int(segments[i]) for i in after if i < len(segments)]

    return StreamMaker(mix, reader, 2, upcoming, device)


def streamed_batches(
    mix: StreamedMix, part: Part, size: int, *, rank: int = 0, world_size: int = 1
) -> list[NDArray[np.int64]]:
    """Return the rows of each batch of one rank: pieces of single segments, in order.

    Ranks have consecutive pieces, the same number each, of which the last ones may be empty.
    """
    pieces = []
    for segment in np.flatnonzero(mix.rows.counts(part)).tolist():
        rows = mix.rows.of(part, segment)
        pieces += np.array_split(rows, -(-len(rows) // size))
    count = -(-len(pieces) // world_size)
    own = pieces[rank * count : (rank + 1) * count]
    return own + [np.zeros(0, np.int64)] * (count - len(own))
