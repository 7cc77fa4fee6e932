"""Normalisation of channels."""

from typing import assert_never

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from graphium.config.model import Norm


class RowBatchNorm(nn.BatchNorm1d):
    """Batch normalisation that leaves padding out, and takes batches of one row or none.

    Such a batch has no deviation to divide by: it is normalised with the running statistics, as in
    evaluation, and leaves them alone.
    """

    def forward(
        self, input: Float[Tensor, "R C"], is_real: Bool[Tensor, " R"] | None = None
    ) -> Float[Tensor, "R C"]:
        """Normalise each channel over the rows, or over the real ones of them."""
        if self.training and is_real is not None:
            return self._over_real_rows(input, is_real)
        if self.training and len(input) < 2:
            assert self.running_mean is not None
            assert self.running_var is not None
            scale = torch.rsqrt(self.running_var + self.eps) * self.weight
            return (input - self.running_mean) * scale + self.bias
        return super().forward(input)

    def _over_real_rows(
        self, input: Float[Tensor, "R C"], is_real: Bool[Tensor, " R"]
    ) -> Float[Tensor, "R C"]:
        """Do what ``forward`` does without the other rows, in a shape that is always the same."""
        assert self.running_mean is not None
        assert self.running_var is not None
        assert self.num_batches_tracked is not None
        assert self.momentum is not None
        rows = input.to(torch.promote_types(input.dtype, torch.float32))
        is_real = is_real[:, None]
        count = is_real.sum()
        has_deviation = count >= 2
        mean = torch.where(is_real, rows, 0).sum(0) / count.clamp(min=1)
        square = torch.where(is_real, (rows - mean) ** 2, 0).sum(0)
        mean = torch.where(has_deviation, mean, self.running_mean)
        variance = torch.where(has_deviation, square / count.clamp(min=1), self.running_var)
        with torch.no_grad():
            kind = self.running_mean.dtype
            rate = self.momentum * has_deviation.to(kind)  # 0 where there is nothing to learn
            unbiased = square / (count - 1).clamp(min=1)
            self.running_mean.lerp_(mean.to(kind), rate)
            self.running_var.lerp_(unbiased.to(kind), rate)
            self.num_batches_tracked += has_deviation
        out = (rows - mean) * torch.rsqrt(variance + self.eps) * self.weight + self.bias
        return out.to(input.dtype)


def normalize(
    norm: nn.Module, rows: Float[Tensor, "R C"], is_real: Bool[Tensor, " R"] | None
) -> Float[Tensor, "R C"]:
    """Apply what ``build_norm`` returned; only batch normalisation must know what is real."""
    out: Tensor = norm(rows, is_real) if isinstance(norm, RowBatchNorm) else norm(rows)
    return out


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
