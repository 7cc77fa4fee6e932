"""Makes the batch of molecules that a loader names by their positions."""

from collections.abc import Mapping
from typing import Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray

from graphium.batching.collate import collate
from graphium.batching.cut import best_cutter
from graphium.batching.pack import PackedGraphs
from graphium.batching.step_encodings import to_device
from graphium.batching.task_data import LabelTotals, TaskData
from graphium.config.features import FeaturesConfig
from graphium.graphs.mol_batch import MolBatch


class BatchMaker(Protocol):
    """Makes batches; a function of its arguments, so that batches can be made in any order."""

    def __call__(self, molecules: NDArray[np.int64], whole_step: NDArray[np.int64]) -> MolBatch:
        """Return the batch of some molecules.

        Args:
            molecules: [G] positions in the mix, in the order of the batch; may be empty.
            whole_step: Positions of all molecules whose labels count in ``label_totals``.
        """
        ...


@final
class HostMaker:
    """Makes batches on the CPU, of arrays in memory or in a mapped file.

    Where the network is on a CPU, a batch has all its encodings; for a GPU those that were not kept
    are left to ``step_encodings.to_device``, and the batch is in pinned memory.

    Args:
        graphs: The packed molecules.
        tasks: All tasks; empty for prediction.
        features: The ``features`` section; by default batches have the encodings of ``graphs``.
        device: Where the network is.
    """

    def __init__(
        self,
        graphs: PackedGraphs,
        tasks: Mapping[str, TaskData],
        features: FeaturesConfig | None = None,
        device: torch.device | None = None,
    ) -> None:
        self._graphs = graphs
        self._tasks = tasks
        self._features = features
        self._device = device or torch.device("cpu")
        self._totals = LabelTotals(tasks)
        self._cutter = best_cutter(graphs.num_molecules)

    def __call__(self, molecules: NDArray[np.int64], whole_step: NDArray[np.int64]) -> MolBatch:
        """Return the batch of some molecules (``BatchMaker``)."""
        totals = self._totals(whole_step)
        batch = collate(self._graphs, self._tasks, molecules, totals, self._cutter)
        return made_ready(batch, self._features, self._device)


def made_ready(batch: MolBatch, features: FeaturesConfig | None, device: torch.device) -> MolBatch:
    """Return a batch as it waits for its step: encoded, or pinned where a GPU encodes it.

    Args:
        batch: On the CPU.
        features: The ``features`` section; None encodes nothing.
        device: Where the network is.
    """
    if device.type == "cuda":
        return batch.pin_memory()
    return batch if features is None else to_device(batch, features, device)
