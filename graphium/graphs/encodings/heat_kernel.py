"""Heat kernels: how heat that starts at one atom has spread after a time.

The diffusion kernel of Kondor and Lafferty 2002 (ICML), of the Laplacian D - A.
"""

from collections.abc import Iterator, Sequence

from graphium.graphs.encodings.arrays import Array, cast, library
from graphium.graphs.encodings.stacks import Stack


def heat_kept(stack: Stack, times: Sequence[float]) -> Array:
    r"""Return [c, n, T] the share of an atom's heat that is still there.

    $$ h_{it} = \big[e^{-t L}\big]_{ii} = \sum_m e^{-t \lambda_m} v_{im}^2, \quad L = D - A $$
    """
    values, vectors = stack.spectrum
    lib = library(values)
    decay = lib.stack([lib.exp(-t * values) for t in times], 2)  # [c, n, T]
    return cast((vectors * vectors) @ decay, stack.adjacency)


def heat_kernel(stack: Stack, times: Sequence[float]) -> Iterator[Array]:
    r"""Yield [c, n, n] for each time: the share of the heat of i that is at j; symmetric.

    $$ H^{(t)}_{ij} = \big[e^{-t L}\big]_{ij} = \sum_m e^{-t \lambda_m} v_{im} v_{jm} $$
    """
    values, vectors = stack.spectrum
    for t in times:
        decay = library(values).exp(-t * values)[:, None, :]
        yield cast((vectors * decay) @ vectors.swapaxes(1, 2), stack.adjacency)
