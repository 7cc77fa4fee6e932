"""Divides molecules in a given order into pieces with nearly the same number of atoms each.

Piece k ends where the atoms of all pieces so far reach k + 1 shares of the whole, so what one piece
lacks the next one has, and errors never add up. Molecules are taken in order while there is room
for about two more; the last ones of a piece are those among the next ``AHEAD`` that fill it best (a
subset sum, solved exactly), the nearest ones where several do. Whoever was passed over leads the
next piece.

No piece has more than its share plus the largest molecule, whatever the molecules and their order:
if d atoms are missing at the end of a piece, every molecule that waits has more than d atoms, or it
would have been taken. With the molecules of real tables d is nearly always 0.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from graphium.batching.cut import WORTH_MOLECULES

AHEAD = 64
"""Molecules among which the last ones of a piece are chosen."""

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Filler:
    """The loops that ``divide`` is made of, compiled or not."""

    in_order: Callable[[Ints, Ints, int, int], tuple[Ints, Ints, int]]
    """Take molecules in order (``in_order``)."""
    best_sum: Callable[[Ints, int], NDArray[np.bool_]]
    """Choose among some molecules (``best_sum``)."""


def divide(sizes: Ints, num_pieces: int, filler: Filler | None = None) -> tuple[Ints, Ints]:
    """Divide n molecules into pieces.

    Args:
        sizes: [n] atoms of each molecule, in the order in which to take them.
        num_pieces: How many; may be more than there are molecules.
        filler: Which loops to use; every one gives the same pieces.

    Returns:
        [n] positions of the molecules, piece by piece, and [num_pieces + 1] where each piece
        begins among them.
    """
    filler = filler or PLAIN
    total, placed, following = int(sizes.sum()), 0, 0
    # Room for two molecules: enough to choose from, and few are moved.
    reserve = -(-2 * total // max(len(sizes), 1))
    waiting = np.zeros(0, np.int64)
    order, starts = [waiting], np.zeros(num_pieces + 1, np.int64)
    for piece in range(num_pieces - 1):
        room = total * (piece + 1) // num_pieces - placed
        taken, waiting, following = filler.in_order(sizes, waiting, following, room - reserve)
        room -= int(sizes[taken].sum())
        chosen = filler.best_sum(sizes[waiting], room)
        order += [taken, waiting[chosen]]
        placed += int(sizes[taken].sum() + sizes[waiting[chosen]].sum())
        waiting = waiting[~chosen]
        starts[piece + 1] = starts[piece] + len(taken) + chosen.sum()
    order += [waiting, np.arange(following, len(sizes))] if num_pieces else []
    starts[-1] = len(sizes)
    return np.concatenate(order), starts


def in_order(sizes: Ints, waiting: Ints, following: int, room: int) -> tuple[Ints, Ints, int]:
    """Take molecules that have room, until ``AHEAD`` of them had none.

    Args:
        sizes: [n] atoms of each molecule.
        waiting: Those to begin with.
        following: The first of those to go on with.
        room: How many atoms to take at most.

    Returns:
        Who was taken, who was not, and the new ``following``.
    """
    taken = np.empty(max(min(len(waiting) + len(sizes) - following, room), 0), np.int64)
    passed = np.empty(AHEAD, np.int64)
    num_taken, num_passed, place = 0, 0, 0
    while num_passed < AHEAD and (place < len(waiting) or following < len(sizes)):
        if place < len(waiting):
            item = waiting[place]
            place += 1
        else:
            item = following
            following += 1
        if 0 < sizes[item] <= room:
            taken[num_taken] = item
            num_taken += 1
            room -= sizes[item]
        else:
            passed[num_passed] = item
            num_passed += 1
    return taken[:num_taken].copy(), passed[:num_passed].copy(), following


def best_sum(sizes: Ints, room: int) -> NDArray[np.bool_]:
    """Choose molecules with as many atoms together as possible, but no more than ``room``.

    Args:
        sizes: [n] atoms of each.
        room: 0 or more.

    Returns:
        [n] whether each is chosen.
    """
    # The molecule with which each number of atoms was first reached: earlier ones make the rest.
    last = np.full(room + 1, -1, np.int64)
    best = 0
    for i in range(len(sizes)):
        if best == room:
            break
        for atoms in range(min(room, best + sizes[i]), sizes[i] - 1, -1):
            rest = atoms - sizes[i]
            if last[atoms] < 0 and (rest == 0 or last[rest] >= 0):
                last[atoms] = i
                best = max(best, atoms)
    chosen = np.zeros(len(sizes), np.bool_)
    while best > 0:
        chosen[last[best]] = True
        best -= sizes[last[best]]
    return chosen


PLAIN = Filler(in_order, best_sum)


def best_filler(num_molecules: int) -> Filler:
    """Return the compiled loops where numba is installed and a mix is large enough for them."""
    compiled = _compiled() if num_molecules >= WORTH_MOLECULES else None
    return PLAIN if compiled is None else compiled


@cache
def _compiled() -> Filler | None:
    try:
        from numba import njit

        compile_ = njit(cache=True, nogil=True)
        return Filler(compile_(in_order), compile_(best_sum))
    except (ImportError, RuntimeError):  # the latter where numba finds no folder for its code
        return None
