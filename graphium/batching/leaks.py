"""Held-out molecules that train knows: those that are equal, under the split key, to one in it."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from graphium.batching.division import Division
from graphium.batching.report import Leak
from graphium.labels.splits import PARTS


def find_leaks(
    names: Sequence[str], division: Division, part: NDArray[np.uint8], used: NDArray[np.bool_]
) -> list[Leak]:
    """Count, for each pair of datasets, molecules held out by one whose group trains in the other.

    Args:
        names: The datasets.
        division: Which rows are whose, which molecule, and of which split group.
        part: [T] the parts to look at: each dataset's own, or the reconciled ones.
        used: [T] rows that have a label.
    """
    rows = [
        np.flatnonzero(used[first:last]) + first
        for first, last in zip(division.starts[:-1], division.starts[1:], strict=True)
    ]
    trains = []
    for ours in rows:
        in_train = np.zeros(int(division.group.max(initial=-1)) + 1, bool)
        in_train[division.group[ours[part[ours] == 0]]] = True
        trains.append(in_train)
    found = []
    for name, ours in zip(names, rows, strict=True):
        for number, held_out in enumerate(PARTS[1:], start=1):
            here = ours[part[ours] == number]
            for source, in_train in zip(names, trains, strict=True):
                known = here[in_train[division.group[here]]]
                if len(known):
                    count = len(np.unique(division.molecule[known]))
                    found.append(Leak(dataset=name, part=held_out, source=source, count=count))
    return found
