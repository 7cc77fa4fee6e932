"""Activations, and linear layers with something between them."""

from itertools import pairwise
from typing import assert_never

from jaxtyping import Float
from torch import Tensor, nn

from graphium.config.model import Activation


def build_activation(activation: Activation) -> nn.Module:
    """Return the non-linearity that a config names."""
    match activation:
        case "relu":
            return nn.ReLU()
        case "gelu":
            return nn.GELU()
        case "silu":
            return nn.SiLU()
        case _:
            assert_never(activation)


class Mlp(nn.Module):
    """Linear layers with an activation and dropout between them, none after the last.

    Args:
        widths: Channels in, between and out: k + 1 of them make k linear layers.
        activation: What stands between the layers.
        dropout: Share of hidden channels dropped in training.
    """

    def __init__(
        self, widths: list[int], *, activation: Activation = "gelu", dropout: float = 0.0
    ) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        for width_in, width_out in pairwise(widths):
            if len(self.layers):
                self.layers.append(build_activation(activation))
                self.layers.append(nn.Dropout(dropout))
            self.layers.append(nn.Linear(width_in, width_out))

    @property
    def last(self) -> nn.Linear:
        """The layer whose outputs leave."""
        last = self.layers[-1]
        assert isinstance(last, nn.Linear)
        return last

    def forward(self, rows: Float[Tensor, "R C_in"]) -> Float[Tensor, "R C_out"]:
        """Transform each row by itself."""
        out: Tensor = self.layers(rows)
        return out
