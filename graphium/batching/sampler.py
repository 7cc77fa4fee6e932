"""Which molecules stand in which micro-batch: a function of seed, epoch and position only."""

from collections.abc import Mapping
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.strata import Stratum
from graphium.labels.seeded_hash import seeded_hash


class Sampler(Protocol):
    """Says which molecules stand in which micro-batch."""

    steps_per_epoch: int
    """Optimiser steps, the same in every epoch."""
    micro_batches_per_epoch: int
    """Positions of an epoch: micro-batches of one rank."""

    def whole_step(self, epoch: int, position: int) -> NDArray[np.int64]:
        """Return all molecules of the optimiser step that holds one position (micro-batch)."""
        ...

    def micro_batch(self, epoch: int, position: int, rank: int) -> NDArray[np.int64]:
        """Return the molecules that ``rank`` sees at one position of the epoch."""
        ...


@final
class PositionalSampler:
    """Deals the molecules of an epoch into optimiser steps, micro-batches and ranks.

    The M molecules, in the order of the epoch, are cut into ceil(M / size) steps whose sizes
    differ by at most one; a step is cut into ``accumulate`` micro-batches for each of
    ``world_size`` ranks, again as evenly as possible. Steps therefore do not depend on the number
    of ranks or micro-batches, and each molecule is seen exactly once in an epoch. A micro-batch is
    empty when a step has fewer molecules than ranks.

    Args:
        molecules: [M] positions in the mix.
        size: Most molecules of one step, over all ranks and micro-batches.
        seed: Chooses the orders.
        world_size: Number of ranks.
        accumulate: Micro-batches that one rank adds up in one step.
        strata: Datasets and the visits each gets in an epoch, instead of each molecule once. The M
            visits of an epoch then take the place of the molecules.
    """

    def __init__(
        self,
        molecules: NDArray[np.int64],
        size: int,
        seed: int,
        world_size: int = 1,
        accumulate: int = 1,
        strata: Mapping[str, Stratum] | None = None,
    ) -> None:
        self._molecules = molecules
        self._seed = seed
        self._world_size = world_size
        self._accumulate = accumulate
        self._strata = strata
        visits = len(molecules) if strata is None else sum(s.visits for s in strata.values())
        self.steps_per_epoch = -(-visits // size)
        self.micro_batches_per_epoch = self.steps_per_epoch * accumulate
        self._order = (-1, molecules)  # the epoch asked for last: sorting is not free

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return [M] all molecules as the epoch visits them."""
        last, order = self._order  # both at once: another thread may ask for another epoch
        if last != epoch:
            visits, keys = self._visits(epoch)
            order = visits[np.argsort(seeded_hash((self._seed, epoch), keys), kind="stable")]
            self._order = (epoch, order)
        return order

    def _visits(self, epoch: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return [M] the molecules of an epoch, and a number of each visit."""
        if self._strata is None:
            return self._molecules, self._molecules
        visits = np.concatenate(
            [
                stratum.visited((self._seed, number), epoch)
                for number, stratum in enumerate(self._strata.values())
            ]
        )
        return visits, np.arange(len(visits))

    def whole_step(self, epoch: int, position: int) -> NDArray[np.int64]:
        """Return all molecules of the optimiser step that holds one position (micro-batch)."""
        return _piece(self.order(epoch), position // self._accumulate, self.steps_per_epoch)

    def micro_batch(self, epoch: int, position: int, rank: int) -> NDArray[np.int64]:
        """Return the molecules that ``rank`` sees at one position of the epoch."""
        share = position % self._accumulate * self._world_size + rank
        whole_step = self.whole_step(epoch, position)
        return _piece(whole_step, share, self._accumulate * self._world_size)


def _piece(items: NDArray[np.int64], index: int, count: int) -> NDArray[np.int64]:
    """Return piece ``index`` of ``count`` consecutive pieces, whose sizes differ by at most one."""
    return items[len(items) * index // count : len(items) * (index + 1) // count]
