"""Encoder of random-walk return probabilities (Dwivedi et al. 2022, arXiv:2110.07875)."""

from jaxtyping import Float
from torch import Tensor, nn

from graphium.graphs.mol_batch import MolBatch
from graphium.nn.mlp import Mlp


class RandomWalkEncoder(nn.Module):
    """Turns the K return probabilities of each atom into channels.

    Args:
        steps: K.
        hidden: Channels of the hidden layer.
        width: Channels out.
    """

    def __init__(self, steps: int, hidden: int, width: int) -> None:
        super().__init__()
        self.mlp = Mlp([steps, hidden, width])

    def forward(self, batch: MolBatch) -> Float[Tensor, "N C"]:
        """Encode the atoms of a batch."""
        out: Tensor = self.mlp(batch.encodings["random_walk"])
        return out
