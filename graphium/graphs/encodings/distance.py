"""Shortest paths, as Ying et al. 2021 (arXiv:2106.05234) give them to attention."""

from graphium.graphs.encodings.arrays import Array, cast, full
from graphium.graphs.encodings.stacks import Stack


def path_lengths(stack: Stack, max_distance: int) -> Array:
    """Return [c, n, n] bonds on the shortest path from i to j, at most ``max_distance``; symmetric.

    A distance is the number of radii 0, 1, 2, ... within which the other atom is not found.
    """
    like, shape = stack.adjacency, (stack.num_components, stack.size, stack.size)
    distance = full(shape, 0.0, like)
    within = stack.with_diagonal(full(shape, 0.0, like), 1.0)  # pairs at most d bonds apart
    for _ in range(min(max_distance, stack.size - 1)):
        missing = within == 0
        if not missing.any():
            break
        distance += missing
        within = cast(within + within @ like > 0, like)
    return distance
