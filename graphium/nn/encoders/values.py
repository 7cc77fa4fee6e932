"""Encoder of any encoding that is plain numbers."""

from jaxtyping import Float
from torch import Tensor, nn

from graphium.graphs.mol_batch import MolBatch
from graphium.nn.mlp import Mlp


class AtomValuesEncoder(nn.Module):
    r"""Turns the K values of each atom into channels: $\mathrm{MLP}(\mathrm{asinh}(x))$.

    asinh leaves numbers near 0 as they are and squeezes large ones (commute times reach hundreds),
    of both signs.

    Args:
        name: Which of the batch's ``encodings``.
        columns: K.
        hidden: Channels of the hidden layer.
        width: Channels out.
    """

    def __init__(self, name: str, columns: int, hidden: int, width: int) -> None:
        super().__init__()
        self.name = name
        self.mlp = Mlp([columns, hidden, width])

    def forward(self, batch: MolBatch) -> Float[Tensor, "N C"]:
        """Encode the atoms of a batch."""
        out: Tensor = self.mlp(batch.encodings[self.name].asinh())
        return out


class BondValuesEncoder(nn.Module):
    """Does the same for the K values of each bond.

    Args:
        name: Which of the batch's ``bond_encodings``.
        columns: K.
        hidden: Channels of the hidden layer.
        width: Channels out.
    """

    def __init__(self, name: str, columns: int, hidden: int, width: int) -> None:
        super().__init__()
        self.name = name
        self.mlp = Mlp([columns, hidden, width])

    def forward(self, batch: MolBatch) -> Float[Tensor, "B C"]:
        """Encode the bonds of a batch."""
        out: Tensor = self.mlp(batch.bond_encodings[self.name].asinh())
        return out
