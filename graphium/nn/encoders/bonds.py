"""Encoder of bond features and of what single bonds have beside them."""

from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from graphium.graphs.mol_batch import MolBatch
from graphium.nn.mlp import Mlp


class BondEncoder(nn.Module):
    """Turns the features of bonds into channels.

    Without positional encodings of bonds it runs on the table of distinct bonds, a few dozen rows
    for a whole batch; layers gather by code. With them it runs on every bond: an MLP on [features,
    positional encodings], whose first linear map is computed in two exact parts, on the table and
    on the encodings. It has no dropout: a dropped channel would be missing from every such bond of
    the batch.

    Args:
        features: Bond features D.
        positional: Encoders of positional encodings of bonds, by name; may be empty.
        positional_width: Channels that each of them adds.
        hidden: Channels of the hidden layer.
        width: Channels out.
    """

    def __init__(
        self,
        features: int,
        positional: Mapping[str, nn.Module],
        *,
        positional_width: int,
        hidden: int,
        width: int,
    ) -> None:
        super().__init__()
        self.mlp = Mlp([features, hidden, width])
        self.positional = nn.ModuleDict(positional)
        self.positional_linear = (
            nn.Linear(len(positional) * positional_width, hidden, bias=False)
            if positional
            else None
        )

    def forward(self, batch: MolBatch) -> tuple[Float[Tensor, "W C"], Int[Tensor, " B"]]:
        """Return encoded bonds, each distinct one or each one, and the row of every bond."""
        if self.positional_linear is None:
            table: Tensor = self.mlp(batch.bond_table)
            return table, batch.bond_code
        first, *others = self.mlp.layers
        encodings = torch.cat([encoder(batch) for encoder in self.positional.values()], dim=1)
        rows = first(batch.bond_table).index_select(0, batch.bond_code)  # [B, H]
        rows = rows + self.positional_linear(encodings)
        for layer in others:
            rows = layer(rows)
        return rows, torch.arange(batch.num_bonds, device=rows.device)
