"""Hashes of molecules on disk: half of each, and that of the whole only where it is another.

A hash only proposes which molecules may be equal; canonical forms decide. 64 bits propose as well
as 128: among a hundred million molecules, they put 0.0003 pairs before the judge for nothing.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.store.arrays import narrow


def pack_hashes(
    join_hash: NDArray[np.uint64], split_hash: NDArray[np.uint64]
) -> dict[str, NDArray[Any]]:
    """Return the arrays of the join and split hashes, both [G, 1 or more]."""
    join, split = join_hash[:, 0], split_hash[:, 0]
    rows = np.flatnonzero(join != split)
    return {
        "split_hash": np.ascontiguousarray(split),
        "join_rows": narrow(rows),
        "join_hash": join[rows],
    }


def unpack_hashes(
    read: Callable[[str], NDArray[Any]],
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Return the join and split hashes, both [G, 1].

    Args:
        read: Name to array.
    """
    split = read("split_hash")
    join = split.copy()
    join[read("join_rows")] = read("join_hash")
    return join[:, None], split[:, None]
