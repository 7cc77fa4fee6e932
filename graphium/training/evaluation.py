"""Predictions and labels of a whole part of the data, gathered exactly once over all ranks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import assert_never

import numpy as np
import torch
import torch.distributed as dist
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from graphium.config.data import Level
from graphium.config.tasks import TaskSpec
from graphium.graphs.levels import pair_number
from graphium.graphs.mol_batch import MolBatch, TaskLabels
from graphium.graphs.padding import without_padding
from graphium.training.metrics import TaskMetrics, compute_metrics


@dataclass(frozen=True, slots=True)
class TaskPredictions:
    """One task on one part of the data, by molecules and by the atoms, bonds or pairs in them."""

    spec: TaskSpec
    """The task."""
    molecule: NDArray[np.int64]
    """[R] position of each row's molecule in the mix."""
    inner: NDArray[np.int64]
    """[R] atom, bond or pair inside its molecule (0 for graph-level tasks)."""
    ends: NDArray[np.int64]
    """[R, 2] atoms of a bond or pair inside its molecule (0 for other levels)."""
    labels: NDArray[np.float32]
    """[R, L] in the task's unit; NaN where missing."""
    predictions: NDArray[np.float32]
    """[R, L] in the task's unit or as probabilities; [R, L, C] class probabilities."""

    def metrics(self) -> TaskMetrics:
        """Compare the predictions with the labels."""
        return compute_metrics(self.spec, self.labels, self.predictions)


def to_units(spec: TaskSpec, outputs: Float[Tensor, "R W"]) -> Tensor:
    """Turn what a head says into what a user reads.

    Returns:
        [R, L] numbers in the task's unit or probabilities; [R, L, C] probabilities of classes.
    """
    outputs = outputs.double() if outputs.dtype == torch.float64 else outputs.float()
    if spec.loss == "bce":
        return outputs.sigmoid()
    if spec.is_multiclass:
        return outputs.reshape(len(outputs), len(spec.labels), spec.num_classes or 1).softmax(2)
    if spec.mean is None or spec.std is None:
        return outputs
    return outputs * outputs.new_tensor(spec.std) + outputs.new_tensor(spec.mean)


def locate_rows(
    batch: MolBatch, level: Level, labels: TaskLabels
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Say where in which molecule of the batch each labelled row is.

    Returns:
        Molecule in the batch [R], place in the molecule [R], and atoms of a bond or pair [R, 2],
        counted inside the molecule.
    """
    rows, molecule_of_atom = labels.rows.cpu().numpy(), batch.molecule.cpu().numpy()
    none = np.zeros((len(rows), 2), np.int64)
    first_atom = np.searchsorted(molecule_of_atom, np.arange(batch.num_molecules + 1))
    match level:
        case "graph":
            return rows, np.zeros_like(rows), none
        case "node":
            molecule = molecule_of_atom[rows]
            return molecule, rows - first_atom[molecule], none
        case "edge":
            bonds = batch.bond_index[:, : batch.num_bonds].cpu().numpy()
            molecule_of_bond = molecule_of_atom[bonds[0]]
            molecule = molecule_of_bond[rows]
            ends = bonds[:, rows].T - first_atom[molecule][:, None]
            return molecule, rows - np.searchsorted(molecule_of_bond, molecule), ends
        case "nodepair":
            assert labels.pairs is not None, "labels of pairs say which"
            pairs = labels.pairs.cpu().numpy()
            molecule = molecule_of_atom[pairs[:, 0]]
            ends = pairs - first_atom[molecule][:, None]
            return molecule, pair_number(ends, np.diff(first_atom)[molecule]), ends
        case _:
            assert_never(level)


@dataclass(slots=True)
class _Columns:
    """Pieces of one task, one entry for each batch."""

    molecule: list[NDArray[np.int64]] = field(default_factory=list)
    inner: list[NDArray[np.int64]] = field(default_factory=list)
    ends: list[NDArray[np.int64]] = field(default_factory=list)
    labels: list[NDArray[np.float32]] = field(default_factory=list)
    predictions: list[NDArray[np.float32]] = field(default_factory=list)


class PredictionCollector:
    """Keeps the labelled rows of every batch and puts them together at the end of a pass."""

    def __init__(self, specs: Sequence[TaskSpec]) -> None:
        self._specs = specs
        self._columns = {spec.name: _Columns() for spec in specs}

    def add(self, batch: MolBatch, outputs: Mapping[str, Tensor]) -> None:
        """Keep the labelled rows of one batch; padding stands behind all rows, and has none."""
        batch = without_padding(batch)
        for spec in self._specs:
            task = batch.labels[spec.name]
            molecule, inner, ends = locate_rows(batch, spec.level, task)
            columns = self._columns[spec.name]
            columns.molecule.append(batch.keys.cpu().numpy()[molecule])
            columns.inner.append(inner)
            columns.ends.append(ends)
            columns.labels.append(task.values.float().cpu().numpy())
            values = to_units(spec, outputs[spec.name][task.rows])
            columns.predictions.append(values.float().cpu().numpy())

    def gather(self) -> dict[str, TaskPredictions]:
        """Return every row of every rank once, in one order that does not depend on the ranks."""
        shares: list[dict[str, _Columns]] = [self._columns]
        if dist.is_initialized() and dist.get_world_size() > 1:
            shares = [{} for _ in range(dist.get_world_size())]
            dist.all_gather_object(shares, self._columns)
        return {
            spec.name: _join(spec, [share[spec.name] for share in shares]) for spec in self._specs
        }


def _join(spec: TaskSpec, shares: Sequence[_Columns]) -> TaskPredictions:
    num_labels = len(spec.labels)
    empty = (num_labels, spec.num_classes) if spec.num_classes else (num_labels,)
    molecule = np.concatenate([np.zeros(0, np.int64), *(a for s in shares for a in s.molecule)])
    inner = np.concatenate([np.zeros(0, np.int64), *(a for s in shares for a in s.inner)])
    ends = np.concatenate([np.zeros((0, 2), np.int64), *(a for s in shares for a in s.ends)])
    labels = np.concatenate(
        [np.zeros((0, num_labels), np.float32), *(a for s in shares for a in s.labels)]
    )
    predictions = np.concatenate(
        [np.zeros((0, *empty), np.float32), *(a for s in shares for a in s.predictions)]
    )
    order = np.lexsort((inner, molecule))
    return TaskPredictions(
        spec, molecule[order], inner[order], ends[order], labels[order], predictions[order]
    )
