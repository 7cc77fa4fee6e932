"""Encoder of Laplacian eigenvectors that does not see their sign.

SignNet, Lim et al. 2022 (arXiv:2202.13013): rho of phi(v) + phi(-v). Here phi acts on each atom by
itself and also reads the eigenvalue; it is one hidden layer, whose second linear map is rho's first
(a sum commutes with it). The sum over eigenpairs accepts any number of them.
"""

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from graphium.graphs.mol_batch import MolBatch


class LaplacianEncoder(nn.Module):
    r"""Turns the entries of k eigenvectors at each atom, with their eigenvalues, into channels.

    $$ p_i = \rho\Big(\sum_k \phi(v_{ik}, \lambda_k) + \phi(-v_{ik}, \lambda_k)\Big), \quad
    \phi(v, \lambda) = \mathrm{ReLU}(W [v, \lambda] + b) - \mathrm{ReLU}(b) $$

    An eigen-solver may return v or -v; the result is the same, so nothing has to be learned from
    random flips. Padding, where a component has fewer atoms than k, is (0, 0): phi is 0 there.

    Args:
        hidden: Channels of phi.
        width: Channels out.
    """

    def __init__(self, hidden: int, width: int) -> None:
        super().__init__()
        self.phi = nn.Linear(2, hidden)
        self.rho = nn.Sequential(nn.Linear(hidden, hidden), nn.GELU(), nn.Linear(hidden, width))

    def forward(self, batch: MolBatch) -> Float[Tensor, "N C"]:
        """Encode the atoms of a batch."""
        vectors, values = batch.encodings["laplacian_vectors"], batch.encodings["laplacian_values"]
        pairs = torch.stack([vectors, values], dim=2)  # [N, k, 2]
        mirrored = torch.stack([-vectors, values], dim=2)
        summed = F.relu(self.phi(torch.cat([pairs, mirrored], dim=1))).sum(1)  # [N, H]
        of_padding = 2 * vectors.shape[1] * F.relu(self.phi.bias)  # [H]
        out: Tensor = self.rho(summed - of_padding)
        return out
