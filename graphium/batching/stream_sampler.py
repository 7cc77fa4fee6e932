"""The order in which rows of stores are streamed: a function of seed, epoch and position only.

Whole segments are read, since only as a whole they can be compared with their digest. An epoch
deals the segments of each store, in a new order, to L lanes; a lane visits one segment after
another, the rows of each shuffled; and an optimiser step takes its share of every lane of every
store, so that all tasks stand in it. With n_k rows in lane k of K (L of each store) and S steps,
the rows of lane k that stand before step s are

    floor((n_k s + floor(k S / K)) / S)    0 < s < S

whose sum over lanes of equal n is floor(K n s / S) (Hermite's identity): lanes take turns in being
rounded up. Steps differ by one row where lanes are equal, and by less than K rows where they are
not.

Lanes begin at different places of their first segments, whose beginnings are visited last: so they
do not ask for their next segments all at once. A rank reads the segments of its own lanes alone;
what a step holds does not depend on the number of ranks.
"""

import itertools
from bisect import bisect_left, bisect_right
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.stream_rows import StreamRows
from graphium.errors import UsageError
from graphium.labels.seeded_hash import seeded_hash

_SEGMENTS = 0x7365676D656E7473
"""Chooses the order of segments, so that it is independent of that of their rows."""


@final
@dataclass(frozen=True, slots=True)
class Piece:
    """Consecutive rows of the shuffled training rows of one segment."""

    segment: int
    first: int
    last: int
    """End, exclusive."""


@final
@dataclass(frozen=True, slots=True)
class Lane:
    """Pieces that one lane visits in an epoch."""

    pieces: list[Piece]
    ends: list[int]
    """Rows of the lane up to the end of each piece."""
    num_rows: int
    """n."""
    phase: int
    """What rounding begins with, from 0 to S - 1."""


