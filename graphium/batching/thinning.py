"""Training with a share of a task's labels: for learning curves, and for what a task is worth."""

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import MolBlock
from graphium.labels.seeded_hash import seeded_hash
from graphium.store.read import LabelTable

_SEEDS = (0x6C6162656C,)
"""Choose the order in which molecules come in; no split uses them."""


def thin(
    table: LabelTable,
    share: float,
    group_hash: NDArray[np.uint64],
    part: NDArray[np.uint8],
    block: MolBlock,
    first_row: int,
) -> LabelTable:
    """Return the table without the labels of all but a share of the training molecules.

    Args:
        table: Labels of one dataset.
        share: 0 to 1; the molecules of a small share are among those of a larger one.
        group_hash: [T] hash of what must stay together, of the rows of all datasets.
        part: [T] part of each; only rows of part 0 (train) lose labels.
        block: The T molecules.
        first_row: Row of the dataset's first molecule among the T.
    """
    if share == 1:
        return table
    kept = is_kept(table.rows, share, group_hash, part, first_row)
    rows = first_row + table.rows
    lengths = level_sizes(table.level, block.num_atoms[rows], block.num_bonds[rows])
    return LabelTable(table.level, table.rows[kept], table.values[np.repeat(kept, lengths)])


def is_kept(
    rows: NDArray[np.int64],
    share: float,
    group_hash: NDArray[np.uint64],
    part: NDArray[np.uint8],
    first_row: int,
) -> NDArray[np.bool_]:
    """Return [R] which labelled rows of a dataset keep their labels; arguments as for ``thin``."""
    place = seeded_hash(_SEEDS, group_hash[first_row + rows]) / 2.0**64
    return np.asarray((share == 1) | (part[first_row + rows] != 0) | (place < share))
