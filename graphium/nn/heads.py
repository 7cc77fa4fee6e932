"""What turns the trunk's atoms into the outputs of one task.

A level decides what a row is, and all tasks of that level read the same rows, but for pairs of
atoms, of which each task has its own; a head is an MLP.
"""

from typing import Literal, assert_never

import torch
from jaxtyping import Float
from torch import Tensor

from graphium.config.data import Level
from graphium.config.model import HeadConfig
from graphium.graphs.mol_batch import MolBatch
from graphium.nn.mlp import Mlp
from graphium.nn.pairs import pair_rows
from graphium.nn.pooling import Pooling

FINAL_SCALE = 0.1
"""Initial scale of each head's last layer: outputs start near 0, the mean of scaled labels, and
every gradient behind it is alive."""


RowLevel = Literal["graph", "node", "edge"]
"""Levels at which the network answers for every row of a batch, labelled or not."""


def head_input_width(level: Level, *, atoms: int, pooled: int, bond_features: int) -> int:
    """Return the channels of ``head_input``, from those of its parts."""
    match level:
        case "graph":
            return pooled
        case "node":
            return atoms
        case "edge":
            return 2 * atoms + bond_features
        case "nodepair":
            return 2 * atoms
        case _:
            assert_never(level)


def head_input(
    level: RowLevel, atoms: Float[Tensor, "N C"], batch: MolBatch, pooling: Pooling
) -> Float[Tensor, "R C_out"]:
    """Return one row for each molecule, atom or bond of a batch."""
    match level:
        case "graph":
            pooled: Tensor = pooling(atoms, batch.molecule, batch.num_molecules)
            return pooled
        case "node":
            return atoms
        case "edge":
            return bond_rows(atoms, batch)
        case _:
            assert_never(level)


def bond_rows(atoms: Float[Tensor, "N C"], batch: MolBatch) -> Float[Tensor, "B C_out"]:
    r"""Describe each bond by its ends and its features, whichever way it was written.

    $$ r_{uv} = \big[h_u + h_v,\; |h_u - h_v|,\; e_{uv}\big] $$
    """
    ends = pair_rows(atoms, batch.bond_index[:, : batch.num_bonds].T)  # each bond once
    features = batch.bond_table.index_select(0, batch.bond_code)
    return torch.cat([ends, features.to(atoms.dtype)], dim=1)


def build_head(config: HeadConfig, width_in: int, width_out: int) -> Mlp:
    """Return an untrained head whose outputs start near 0."""
    hidden = [config.width] * (config.depth - 1)
    head = Mlp([width_in, *hidden, width_out], dropout=config.dropout)
    with torch.no_grad():
        head.last.weight.mul_(FINAL_SCALE)
        head.last.bias.zero_()
    return head