@final
class StreamSampler:
    """Deals the training rows of an epoch into steps, micro-batches and ranks.

    Every row is seen exactly once in an epoch. What the loader asks of it is what it asks of
    ``PositionalSampler``.

    Args:
        rows: All rows.
        size: Rows of one step, over all ranks and micro-batches.
        seed: Chooses the orders.
        world_size: Number of ranks.
        accumulate: Micro-batches that one rank adds up in one step.
        lanes: L, of each store.

    Raises:
        UsageError: There are more ranks than lanes.
    """

    def __init__(
        self,
        rows: StreamRows,
        size: int,
        seed: int,
        world_size: int = 1,
        accumulate: int = 1,
        lanes: int = 8,
    ) -> None:
        if world_size > lanes:
            raise UsageError(
                f"{world_size} ranks stream from {lanes} lanes, of which each rank needs one at "
                f"least; set batch.lanes to {world_size} or more, or train on fewer devices"
            )
        self._rows = rows
        self._seed = seed
        self._world_size = world_size
        self._accumulate = accumulate
        self._lanes = lanes
        self._counts = rows.counts("train")
        self.steps_per_epoch = -(-int(self._counts.sum()) // size)
        self.micro_batches_per_epoch = self.steps_per_epoch * accumulate
        self._plan: tuple[int, list[Lane]] = (-1, [])
        self._orders: dict[tuple[int, int], NDArray[np.int64]] = {}
        self._own: tuple[tuple[int, int, int], list[Lane]] = ((-1, 0, 1), [])
        self._asked = (0, 0, 0)
        self._begins: tuple[tuple[int, int], list[tuple[float, int]]] = ((-1, -1), [])
        self._last: tuple[tuple[int, ...], NDArray[np.int64]] = ((), self._counts)

    @property
    def most_lanes(self) -> int:
        """Lanes of the rank that has most."""
        return -(-self._lanes // self._world_size)

    def whole_step(self, epoch: int, position: int) -> NDArray[np.int64]:
        """Return all rows of the optimiser step that holds one position (micro-batch)."""
        return self._step(epoch, position // self._accumulate, 0, 1)

    def micro_batch(self, epoch: int, position: int, rank: int) -> NDArray[np.int64]:
        """Return the rows that ``rank`` sees at one position of the epoch."""
        self._asked = (epoch, position, rank)
        step, share = divmod(position, self._accumulate)
        rows = self._step(epoch, step, rank, self._world_size)
        count = self._accumulate
        return rows[len(rows) * share // count : len(rows) * (share + 1) // count]

    def upcoming(self) -> list[int]:
        """Return segments that the rank asked for last needs about now or next, the soonest first.

        Reading them ahead saves time; nothing else depends on it.
        """
        epoch, position, rank = self._asked
        of, begins = self._begins
        if of != (epoch, rank):
            found = [
                ((end - (piece.last - piece.first)) / lane.num_rows, piece.segment)
                for lane in self._lanes_of(epoch, rank, self._world_size)
                for piece, end in zip(lane.pieces, lane.ends, strict=True)
            ]
            begins = sorted(found)
            self._begins = ((epoch, rank), begins)
        now = position // self._accumulate / self.steps_per_epoch
        first = bisect_left(begins, (now, -1))
        return [segment for _, segment in begins[first : first + 2 * self._lanes]]

    def plan(self, epoch: int) -> list[Lane]:
        """Return what each lane visits in an epoch, L lanes of each store after another."""
        last, lanes = self._plan
        if last != epoch:
            lanes = self._deal(epoch)
            self._plan = (epoch, lanes)
        return lanes

    def _deal(self, epoch: int) -> list[Lane]:
        lanes = []
        for store in range(self._rows.num_stores):
            first, last = self._rows.stores[store : store + 2]
            segments = first + np.flatnonzero(self._counts[first:last])
            # Where there are few, every lane gets a part of each.
            parts = 1 if len(segments) >= self._lanes else self._lanes
            units = np.arange(len(segments) * parts)
            keys = seeded_hash((self._seed, _SEGMENTS, epoch, store), units)
            dealt: list[list[Piece]] = [[] for _ in range(self._lanes)]
            held = [0] * self._lanes
            for unit in np.argsort(keys, kind="stable").tolist():
                segment, part = int(segments[unit // parts]), unit % parts
                count = int(self._counts[segment])
                lane = held.index(min(held))
                piece = Piece(segment, count * part // parts, count * (part + 1) // parts)
                dealt[lane].append(piece)
                held[lane] += piece.last - piece.first
            lanes += [self._staggered(pieces, number, store) for number, pieces in enumerate(dealt)]
        return lanes

    def _staggered(self, pieces: list[Piece], lane: int, store: int) -> Lane:
        """Begin a part of the way into the first segment, and visit its beginning last."""
        if len(pieces) > 1 and lane:
            head = pieces[0]
            cut = head.first + (head.last - head.first) * lane // self._lanes
            begun = Piece(head.segment, cut, head.last)
            pieces = [begun, *pieces[1:], Piece(head.segment, head.first, cut)]
        pieces = [piece for piece in pieces if piece.last > piece.first]
        ends = list(itertools.accumulate(piece.last - piece.first for piece in pieces))
        number, count = store * self._lanes + lane, self._rows.num_stores * self._lanes
        phase = number * self.steps_per_epoch // count
        return Lane(pieces, ends, ends[-1] if ends else 0, phase)

    def _lanes_of(self, epoch: int, first: int, stride: int) -> list[Lane]:
        """Return every ``stride``-th lane of each store."""
        of, lanes = self._own
        if of != (epoch, first, stride):
            plan = enumerate(self.plan(epoch))
            lanes = [lane for i, lane in plan if i % self._lanes % stride == first]
            self._own = ((epoch, first, stride), lanes)
        return lanes

    def _before(self, lane: Lane, step: int) -> int:
        """Return the rows of a lane that stand before a step."""
        if 0 < step < self.steps_per_epoch:
            return (lane.num_rows * step + lane.phase) // self.steps_per_epoch
        return lane.num_rows if step else 0

    def _step(self, epoch: int, step: int, first: int, stride: int) -> NDArray[np.int64]:
        """Return the rows of a step in every ``stride``-th lane of each store."""
        asked = (epoch, step, first, stride)
        last, rows = self._last
        if last == asked:
            return rows
        found = [np.zeros(0, np.int64)]
        for lane in self._lanes_of(epoch, first, stride):
            begin, end = self._before(lane, step), self._before(lane, step + 1)
            piece = bisect_right(lane.ends, begin)
            while begin < end:
                one, stop = lane.pieces[piece], min(end, lane.ends[piece])
                shift = one.last - lane.ends[piece]
                found.append(self._order(epoch, one.segment)[begin + shift : stop + shift])
                begin, piece = stop, piece + 1
        rows = np.concatenate(found)
        self._last = (asked, rows)
        return rows

    def _order(self, epoch: int, segment: int) -> NDArray[np.int64]:
        """Return the training rows of a segment as the epoch visits them; the last ones are kept.

        They are the same whichever lanes visit them.
        """
        order = self._orders.pop((epoch, segment), None)
        if order is None:
            rows = self._rows.of("train", segment)
            order = rows[np.argsort(seeded_hash((self._seed, epoch), rows))]  # 64 bits: no ties
        self._orders[epoch, segment] = order  # the one used last stands last
        if len(self._orders) > 3 * self._lanes * self._rows.num_stores:
            self._orders.pop(next(iter(self._orders)), None)
        return order
