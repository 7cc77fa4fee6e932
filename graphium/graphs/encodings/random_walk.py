"""Random walks on molecules: each step goes along one of the atom's bonds, all equally likely.

Return probabilities: Dwivedi et al. 2022 (arXiv:2110.07875), section 4. A walk that cannot leave (a
single atom) stays where it is.
"""

from collections.abc import Iterator

from graphium.graphs.encodings.arrays import Array, full, library
from graphium.graphs.encodings.stacks import Stack


def return_probabilities(stack: Stack, steps: int) -> Array:
    r"""Return [c, n, K] the probability that a walk is back at its atom after 1..K steps.

    $$ p_{ik} = \big[(D^{-1} A)^k\big]_{ii} = \big[S^k\big]_{ii}, \quad S = D^{-1/2} A D^{-1/2} $$

    S is symmetric, so half the powers are enough: $[S^{h+j}]_{ii} = \sum_m [S^h]_{im} [S^j]_{im}$.
    """
    if stack.size == 1:
        return full((stack.num_components, 1, steps), 1.0, stack.adjacency)
    lib = library(stack.adjacency)
    scale = stack.scale()
    s = stack.adjacency * scale[:, :, None] * scale[:, None, :]  # [c, n, n]
    powers = [s]
    for _ in range(1, (steps + 1) // 2):
        powers.append(powers[-1] @ s)
    diagonals = [lib.einsum("cii->ci", power) for power in powers]
    diagonals += [
        lib.einsum("cij,cij->ci", powers[-1], power) for power in powers[: steps - len(powers)]
    ]
    return lib.stack(diagonals[:steps], 2)


def transition_probabilities(stack: Stack, steps: int) -> Iterator[Array]:
    r"""Yield [c, n, n] for 1..K steps: the probability that a walk from i is then at j.

    $$ P^{(k)}_{ij} = \big[(D^{-1} A)^k\big]_{ij} $$
    """
    if stack.size == 1:
        for _ in range(steps):
            yield full((stack.num_components, 1, 1), 1.0, stack.adjacency)
        return
    step = stack.adjacency / stack.degree[:, :, None]
    power = step
    for k in range(steps):
        power = power @ step if k else step
        yield power
