"""Batches of one shape: which shape, and who pads them to it."""

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.balanced import BalancedSampler
from graphium.batching.maker import BatchMaker
from graphium.batching.pack import PackedGraphs
from graphium.batching.strata import Stratum
from graphium.batching.task_data import TaskData
from graphium.config.data import Level
from graphium.graphs.mol_batch import BatchShape, MolBatch
from graphium.graphs.padding import fits, pad

log = logging.getLogger("graphium")

MULTIPLE = 8
"""Sizes are multiples of this."""
DEVIATIONS = 6
"""Standard deviations by which a count that is not balanced may exceed its mean: once in a billion
micro-batches, if it were normal."""
PROBED = (0, 1)
"""Epochs that are counted to find a shape."""


@dataclass(frozen=True, slots=True)
class MoleculeCounts:
    """What each molecule of a mix adds to the shape of a batch."""

    atoms: NDArray[np.int64]
    """[M]."""
    bonds: NDArray[np.int64]
    """[M]."""
    rows: dict[str, NDArray[np.int64]]
    """[M] rows of labels by task."""
    levels: dict[str, Level]
    """By task."""


def count_molecules(graphs: PackedGraphs, tasks: Mapping[str, TaskData]) -> MoleculeCounts:
    """Count what each molecule adds to the shape of a batch."""
    rows = {}
    for name, task in tasks.items():
        rows[name] = np.zeros(graphs.num_molecules, np.int64)
        rows[name][task.molecule] = task.num_rows()
    return MoleculeCounts(
        np.diff(graphs.atom_offset),
        np.diff(graphs.bond_offset),
        rows,
        {name: task.spec.level for name, task in tasks.items()},
    )


def static_shape(
    sampler: BalancedSampler,
    counts: MoleculeCounts,
    strata: Mapping[str, Stratum] | None = None,
) -> BatchShape:
    """Return a shape for all micro-batches of a sampler, with room for padding.

    The sampler balances atoms: of them a micro-batch has its share and what the filling is off by,
    of which twice what two epochs show is kept free. Of all else (molecules, bonds, rows of
    labels) it has as many as go with its atoms, and a deviation that grows with the square root
    of its number of molecules, as their order is random: ``DEVIATIONS`` of them are kept free, and
    one molecule. Whatever may still be larger gets a larger shape (``StaticMaker``).

    Args:
        sampler: What an epoch visits, and how it is divided.
        counts: Of all molecules of the mix.
        strata: Where epochs visit different molecules (``strata.py``).
    """
    molecules, starts = sampler.pieces(PROBED[0])
    num_pieces = len(starts) - 1
    if not len(molecules):
        return BatchShape(MULTIPLE, 0, MULTIPLE, dict.fromkeys(counts.rows, 0))
    atoms = counts.atoms[molecules]
    growth = 1.0 if strata is None else _largest_epoch(strata, counts.atoms) / atoms.sum()
    share = growth * atoms.sum() / num_pieces

    def bound(of_molecules: NDArray[np.int64]) -> int:
        values = of_molecules[molecules]
        ratio = values.sum() / atoms.sum()
        rest = values - ratio * atoms
        free = DEVIATIONS * np.sqrt(growth * (rest**2).sum() / num_pieces) + rest.max()
        counted = _largest_piece(sampler, of_molecules)
        # An epoch of one micro-batch, the same in each: nothing deviates.
        most = min(share * ratio + free, np.inf if strata else values.sum())
        return max(int(np.ceil(most)), counted, int(of_molecules[molecules].max()))

    off = max(_largest_piece(sampler, counts.atoms) - share, 0)
    largest = int(counts.atoms[molecules].max())
    num_atoms = max(int(np.ceil(share + min(2 * off, largest))), largest)
    num_bonds = _round_up(bound(counts.bonds))
    num_molecules = bound(np.ones_like(counts.atoms))
    of_level = {"graph": num_molecules, "node": num_atoms, "edge": num_bonds}
    rows = {}
    for name, each in counts.rows.items():
        rows[name] = _round_up(bound(each)) if each[molecules].any() else 0
        rows[name] = min(rows[name], of_level.get(counts.levels[name], rows[name]))
    return BatchShape(_round_up(num_atoms + 1), num_bonds, _round_up(num_molecules + 1), rows)


def _round_up(count: int) -> int:
    return -(-count // MULTIPLE) * MULTIPLE


def _largest_piece(sampler: BalancedSampler, of_molecules: NDArray[np.int64]) -> int:
    """Return the most that one micro-batch of the probed epochs has."""
    most = 0
    for epoch in PROBED:
        molecules, starts = sampler.pieces(epoch)
        ends = np.concatenate([[0], np.cumsum(of_molecules[molecules])])
        most = max(most, int(np.diff(ends[starts]).max()))
    return most


def _largest_epoch(strata: Mapping[str, Stratum], atoms: NDArray[np.int64]) -> float:
    """Return how many atoms an epoch may visit, where epochs visit different molecules."""
    mean, variance = 0.0, 0.0
    for stratum in strata.values():
        sizes = atoms[stratum.molecules]
        mean += stratum.visits * float(sizes.mean())
        # Whole rounds are the same in each epoch; the parts of two others vary the most as halves.
        random = min(stratum.visits, len(sizes) / 2) if stratum.visits % len(sizes) else 0
        variance += random * float(sizes.var())
    return mean + DEVIATIONS * math.sqrt(variance)


@final
class StaticMaker:
    """Pads the batches of another maker to one shape.

    A batch that is larger, which ``static_shape`` makes all but impossible, is neither cut nor
    refused: it gets a larger shape, and a warning says so.

    Args:
        maker: Makes the batches.
        shape: Of all of them.
    """

    def __init__(self, maker: BatchMaker, shape: BatchShape) -> None:
        self._maker = maker
        self.shape = shape

    def __call__(self, molecules: NDArray[np.int64], whole_step: NDArray[np.int64]) -> MolBatch:
        """Return the batch of some molecules (``BatchMaker``), padded."""
        batch = self._maker(molecules, whole_step)
        shape = self.shape if fits(batch.shape, self.shape) else self._larger(batch)
        padded = pad(batch, shape)
        return padded.pin_memory() if batch.keys.is_pinned() else padded

    def _larger(self, batch: MolBatch) -> BatchShape:
        log.warning(
            "a batch of %d atoms, %d bonds and %d molecules is larger than the static shape (%d, "
            "%d, %d); it alone gets a larger one, and a compiled model is compiled once more",
            *(batch.num_atoms, batch.num_bonds, batch.num_molecules),
            *(self.shape.atoms, self.shape.bonds, self.shape.molecules),
        )
        return _enlarged(self.shape, batch.shape)


def _enlarged(shape: BatchShape, real: BatchShape) -> BatchShape:
    """Return the smallest shape for a batch in strides of an eighth: so there are few."""

    def size(given: int, needed: int) -> int:
        stride = max(_round_up(given // 8), MULTIPLE)
        return max(given, given + -(-(needed - given) // stride) * stride)

    return BatchShape(
        size(shape.atoms, real.atoms + 1),
        size(shape.bonds, real.bonds),
        size(shape.molecules, real.molecules + 1),
        {name: size(shape.rows[name], needed) for name, needed in real.rows.items()},
    )
