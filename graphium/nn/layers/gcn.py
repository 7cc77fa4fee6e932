"""Graph convolution, after Kipf and Welling 2017 (arXiv:1609.02907), equation 2."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphium.nn.layers.bonds import Bonds


class GcnLayer(nn.Module):
    r"""Average of an atom and its neighbours, weighted by their degrees, through one linear map.

    $$ h_i' = b + \sum_{j \in N(i) \cup \{i\}} \frac{W h_j}{\sqrt{d_i d_j}},
    \quad d_i = 1 + |N(i)| $$

    Equal to PyG's ``GCNConv``. Bonds say who is a neighbour and nothing else.

    Args:
        width: Channels C, in and out.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width, bias=False)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, atoms: Float[Tensor, "N C"], bonds: Bonds) -> Float[Tensor, "N C"]:
        """Update the atom channels once."""
        source, target = bonds.index
        transformed: Tensor = self.linear(atoms)
        ones = transformed.new_ones(len(target))
        degree = transformed.new_ones(len(atoms)).index_add(0, target, ones)  # [N]
        scale = degree.rsqrt()[:, None]
        # One scaling before and one after the sum: no weight for each directed bond.
        scaled = transformed * scale
        summed = scaled.index_add(0, target, scaled.index_select(0, source))  # [N, C]
        return summed * scale + self.bias
