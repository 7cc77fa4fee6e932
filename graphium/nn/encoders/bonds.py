"""Encoder of bond features."""

from jaxtyping import Float
from torch import Tensor, nn

from graphium.graphs.mol_batch import MolBatch
from graphium.nn.mlp import Mlp


class BondEncoder(nn.Module):
    """Turns the features of each distinct bond into channels.

    It runs on the table of distinct bonds, a few dozen rows for a whole batch; layers gather by
    code. It has no dropout: a dropped channel would be missing from every such bond of the batch.

    Args:
        features: Bond features D.
        hidden: Channels of the hidden layer.
        width: Channels out.
    """

    def __init__(self, features: int, hidden: int, width: int) -> None:
        super().__init__()
        self.mlp = Mlp([features, hidden, width])

    def forward(self, batch: MolBatch) -> Float[Tensor, "W C"]:
        """Encode the distinct bonds of a batch."""
        out: Tensor = self.mlp(batch.bond_table)
        return out
