"""The whole network: encoders, trunk, heads."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import torch
from jaxtyping import Float
from torch import Tensor, nn

from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_batch import MolBatch
from graphium.nn.encoders.atoms import AtomEncoder
from graphium.nn.encoders.bonds import BondEncoder
from graphium.nn.heads import RowLevel, head_input
from graphium.nn.layers.bonds import Bonds
from graphium.nn.pairs import every_pair, in_pieces, pair_outputs
from graphium.nn.pooling import Pooling
from graphium.nn.trunk import Trunk


class Encoders(nn.Module):
    """What reads the batch.

    Args:
        atoms: Encoder of atoms.
        bonds: Encoder of bonds; None where the trunk does not read them.
    """

    def __init__(self, atoms: AtomEncoder, bonds: BondEncoder | None) -> None:
        super().__init__()
        self.atoms = atoms
        self.bonds = bonds

    def forward(self, batch: MolBatch) -> tuple[Float[Tensor, "N C"], Bonds]:
        """Return the channels of atoms, and the directed bonds."""
        table, code = (None, batch.bond_code) if self.bonds is None else self.bonds(batch)
        both_ways = torch.cat([code, code])  # [E]
        return self.atoms(batch), Bonds(batch.bond_index, both_ways, table)


class Network(nn.Module):
    """One shared backbone and a head for each task.

    Molecules of a batch do not see each other (but for ``norm: batch`` in training). Every
    parameter takes part in ``forward`` for every batch, also one without bonds or atoms, so that
    ranks agree on what has a gradient. Names of parameters start with ``encoders.``, ``trunk.`` or
    ``heads.``; the first two depend on the ``model`` and ``features`` sections alone.

    Padding of a batch (``graphs/padding.py``) changes nothing for what is real, and has outputs
    that mean nothing behind those.

    Args:
        encoders: Batch to the channels of atoms.
        trunk: Message passing.
        pooling: Atoms to molecules, for graph-level tasks and ``embed``.
        heads: Head of each task.
        tasks: What the outputs mean.
    """

    def __init__(
        self,
        encoders: Encoders,
        trunk: Trunk,
        pooling: Pooling,
        heads: Mapping[str, nn.Module],
        tasks: Sequence[TaskSpec],
    ) -> None:
        super().__init__()
        self.encoders = encoders
        self.trunk = trunk
        self.pooling = pooling
        self.heads = nn.ModuleDict({_key(name): head for name, head in heads.items()})
        self.tasks = tuple(tasks)

    def forward(self, batch: MolBatch) -> dict[str, Tensor]:
        """Return [G, N, B or R, width] outputs for each task: scaled labels or logits.

        A task has a row for every molecule, atom or bond of the batch, labelled or not. A task of
        pairs of atoms has one for each of its labelled pairs, in the order of
        ``batch.labels[task].pairs``; in a batch that does not name the task, one for every pair
        of every molecule (``nn.pairs.every_pair``).
        """
        batch = self._in_own_precision(batch)
        atoms = self.atoms(batch)
        rows: dict[RowLevel, Tensor] = {}
        out = {}
        for task in self.tasks:
            head = self.heads[_key(task.name)]
            if task.level == "nodepair":
                out[task.name] = pair_outputs(head, atoms, _asked_pairs(batch, task.name))
                continue
            if task.level not in rows:
                rows[task.level] = head_input(task.level, atoms, batch, self.pooling)
            out[task.name] = head(rows[task.level])
        return out

    def atoms(self, batch: MolBatch) -> Float[Tensor, "N C"]:
        """Return what the trunk knows of each atom."""
        is_real = None if batch.padding is None else batch.padding.is_real
        out: Tensor = self.trunk(*self.encoders(self._in_own_precision(batch)), is_real)
        return out

    def embed(self, batch: MolBatch) -> Float[Tensor, "G C_pooled"]:
        """Return what the trunk knows of each molecule: its pooled atoms."""
        pooled: Tensor = self.pooling(self.atoms(batch), batch.molecule, batch.num_molecules)
        return pooled

    def _in_own_precision(self, batch: MolBatch) -> MolBatch:
        """Let a float64 network read float32 features."""
        dtype = next(self.parameters()).dtype
        if batch.atom_table.dtype == dtype:
            return batch
        return replace(
            batch,
            atom_table=batch.atom_table.to(dtype),
            bond_table=batch.bond_table.to(dtype),
            encodings={name: values.to(dtype) for name, values in batch.encodings.items()},
            bond_encodings={
                name: values.to(dtype) for name, values in batch.bond_encodings.items()
            },
        )


def _asked_pairs(batch: MolBatch, task: str) -> Iterable[Tensor]:
    """Return the labelled pairs of a task, or all where the batch has no labels of it."""
    labels = batch.labels.get(task)
    if labels is None or labels.pairs is None:
        return every_pair(batch)
    return in_pieces(labels.pairs)


def _key(task: str) -> str:
    """Return a name that a module may have: no dot, and no attribute of ``nn.ModuleDict``."""
    return "task_" + task.replace("%", "%25").replace(".", "%2E")
