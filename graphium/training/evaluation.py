"""Metrics and predictions of a whole part of the data, each row counted once over all ranks."""

from collections.abc import Mapping, Sequence
from typing import TypeVar, assert_never, final

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
from graphium.training.kept_rows import RowKeeper, TaskPredictions, halvings_needed, join_rows
from graphium.training.metrics import TaskMetrics, metrics_of
from graphium.training.task_meter import TaskMeter, merge_meters, needs_bins

T = TypeVar("T")
WAITING = 2**16
"""Labels of a task that wait on their device until they are added up together."""


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


@final
class PassMeter:
    """Adds up the metrics of a pass over val or test, and keeps its rows if they are wanted.

    Args:
        specs: The tasks.
        limit: Most bytes, for each task and over all ranks, of labels and predictions that are
            sorted, and of rows that are kept; beyond it they are binned, and a share is kept.
        keep_rows: Whether rows are wanted.
        thresholds: [L] of tasks of 0/1 labels whose thresholds were chosen before.
    """

    def __init__(
        self,
        specs: Sequence[TaskSpec],
        *,
        limit: int,
        keep_rows: bool = False,
        thresholds: Mapping[str, NDArray[np.float64]] | None = None,
    ) -> None:
        self._specs = specs
        self._limit = limit
        known = thresholds or {}
        self._meters = {spec.name: TaskMeter(spec, limit, known.get(spec.name)) for spec in specs}
        self._keepers = {spec.name: RowKeeper(spec, limit) for spec in specs if keep_rows}
        self._waiting: dict[str, list[tuple[Tensor, Tensor]]] = {spec.name: [] for spec in specs}
        self._num_waiting = dict.fromkeys(self._waiting, 0)

    def add(self, batch: MolBatch, outputs: Mapping[str, Tensor]) -> None:
        """Add the labelled rows of one batch, which may stay on its device for a while.

        Padding stands behind all rows, and has none.
        """
        batch = without_padding(batch)
        for spec in self._specs:
            task = batch.labels[spec.name]
            labels = task.values.float()
            predictions = to_units(spec, outputs[spec.name][task.rows]).float()
            self._waiting[spec.name].append((labels, predictions))
            self._num_waiting[spec.name] += labels.numel()
            if self._num_waiting[spec.name] >= WAITING:
                self._take(spec.name)
            if self._keepers:
                self._keepers[spec.name].add(_place_rows(spec, batch, labels, predictions))

    def _take(self, name: str) -> None:
        """Add what waits to the meter of a task."""
        waiting, self._waiting[name], self._num_waiting[name] = self._waiting[name], [], 0
        if waiting:
            labels, predictions = (
                (torch.cat(tensors) if len(tensors) > 1 else tensors[0]).cpu().numpy()
                for tensors in zip(*waiting, strict=True)
            )
            self._meters[name].add(labels, predictions)

    def metrics(self) -> dict[str, TaskMetrics]:
        """Return the metrics of what all ranks have added; the same on every rank.

        The meter is used up.
        """
        for name in self._meters:
            self._take(name)
        sizes = _of_all_ranks({n: (m.num_bytes, m.is_binned) for n, m in self._meters.items()})
        for name, meter in self._meters.items():
            if needs_bins(self._limit, [size[name] for size in sizes]):
                meter.to_bins()  # before it is sent
        shares = _of_all_ranks(self._meters)
        return {
            name: metrics_of(merge_meters([share[name] for share in shares]))
            for name in self._meters
        }

    def rows(self) -> dict[str, TaskPredictions]:
        """Return the rows of all ranks by task, each once, on the first rank; nothing on others.

        Their order does not depend on the ranks.
        """
        sizes = _of_all_ranks(
            {n: (k.bytes_by_halvings(), k.halvings) for n, k in self._keepers.items()}
        )
        for name, keeper in self._keepers.items():
            of_task = [size[name] for size in sizes]
            halvings = max(done for _, done in of_task)
            keeper.halve(halvings_needed([one for one, _ in of_task], halvings, self._limit))
        kept = {name: keeper.rows() for name, keeper in self._keepers.items()}
        shares = _at_first_rank(kept)
        specs = {spec.name: spec for spec in self._specs}
        return {
            name: join_rows(specs[name], [share[name] for share in shares])
            for name in self._keepers
            if shares
        }


def _place_rows(
    spec: TaskSpec, batch: MolBatch, labels: Tensor, predictions: Tensor
) -> TaskPredictions:
    molecule, inner, ends = locate_rows(batch, spec.level, batch.labels[spec.name])
    return TaskPredictions(
        spec,
        batch.keys.cpu().numpy()[molecule],
        inner,
        ends,
        labels.cpu().numpy(),
        predictions.cpu().numpy(),
        num_rows=len(molecule),
    )


def _of_all_ranks(value: T) -> list[T]:
    """Return the value of each rank, on every rank."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return [value]
    values: list[T] = [value] * dist.get_world_size()
    dist.all_gather_object(values, value)
    return values


def _at_first_rank(value: T) -> list[T]:
    """Return the value of each rank on the first one; nothing on others."""
    if not dist.is_initialized() or dist.get_world_size() == 1:
        return [value]
    values = [value] * dist.get_world_size() if dist.get_rank() == 0 else None
    dist.gather_object(value, values)
    return values or []
