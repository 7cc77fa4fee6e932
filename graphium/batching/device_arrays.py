"""The arrays of a mix on the device where the network is: graphs, and the labels of each task."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, assert_never

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphium.batching.compact import MISSING_CLASS, is_known, row_blocks
from graphium.batching.device_memory import copied, smallest_type
from graphium.batching.pack import PackedGraphs
from graphium.batching.task_data import TaskData
from graphium.config.data import Level
from graphium.graphs.levels import pair_ends

_SINGLE = np.dtype(np.float32)


def needed_bytes(graphs: PackedGraphs, tasks: Mapping[str, TaskData]) -> int:
    """Return the bytes that the arrays take on a device; of labels at most so many."""
    floats = [graphs.atom_table, graphs.bond_table]
    floats += [*graphs.encodings.values(), *graphs.bond_encodings.values()]
    labels = [array for task in tasks.values() for array in (task.stored, task.weight)]
    total = sum(array.nbytes for array in [*floats, *labels])
    for name, kind in _code_types(graphs):
        total += getattr(graphs, name).size * kind.itemsize
    for task in tasks.values():
        width, kind = _places(task, graphs)
        total += len(task.stored) * width * kind.itemsize
    return total


@dataclass(frozen=True, slots=True)
class DeviceGraphs:
    """``PackedGraphs`` as tensors, but for the offsets: the CPU must know the size of a batch."""

    atom_code: Tensor
    """[N] row of ``atom_table`` of each atom."""
    bond_code: Tensor
    """[B] row of ``bond_table`` of each bond."""
    bond_ends: Tensor
    """[B, 2] begin and end atom of each bond, counted inside its molecule."""
    atom_table: Tensor
    """[V, F] features of each distinct atom."""
    bond_table: Tensor
    """[W, D] features of each distinct bond."""
    encodings: dict[str, Tensor]
    """[N, K] positional encodings of atoms by name."""
    bond_encodings: dict[str, Tensor]
    """[B, K] values of single bonds by name."""

    @classmethod
    def copied_from(cls, graphs: PackedGraphs, device: torch.device) -> Self:
        """Copy the graphs to ``device``, in the smallest types that hold them."""

        def copy(array: NDArray[Any], dtype: np.dtype[Any] = _SINGLE) -> Tensor:
            return copied(lambda rows: array[rows], array.shape, dtype, device)

        return cls(
            **{name: copy(getattr(graphs, name), kind) for name, kind in _code_types(graphs)},
            atom_table=copy(graphs.atom_table),
            bond_table=copy(graphs.bond_table),
            encodings={name: copy(values) for name, values in graphs.encodings.items()},
            bond_encodings={name: copy(values) for name, values in graphs.bond_encodings.items()},
        )


@dataclass(frozen=True, slots=True)
class DeviceLabels:
    """The labels of one task as tensors: of molecules' parts only those with any label.

    Which parts have labels is known when a batch is asked for, so that no size waits for a device.
    """

    level: Level
    """What a label describes."""
    offset: NDArray[np.int64]
    """[R + 1] first row of ``stored`` of each labelled molecule; on the CPU."""
    stored: Tensor
    """[offset[-1], L] labels as ``TaskData`` holds them."""
    weight: Tensor
    """[R] sample weight of each molecule."""
    place: Tensor
    """[offset[-1], 0 (molecules), 1 (atoms, bonds) or 2 (pairs of atoms)] where each row is in its
    molecule."""

    @classmethod
    def copied_from(cls, task: TaskData, graphs: PackedGraphs, device: torch.device) -> Self:
        """Copy the labels of one task to ``device``."""
        kept = _rows_in_batches(task)

        def labels(rows: slice) -> NDArray[Any]:
            return np.take(task.stored, kept[rows], axis=0)

        def places(rows: slice) -> NDArray[np.int64]:
            owner = np.searchsorted(task.offset, kept[rows], side="right") - 1
            inner = kept[rows] - task.offset[owner]
            if task.spec.level != "nodepair":
                return np.repeat(inner[:, None], width, axis=1)
            molecule = task.molecule[owner]
            first, last = graphs.atom_offset[molecule], graphs.atom_offset[molecule + 1]
            return pair_ends(inner, last - first)

        width, kind = _places(task, graphs)
        return cls(
            level=task.spec.level,
            offset=np.searchsorted(kept, task.offset),
            stored=copied(labels, (len(kept), task.stored.shape[1]), task.stored.dtype, device),
            weight=copied(lambda rows: task.weight[rows], task.weight.shape, _SINGLE, device),
            place=copied(places, (len(kept), width), kind, device),
        )

    def numbers(self, rows: Tensor) -> Tensor:
        """Return [n, L] labels of some rows as numbers; NaN = missing (``compact.decode``)."""
        labels = self.stored.index_select(0, rows)
        if labels.dtype != torch.int8:
            return labels
        return labels.float().masked_fill(labels == MISSING_CLASS, torch.nan)


def _code_types(graphs: PackedGraphs) -> list[tuple[str, np.dtype[Any]]]:
    """Return the whole numbers of graphs and the types that hold them."""
    return [
        ("atom_code", smallest_type(len(graphs.atom_table))),
        ("bond_code", smallest_type(len(graphs.bond_table))),
        ("bond_ends", smallest_type(_most(graphs.atom_offset))),
    ]


def _places(task: TaskData, graphs: PackedGraphs) -> tuple[int, np.dtype[Any]]:
    """Return how many whole numbers say where a label is in its molecule, and what holds them."""
    match task.spec.level:
        case "graph":
            return 0, smallest_type(1)
        case "node":
            return 1, smallest_type(_most(graphs.atom_offset))
        case "edge":
            return 1, smallest_type(_most(graphs.bond_offset))
        case "nodepair":
            return 2, smallest_type(_most(graphs.atom_offset))
        case _:
            assert_never(task.spec.level)


def _most(offset: NDArray[np.int64]) -> int:
    """Return the rows of the molecule that has most."""
    return int(np.diff(offset).max(initial=0))


def _rows_in_batches(task: TaskData) -> NDArray[np.int64]:
    """Return the rows that batches may hold: every labelled molecule, other parts with a label."""
    if task.spec.level == "graph":
        return np.arange(len(task.stored))
    known = [is_known(task.stored[rows]).any(1) for rows in row_blocks(task.stored)]
    return np.flatnonzero(np.concatenate(known))
