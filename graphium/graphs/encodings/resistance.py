"""Molecules as networks of resistors of 1 ohm: commute times and electrostatic potentials.

Both follow from the pseudo-inverse of the Laplacian. Commute times: Chandra et al. 1989 (STOC),
"The electrical resistance of a graph captures its commute and cover times". Potentials: Kreuzer et
al. 2021 (arXiv:2106.03893), section 2.
"""

from graphium.graphs.encodings.arrays import Array, cast, library
from graphium.graphs.encodings.stacks import Stack


def commute_times(stack: Stack) -> Array:
    r"""Return [c, n, n] the expected steps of a random walk from i to j and back; symmetric.

    $$ C_{ij} = 2 m \, (L^+_{ii} + L^+_{jj} - 2 L^+_{ij}), \quad L = D - A $$

    m is the number of bonds of the component; the bracket is the resistance between i and j.
    """
    inverse = stack.pseudo_inverse
    own = library(inverse).einsum("cii->ci", inverse)
    resistance = own[:, :, None] + own[:, None, :] - 2 * inverse
    times = resistance * stack.degree.sum(1)[:, None, None]
    return cast(library(inverse).clip(times, 0, None), stack.adjacency)


def potentials(stack: Stack) -> Array:
    r"""Return [c, n, n] the potential at j of a unit charge at i, with the ground at i.

    $$ E_{ij} = L^+_{ij} - L^+_{ii}, \quad L = D - A $$

    The diagonal is 0 and nothing is above it.
    """
    inverse = stack.pseudo_inverse
    own = library(inverse).einsum("cii->ci", inverse)
    return cast(inverse - own[:, :, None], stack.adjacency)
