"""Encoder of atom features and positional encodings."""

from collections.abc import Mapping

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from graphium.graphs.mol_batch import MolBatch


class AtomEncoder(nn.Module):
    """Turns features and positional encodings of each atom into channels.

    An MLP with one hidden layer on [features, positional encodings]. Its first linear map is
    computed in two exact parts: on the table of distinct atoms, gathered by code, and on the
    positional encodings, which differ from atom to atom.

    Args:
        features: Atom features F.
        positional: Encoders of positional encodings, by name.
        positional_width: Channels that each of them adds.
        hidden: Channels of the hidden layer.
        width: Channels out.
        dropout: Share of hidden channels dropped in training.
    """

    def __init__(
        self,
        features: int,
        positional: Mapping[str, nn.Module],
        *,
        positional_width: int,
        hidden: int,
        width: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.table_linear = nn.Linear(features, hidden)
        self.positional = nn.ModuleDict(positional)
        self.positional_linear = (
            nn.Linear(len(positional) * positional_width, hidden, bias=False)
            if positional
            else None
        )
        self.norm = nn.LayerNorm(hidden)
        self.dropout = nn.Dropout(dropout)
        self.out_linear = nn.Linear(hidden, width)

    def forward(self, batch: MolBatch) -> Float[Tensor, "N C"]:
        """Encode the atoms of a batch."""
        hidden = self.table_linear(batch.atom_table).index_select(0, batch.atom_code)  # [N, H]
        if self.positional_linear is not None:
            encodings = torch.cat([encoder(batch) for encoder in self.positional.values()], dim=1)
            hidden = hidden + self.positional_linear(encodings)
        out: Tensor = self.out_linear(self.dropout(F.gelu(self.norm(hidden))))
        return out
