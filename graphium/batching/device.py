"""Makes batches on the device where the network is: the torch twin of ``collate``.

Nothing waits for the device: the sizes of a batch follow from offsets that stay on the CPU.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self, assert_never, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from graphium.batching.device_arrays import DeviceGraphs, DeviceLabels, needed_bytes
from graphium.batching.device_memory import free_bytes, room_for, uploaded
from graphium.batching.pack import PackedGraphs
from graphium.batching.step_encodings import encode_on, lacking
from graphium.batching.task_data import LabelTotals, TaskData
from graphium.config.features import FeaturesConfig
from graphium.graphs.encodings.stacks import split_molecules
from graphium.graphs.mol_batch import MolBatch, TaskLabels
from graphium.graphs.mol_block import offsets, ragged_index

log = logging.getLogger("graphium")


@final
class DeviceMaker:
    """Makes batches of arrays that lie on a device; each rank has a copy on its own.

    Batches are those of ``HostMaker``, bit by bit but for encodings that are computed in each step.
    Unverified on GPU: tests run it on the CPU.

    Args:
        graphs: The packed molecules; stay on the CPU too.
        tasks: All tasks; the CPU adds up their label weights.
        features: The ``features`` section; by default batches have the encodings of ``graphs``.
        device: Where the network is.

    Raises:
        UsageError: The arrays do not fit on the device.
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        tasks: Mapping[str, TaskData],
        features: FeaturesConfig | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._host = graphs
        self._tasks = tasks
        self._device = device or torch.device("cpu")
        self._totals = LabelTotals(tasks)
        self._lacking = features and lacking(features, graphs.encodings, graphs.bond_encodings)
        needed, free = needed_bytes(graphs, tasks), free_bytes(self._device)
        room = "" if free is None else f" of {free / 1e9:.2f} GB that are free"
        log.info(f"copying the mix to {self._device}: {needed / 1e9:.2f} GB{room}")
        with room_for(needed, free, self._device):
            self._graphs = DeviceGraphs.copied_from(graphs, self._device)
            self._labels = {
                name: DeviceLabels.copied_from(task, graphs, self._device)
                for name, task in tasks.items()
            }

    def __call__(self, molecules: NDArray[np.int64], whole_step: NDArray[np.int64]) -> MolBatch:
        """Return the batch of some molecules (``BatchMaker``)."""
        return self._batch(molecules, self._totals(whole_step))

    def _batch(self, molecules: NDArray[np.int64], totals: dict[str, float]) -> MolBatch:
        graphs = self._graphs
        atoms = _Spans.of(self._host.atom_offset, molecules)
        bonds = _Spans.of(self._host.bond_offset, molecules)
        found = [_find(task, self._labels[name], molecules) for name, task in self._tasks.items()]
        groups = [[molecules], atoms.arrays, bonds.arrays, *(one.arrays for one in found)]
        [keys], atoms_there, bonds_there, *found_there = uploaded(groups, self._device)
        molecule, atom_rows, atom_start = atoms.spread(atoms_there)
        owner, bond_rows, bond_start = bonds.spread(bonds_there)
        ends = graphs.bond_ends.index_select(0, bond_rows) + atom_start[owner][:, None]  # [B, 2]
        batch = MolBatch(
            atom_table=graphs.atom_table,
            atom_code=graphs.atom_code.index_select(0, atom_rows).long(),
            bond_table=graphs.bond_table,
            bond_code=graphs.bond_code.index_select(0, bond_rows).long(),
            bond_index=torch.cat([ends, ends.flip(1)]).T.contiguous(),
            molecule=molecule,
            num_molecules=len(molecules),
            encodings={
                name: values.index_select(0, atom_rows) for name, values in graphs.encodings.items()
            },
            bond_encodings={
                name: values.index_select(0, bond_rows)
                for name, values in graphs.bond_encodings.items()
            },
            keys=keys,
            labels={
                name: one.cut(labels, there, atom_start, bond_start)
                for (name, labels), one, there in zip(
                    self._labels.items(), found, found_there, strict=True
                )
            },
            label_totals=totals,
        )
        if self._lacking is None:
            return batch
        ends_on_host = self._host.bond_ends[ragged_index(bonds.first, bonds.count)]
        graph = split_molecules(atoms.count, bonds.count, ends_on_host)
        return encode_on(batch, graph, self._lacking)


@dataclass(frozen=True, slots=True)
class _Spans:
    """Pieces of flat rows that stand one after another in a batch; numpy."""

    first: NDArray[np.int64]
    """[G] first row of each piece."""
    count: NDArray[np.int64]
    """[G] rows of each piece."""
    start: NDArray[np.int64]
    """[G + 1] where each piece begins in the batch."""

    @classmethod
    def of(cls, offset: NDArray[np.int64], pieces: NDArray[np.int64]) -> Self:
        """Return the rows from ``offset[i]`` to ``offset[i + 1]`` of each piece i."""
        first = offset[pieces]
        count = offset[pieces + 1] - first
        return cls(first, count, offsets(count))

    @property
    def arrays(self) -> list[NDArray[np.int64]]:
        """What ``spread`` needs on the device."""
        return [self.count, self.first - self.start[:-1], self.start]

    def spread(self, there: list[Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Return [n] the piece and [n] the row of each row in the batch, and ``start``.

        Args:
            there: ``arrays`` on the device.
        """
        count, shift, start = there
        size = int(self.start[-1])  # given to torch, which otherwise would ask the device
        piece = torch.arange(len(self.count), device=count.device)
        owner = torch.repeat_interleave(piece, count, output_size=size)
        return owner, torch.arange(size, device=count.device) + shift[owner], start


@dataclass(frozen=True, slots=True)
class _Found:
    """The labels of one task in a batch; numpy."""

    labelled: NDArray[np.int64]
    """[r] places in the batch of the molecules that have labels."""
    row: NDArray[np.int64]
    """[r] their rows among those of the task."""
    spans: _Spans
    """The labels of each."""

    @property
    def arrays(self) -> list[NDArray[np.int64]]:
        """What ``cut`` needs on the device."""
        return [self.labelled, self.row, *self.spans.arrays]

    def cut(
        self, labels: DeviceLabels, there: list[Tensor], atom_start: Tensor, bond_start: Tensor
    ) -> TaskLabels:
        """Return the labels in the batch.

        Args:
            labels: All of the task.
            there: ``arrays`` on the device.
            atom_start: [G + 1] first atom of each molecule in the batch.
            bond_start: [G + 1] first bond.
        """
        labelled, row, *spans = there
        owner, rows, _ = self.spans.spread(spans)
        molecule, place, weight = labelled[owner], labels.place[rows], labels.weight[row[owner]]
        pairs = None
        match labels.level:
            case "graph":
                positions = molecule
            case "node":
                positions = atom_start[molecule] + place[:, 0]
            case "edge":
                positions = bond_start[molecule] + place[:, 0]
            case "nodepair":
                positions = torch.arange(len(rows), device=rows.device)
                pairs = atom_start[molecule][:, None] + place
            case _:
                assert_never(labels.level)
        return TaskLabels(positions, labels.numbers(rows), weight, pairs)


def _find(task: TaskData, labels: DeviceLabels, molecules: NDArray[np.int64]) -> _Found:
    labelled, row = task.find(molecules)
    return _Found(labelled, row, _Spans.of(labels.offset, row))
