"""How atoms become a molecule."""

from typing import Literal, assert_never

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

PoolingKind = Literal["sum", "mean", "max"]


def pool(
    kind: PoolingKind,
    atoms: Float[Tensor, "N C"],
    molecule: Int[Tensor, " N"],
    num_molecules: int,
) -> Float[Tensor, "G C"]:
    """Combine the atoms of each molecule; equal to PyG's global pooling.

    A molecule without atoms gets zeros. Sums are taken in float32 at least: half precision would
    lose the atoms of a large molecule one by one.

    Args:
        kind: Sum, mean or largest value of each channel.
        atoms: Channels of atoms.
        molecule: Molecule of each atom.
        num_molecules: G.
    """
    atoms = atoms.to(torch.promote_types(atoms.dtype, torch.float32))
    empty = atoms.new_zeros((num_molecules, atoms.shape[1]))
    match kind:
        case "sum":
            return empty.index_add(0, molecule, atoms)
        case "mean":
            ones = atoms.new_ones(len(atoms))
            counts = atoms.new_zeros(num_molecules).index_add(0, molecule, ones)  # [G]
            return empty.index_add(0, molecule, atoms) / counts.clamp(min=1)[:, None]
        case "max":
            index = molecule[:, None].expand_as(atoms)
            return empty.scatter_reduce(0, index, atoms, "amax", include_self=False)
        case _:
            assert_never(kind)


class Pooling(nn.Module):
    """Several poolings side by side.

    Args:
        kinds: What to concatenate, in order.
    """

    def __init__(self, kinds: list[PoolingKind]) -> None:
        super().__init__()
        self.kinds = kinds

    def forward(
        self, atoms: Float[Tensor, "N C"], molecule: Int[Tensor, " N"], num_molecules: int
    ) -> Float[Tensor, "G C_out"]:
        """Combine the atoms of each molecule."""
        pooled = [pool(kind, atoms, molecule, num_molecules) for kind in self.kinds]
        return torch.cat(pooled, dim=1)
