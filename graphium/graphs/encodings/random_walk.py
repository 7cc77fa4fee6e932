"""Random walks on molecules (Dwivedi et al. 2022, arXiv:2110.07875, section 4)."""

import numpy as np
from numpy.typing import NDArray

from graphium.graphs.encodings.stacks import stacks


def random_walk(
    num_atoms: NDArray[np.integer],
    num_bonds: NDArray[np.integer],
    bond_ends: NDArray[np.integer],
    steps: int,
) -> NDArray[np.float32]:
    r"""Return the probability that a random walk is back at its atom after 1..K steps.

    $$ p_{ik} = \big[(D^{-1} A)^k\big]_{ii} = \big[S^k\big]_{ii}, \quad S = D^{-1/2} A D^{-1/2} $$

    A walk that cannot leave (a single atom) is always back: ones. S is symmetric, so half the
    powers are enough: $[S^{h+j}]_{ii} = \sum_m [S^h]_{im} [S^j]_{im}$.

    Args:
        num_atoms: [G] atoms of each molecule.
        num_bonds: [G] bonds of each molecule.
        bond_ends: [B, 2] ends of each bond, counted inside its molecule.
        steps: K.

    Returns:
        [N, K] probabilities.
    """
    out = np.ones((int(num_atoms.sum()), steps), np.float32)
    for stack in stacks(num_atoms, num_bonds, bond_ends):
        if stack.size == 1 or steps == 0:
            continue
        scale = 1 / np.sqrt(stack.adjacency.sum(2))
        s = stack.adjacency * scale[:, :, None] * scale[:, None, :]  # [components, n, n]
        powers = [s]
        for _ in range(1, (steps + 1) // 2):
            powers.append(powers[-1] @ s)
        diagonals = [np.einsum("cii->ci", power) for power in powers]
        diagonals += [
            np.einsum("cij,cij->ci", powers[-1], power) for power in powers[: steps - len(powers)]
        ]
        out[stack.atoms] = np.stack(diagonals[:steps], axis=2)
    return out
