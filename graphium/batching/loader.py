"""Loaders of batches: one for training whose place can be saved, one for evaluation."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from functools import partial
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.device_memory import same_device
from graphium.batching.maker import BatchMaker
from graphium.batching.prefetch import made_ahead
from graphium.batching.sampler import Sampler
from graphium.graphs.mol_batch import MolBatch


@final
class BatchLoader:
    """The training batches of one rank.

    Its whole state is (epoch, position): the micro-batch that comes next. Iterating goes on from
    there and ends with the epoch; the next iteration is the next epoch. The position counts
    batches handed out, not those made ahead, so nothing else must fetch ahead (Lightning does not
    when a loader has a length).

    Args:
        maker: Makes each batch.
        sampler: Order and division of the molecules.
        rank: This process among the sampler's ranks.
        prefetch: Batches to make ahead, in a thread; 0 makes each when it is asked for.
    """

    def __init__(
        self, maker: BatchMaker, sampler: Sampler, *, rank: int = 0, prefetch: int = 0
    ) -> None:
        self._maker = maker
        self._sampler = sampler
        self._rank = rank
        self._prefetch = prefetch
        self._epoch = 0
        self._position = 0

    def __len__(self) -> int:
        """Return the number of micro-batches of a whole epoch, the same on every rank."""
        return self._sampler.micro_batches_per_epoch

    def __iter__(self) -> Iterator[MolBatch]:
        epoch, positions = self._epoch, range(self._position, len(self))
        jobs = (partial(self._batch, epoch, position) for position in positions)
        with closing(made_ahead(jobs, self._prefetch, same_device())) as batches:
            for position, batch in zip(positions, batches, strict=True):
                # Before handing it out: a checkpoint is written while the consumer holds the batch,
                # and nobody asks for what follows the last one.
                is_last = position + 1 == len(self)
                self._epoch, self._position = (epoch + 1, 0) if is_last else (epoch, position + 1)
                yield batch

    def _batch(self, epoch: int, position: int) -> MolBatch:
        molecules = self._sampler.micro_batch(epoch, position, self._rank)
        return self._maker(molecules, self._sampler.whole_step(epoch, position))

    @property
    def sampler(self) -> "BatchLoader":
        """This loader: Lightning announces each epoch to ``loader.sampler.set_epoch``."""
        return self

    def set_epoch(self, epoch: int) -> None:
        """Go to the start of another epoch; the place inside the current epoch is kept."""
        if epoch != self._epoch:
            self._epoch, self._position = epoch, 0

    def state_dict(self) -> dict[str, int]:
        """Return epoch and position of the next micro-batch."""
        return {"epoch": self._epoch, "position": self._position}

    def load_state_dict(self, state: Mapping[str, int]) -> None:
        """Go on from ``state_dict``, on any number of ranks."""
        self._epoch, self._position = state["epoch"], state["position"]


@final
class EvalLoader:
    """Batches of validation, test and prediction, in a fixed order.

    Args:
        maker: Makes each batch.
        batches: Positions of the molecules of each (``evaluation_batches``).
        prefetch: Batches to make ahead, in a thread; 0 makes each when it is asked for.
    """

    def __init__(
        self, maker: BatchMaker, batches: Sequence[NDArray[np.int64]], *, prefetch: int = 0
    ) -> None:
        self._maker = maker
        self._prefetch = prefetch
        self._batches = batches

    def __len__(self) -> int:
        """Return the number of batches, the same on every rank."""
        return len(self._batches)

    def __iter__(self) -> Iterator[MolBatch]:
        jobs = (partial(self._maker, molecules, molecules) for molecules in self._batches)
        with closing(made_ahead(jobs, self._prefetch, same_device())) as batches:
            yield from batches


def evaluation_batches(
    molecules: NDArray[np.int64], size: int, *, rank: int = 0, world_size: int = 1
) -> list[NDArray[np.int64]]:
    """Return the positions of each batch of one rank.

    Every molecule stands in exactly one batch of one rank, without padding; all ranks have the same
    number of batches (a last one may be empty), so that none waits for another.

    Args:
        molecules: [M] positions to visit.
        size: Most molecules of one batch.
        rank: This process.
        world_size: Number of processes.
    """
    num_batches = -(-len(molecules) // (size * world_size))
    pieces = np.array_split(molecules, num_batches * world_size) if num_batches else []
    return pieces[rank::world_size]
