"""Graph isomorphism network with bond features (Hu et al. 2020, arXiv:1905.12265, appendix A).

There bonds are added to the sum; here to each neighbour, before a ReLU, as in PyG's ``GINEConv``
(so that a bond changes what its atom hears from that neighbour); the self-weight is that of Xu et
al. 2019 (arXiv:1810.00826), equation 4.1.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from graphium.config.model import Activation
from graphium.nn.layers.bonds import Bonds
from graphium.nn.mlp import Mlp


class GineLayer(nn.Module):
    r"""One message-passing step in which neighbours speak through their bonds.

    $$ h_i' = \mathrm{MLP}\Big((1+\epsilon)\,h_i
    + \sum_{j \to i} \mathrm{ReLU}(h_j + U e_{ji})\Big) $$

    Equal to PyG's ``GINEConv`` with ``edge_dim``. The sum makes the layer equivariant to any
    renumbering of atoms and additive over disconnected molecules, so a batch gives the same numbers
    as its molecules one by one.

    Bonds come as a table of the few distinct ones and a code for each bond: U runs on the table.

    Args:
        width: Channels C of atoms, in and out; the MLP has one hidden layer of 2 C.
        bond_width: Channels of encoded bonds.
        activation: Non-linearity of the MLP.
        learn_epsilon: Train the self-weight; otherwise epsilon stays 0.
    """

    def __init__(
        self, width: int, bond_width: int, *, activation: Activation, learn_epsilon: bool
    ) -> None:
        super().__init__()
        self.bond_linear = nn.Linear(bond_width, width)
        self.mlp = Mlp([width, 2 * width, width], activation=activation)
        self.epsilon = nn.Parameter(torch.zeros(())) if learn_epsilon else 0.0

    def forward(self, atoms: Float[Tensor, "N C"], bonds: Bonds) -> Float[Tensor, "N C"]:
        """Update the atom channels once; bonds are read, not changed."""
        source, target = bonds.index
        projected = self.bond_linear(bonds.table).index_select(0, bonds.code)  # [E, C]
        messages = F.relu(atoms.index_select(0, source) + projected)  # [E, C]
        own = (1 + self.epsilon) * atoms
        out: Tensor = self.mlp(own.to(messages.dtype).index_add(0, target, messages))
        return out
