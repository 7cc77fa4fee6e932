"""What a head reads of pairs of atoms, and how so many rows fit into memory.

A molecule of n atoms has n (n - 1) / 2 pairs. Nothing is ever padded to n x n: rows exist for the
pairs that are asked about, and of more than ``PAIRS_AT_ONCE`` only so many at a time. In training
the later pieces are computed again in the backward pass instead of being kept.
"""

from collections.abc import Iterable, Iterator

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from graphium.graphs.mol_batch import MolBatch

PAIRS_AT_ONCE = 1 << 16
"""Rows that a head computes at once."""


def pair_rows(atoms: Float[Tensor, "N C"], pairs: Int[Tensor, "R 2"]) -> Float[Tensor, "R C_2"]:
    r"""Describe pairs of atoms, whichever of the two is named first.

    $$ r_{uv} = \big[h_u + h_v,\; |h_u - h_v|\big] $$

    Both are the same when u and v change places, bit for bit, and determine a channel's two values
    up to their order.
    """
    first, second = atoms.index_select(0, pairs[:, 0]), atoms.index_select(0, pairs[:, 1])
    return torch.cat([first + second, (first - second).abs()], dim=1)


def pair_outputs(
    head: nn.Module, atoms: Float[Tensor, "N C"], pieces: Iterable[Int[Tensor, "_ 2"]]
) -> Float[Tensor, "R_all W"]:
    """Return what a head says of the pairs of all pieces, one piece after another.

    Args:
        head: Rows to outputs.
        atoms: Channels of the batch's atoms.
        pieces: At least one, maybe empty; see ``in_pieces`` and ``every_pair``.
    """

    def outputs(atoms: Tensor, pairs: Tensor) -> Tensor:
        out: Tensor = head(pair_rows(atoms, pairs))
        return out

    out = []
    for number, pairs in enumerate(pieces):
        if number == 0 or not torch.is_grad_enabled():
            out.append(outputs(atoms, pairs))
        else:
            out.append(checkpoint(outputs, atoms, pairs, use_reentrant=False))
    return out[0] if len(out) == 1 else torch.cat(out)


def in_pieces(
    pairs: Int[Tensor, "R 2"], at_once: int = PAIRS_AT_ONCE
) -> tuple[Int[Tensor, "_ 2"], ...]:
    """Cut pairs into pieces of at most ``at_once``."""
    return torch.split(pairs, at_once)


def every_pair(batch: MolBatch, at_once: int = PAIRS_AT_ONCE) -> Iterator[Int[Tensor, "_ 2"]]:
    """Yield all pairs of all molecules of a batch, in order, in pieces of at most ``at_once``.

    Pairs of one molecule stand as labels do: (0, 1), (0, 2), ..., (n - 2, n - 1).
    """
    sizes = torch.bincount(batch.molecule, minlength=batch.num_molecules).tolist()
    waiting, num_waiting, first_atom = [batch.molecule.new_empty(0, 2)], 0, 0
    for size in sizes:
        pairs = torch.triu_indices(size, size, offset=1, device=batch.molecule.device)
        waiting.append(pairs.T + first_atom)
        num_waiting += pairs.shape[1]
        first_atom += size
        if num_waiting >= at_once:
            yield from in_pieces(torch.cat(waiting), at_once)
            waiting, num_waiting = [], 0
    if waiting:
        yield torch.cat(waiting)
