"""Normalisation of channels."""

from typing import assert_never

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphium.config.model import Norm


class RowBatchNorm(nn.BatchNorm1d):
    """Batch normalisation that also takes batches of one row or none.

    Such a batch has no deviation to divide by: it is normalised with the running statistics, as in
    evaluation, and leaves them alone.
    """

    def forward(self, input: Float[Tensor, "R C"]) -> Float[Tensor, "R C"]:
        """Normalise each channel over the rows."""
        if self.training and len(input) < 2:
            assert self.running_mean is not None
            assert self.running_var is not None
            scale = torch.rsqrt(self.running_var + self.eps) * self.weight
            return (input - self.running_mean) * scale + self.bias
        return super().forward(input)


def build_norm(norm: Norm, width: int) -> nn.Module:
    """Return the normalisation of C channels that a config names."""
    match norm:
        case "layer":
            return nn.LayerNorm(width)
        case "batch":
            return RowBatchNorm(width)
        case "none":
            return nn.Identity()
        case _:
            assert_never(norm)
