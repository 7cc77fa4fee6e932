"""Micro-batches with equally many atoms: a function of seed, epoch and position only."""

import itertools
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.fill import best_filler, divide
from graphium.batching.sampler import PositionalSampler


@final
class BalancedSampler:
    """Deals the visits of an epoch into steps, and each step into micro-batches, by their atoms.

    As many steps as ``PositionalSampler`` makes, in the same order of the epoch but for molecules
    that are moved by a few places so that every piece has its share of the atoms
    (``fill.py``). Steps do not depend on the number of ranks or micro-batches, and every visit of
    the epoch is in one micro-batch of one rank.

    Args:
        visits: What an epoch visits, in which order, in how many steps.
        num_atoms: [M] atoms of each molecule of the mix.
        world_size: Number of ranks.
        accumulate: Micro-batches that one rank adds up in one step.
    """

    def __init__(
        self,
        visits: PositionalSampler,
        num_atoms: NDArray[np.integer],
        world_size: int = 1,
        accumulate: int = 1,
    ) -> None:
        self._visits = visits
        self._num_atoms = num_atoms
        self._world_size = world_size
        self.shares = world_size * accumulate
        """Micro-batches of one step, over all ranks."""
        self.steps_per_epoch = visits.steps_per_epoch
        self.micro_batches_per_epoch = self.steps_per_epoch * accumulate
        self._filler = best_filler(len(num_atoms))
        self._last = (-1, np.zeros(0, np.int64), np.zeros(1, np.int64))

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return [M] all molecules as the epoch would visit them if none were moved."""
        return self._visits.order(epoch)

    def pieces(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the micro-batches of all ranks.

        Returns:
            Molecules, one micro-batch after the other, and [steps * shares + 1] where each begins.
            Those of one step stand together: first those of all ranks, then the next of each.
        """
        last, molecules, starts = (
            self._last
        )  # all at once: another thread may ask for another epoch
        if last != epoch:
            molecules, starts = self._fill(epoch)
            self._last = (epoch, molecules, starts)
        return molecules, starts

    def _fill(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        molecules = self.order(epoch)
        sizes = self._num_atoms[molecules].astype(np.int64)
        order, step_start = divide(sizes, self.steps_per_epoch, self._filler)
        if self.shares == 1:
            return molecules[order], step_start
        starts = [np.zeros(1, np.int64)]
        for first, end in itertools.pairwise(step_start):
            of_step = order[first:end]
            inner, inner_start = divide(sizes[of_step], self.shares, self._filler)
            order[first:end] = of_step[inner]
            starts.append(first + inner_start[1:])
        return molecules[order], np.concatenate(starts)

    def whole_step(self, epoch: int, position: int) -> NDArray[np.int64]:
        """Return all molecules of the step that holds one position (``Sampler``)."""
        molecules, starts = self.pieces(epoch)
        first = position * self._world_size // self.shares * self.shares
        return molecules[starts[first] : starts[first + self.shares]]

    def micro_batch(self, epoch: int, position: int, rank: int) -> NDArray[np.int64]:
        """Return the molecules that ``rank`` sees at one position (``Sampler``)."""
        molecules, starts = self.pieces(epoch)
        piece = position * self._world_size + rank
        return molecules[starts[piece] : starts[piece + 1]]
