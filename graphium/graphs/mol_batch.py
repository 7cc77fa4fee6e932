"""What the network sees: a batch of molecules as tensors, with the labels that exist."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from graphium.errors import DataError

if TYPE_CHECKING:
    from torch_geometric.data import Batch, Data


@dataclass(frozen=True, slots=True)
class TaskLabels:
    """The labelled rows of one task in one batch: R molecules, atoms, bonds or pairs of atoms."""

    rows: Int[Tensor, " R"]
    """Rows of the network's output for the task: positions of the labelled molecules (graph), atoms
    (node) or bonds (edge) in the batch; 0..R-1 for pairs, of which only labelled ones are asked."""
    values: Float[Tensor, "R L"]
    """Labels in their own units (class positions for classes); NaN where one is missing."""
    weights: Float[Tensor, " R"]
    """Sample weight of each row."""
    pairs: Int[Tensor, "R 2"] | None = None
    """Atoms in the batch of each labelled pair, the first before the second in their molecule; None
    at other levels. Pairs without a label stand nowhere in a batch."""

    def each(self, change: Callable[[Tensor], Tensor]) -> "TaskLabels":
        """Return a copy with every tensor changed."""
        return TaskLabels(
            change(self.rows),
            change(self.values),
            change(self.weights),
            None if self.pairs is None else change(self.pairs),
        )


@dataclass(frozen=True, slots=True)
class BatchShape:
    """Numbers that decide the shape of every tensor of a batch."""

    atoms: int
    """N."""
    bonds: int
    """B, each bond once."""
    molecules: int
    """G."""
    rows: Mapping[str, int]
    """R of each task."""


@dataclass(frozen=True, slots=True)
class Padding:
    """What of a padded batch is real: atoms, bonds, molecules and rows of labels that come first.

    The others belong to one last molecule that nobody asked for: its atoms have no bonds but to
    themselves. Between the real molecules and that one may stand molecules without atoms.
    """

    is_real: Bool[Tensor, " N"]
    """Whether each atom is real: what a network may look at, as its shape never changes."""
    real: BatchShape
    """How many of each are real: for those who count, not for a network."""


@dataclass(frozen=True, slots=True)
class MolBatch:
    """G molecules as one graph with N atoms and E = 2 B directed bonds.

    Directed bond ``b`` runs as the table wrote bond ``b``; directed bond ``B + b`` runs back.
    ``graphs/padding.py`` makes batches of one shape.
    """

    atom_table: Float[Tensor, "V F"]
    """Features of each distinct atom."""
    atom_code: Int[Tensor, " N"]
    """Row of ``atom_table`` of each atom."""
    bond_table: Float[Tensor, "W D"]
    """Features of each distinct bond."""
    bond_code: Int[Tensor, " B"]
    """Row of ``bond_table`` of each bond."""
    bond_index: Int[Tensor, "2 E"]
    """Source and target atom of each directed bond."""
    molecule: Int[Tensor, " N"]
    """Molecule that each atom belongs to, non-decreasing."""
    num_molecules: int
    """G."""
    encodings: Mapping[str, Float[Tensor, "N K"]]
    """Positional encodings of atoms by name (``random_walk``, ``laplacian_vectors``,
    ``laplacian_values``)."""
    bond_encodings: Mapping[str, Float[Tensor, "B K"]]
    """Values of single bonds by name, the same whichever way a bond is written: positional
    encodings and lengths, which no table of distinct bonds can hold."""
    keys: Int[Tensor, " G"]
    """Position of each molecule in the mix (or in the list that is predicted); -1 of padding."""
    labels: Mapping[str, TaskLabels]
    """Labels by task; every task of the experiment is here, some with no rows."""
    label_totals: Mapping[str, float]
    """Sum of the weights of all known labels of each task in the whole optimiser step: over all
    ranks and micro-batches, not only in this batch (see ``training/losses.py``)."""
    padding: Padding | None = None
    """What is real, where a batch was padded to a given shape."""

    @property
    def shape(self) -> BatchShape:
        """The sizes of its tensors."""
        rows = {name: len(task.rows) for name, task in self.labels.items()}
        return BatchShape(self.num_atoms, self.num_bonds, self.num_molecules, rows)

    @property
    def num_real_molecules(self) -> int:
        """Molecules without padding."""
        return self.num_molecules if self.padding is None else self.padding.real.molecules

    @property
    def num_atoms(self) -> int:
        """N."""
        return len(self.atom_code)

    @property
    def num_bonds(self) -> int:
        """B, each bond once."""
        return len(self.bond_code)

    def to(self, device: torch.device | str) -> "MolBatch":
        """Return a copy on ``device``."""
        return self._each(lambda tensor: tensor.to(device, non_blocking=True))

    def pin_memory(self) -> "MolBatch":
        """Return a copy in memory that a GPU copies from while the CPU goes on."""
        return self._each(lambda tensor: tensor.pin_memory())

    def _each(self, change: Callable[[Tensor], Tensor]) -> "MolBatch":
        """Return a copy with every tensor changed."""
        return replace(
            self,
            atom_table=change(self.atom_table),
            atom_code=change(self.atom_code),
            bond_table=change(self.bond_table),
            bond_code=change(self.bond_code),
            bond_index=change(self.bond_index),
            molecule=change(self.molecule),
            encodings={name: change(value) for name, value in self.encodings.items()},
            bond_encodings={name: change(value) for name, value in self.bond_encodings.items()},
            keys=change(self.keys),
            labels={name: value.each(change) for name, value in self.labels.items()},
            padding=self.padding and replace(self.padding, is_real=change(self.padding.is_real)),
        )

    def to_pyg(self) -> "Batch":
        """Return the batch for a PyTorch Geometric model.

        It has ``x`` [N, F], ``edge_index`` [2, E], ``edge_attr`` [E, D], ``batch``, ``ptr``, each
        encoding of atoms by its name [N, K] and of bonds as ``edge_<name>`` [E, K], and the labels
        as ``y_<task>`` [R, L] with their ``rows_<task>`` [R], for tasks of pairs of atoms also
        ``pairs_<task>`` [R, 2]. It must have no padding (``graphs.padding.without_padding``).
        """
        assert self.padding is None, "a model of PyTorch Geometric would take padding for real"
        from torch_geometric.data import Batch  # takes seconds to import, and few need it

        sizes = torch.bincount(self.molecule, minlength=self.num_molecules)
        bonds = self.bond_table[self.bond_code]
        return Batch(
            x=self.atom_table[self.atom_code],
            edge_index=self.bond_index,
            edge_attr=torch.cat([bonds, bonds]),
            batch=self.molecule,
            ptr=torch.cat([sizes.new_zeros(1), sizes.cumsum(0)]),
            **self.encodings,
            **{f"edge_{name}": torch.cat([e, e]) for name, e in self.bond_encodings.items()},
            **{f"y_{name}": task.values for name, task in self.labels.items()},
            **{f"rows_{name}": task.rows for name, task in self.labels.items()},
            **{
                f"pairs_{name}": task.pairs
                for name, task in self.labels.items()
                if task.pairs is not None
            },
        )

    @staticmethod
    def from_pyg(
        data: "Data", encodings: Sequence[str] = (), bond_encodings: Sequence[str] = ()
    ) -> "MolBatch":
        """Take the molecules of a PyTorch Geometric ``Data`` or ``Batch``, without labels.

        Args:
            data: Has ``x``, ``edge_index`` and ``edge_attr``, both directions of every bond with
                equal features, and ``batch`` where it holds several molecules.
            encodings: Names of attributes [N, K] to keep as positional encodings.
            bond_encodings: Names of attributes ``edge_<name>`` [E, K], equal in both directions, to
                keep as encodings of bonds.

        Raises:
            DataError: The directed edges are not pairs of two directions of one bond.
        """
        of_edges = {name: data[f"edge_{name}"] for name in bond_encodings}
        index = data.edge_index
        source, target = index
        forward, back = (source < target).nonzero()[:, 0], (source > target).nonzero()[:, 0]
        forward = forward[torch.argsort(source[forward] * len(data.x) + target[forward])]
        back = back[torch.argsort(target[back] * len(data.x) + source[back])]
        if not (
            2 * len(forward) == index.shape[1] == 2 * len(back)
            and torch.equal(index[:, forward], index[:, back].flip(0))
            and all(torch.equal(e[forward], e[back]) for e in (data.edge_attr, *of_edges.values()))
        ):
            raise DataError(
                "edge_index must hold both directions of every bond once, with equal edge_attr, "
                "and no loops; torch_geometric.utils.to_undirected adds missing directions"
            )
        molecule = index.new_zeros(len(data.x)) if data.batch is None else data.batch
        num_molecules = int(getattr(data, "num_graphs", 1))
        return MolBatch(
            atom_table=data.x,
            atom_code=torch.arange(len(data.x), device=data.x.device),
            bond_table=data.edge_attr[forward],
            bond_code=torch.arange(len(forward), device=data.x.device),
            bond_index=torch.cat([index[:, forward], index[:, back]], dim=1),
            molecule=molecule,
            num_molecules=num_molecules,
            encodings={name: data[name] for name in encodings},
            bond_encodings={name: values[forward] for name, values in of_edges.items()},
            keys=torch.arange(num_molecules, device=data.x.device),
            labels={},
            label_totals={},
        )
