"""What an opened mix is: distinct molecules, their labels by task, and who is held out."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import Dataset
from graphium.batching.duplicates import Contradictions
from graphium.batching.pack import PackedGraphs
from graphium.batching.report import MixReport
from graphium.batching.task_data import LabelTotals, TaskData
from graphium.config.data import Hydrogens, Part
from graphium.config.tasks import TaskSpec
from graphium.labels.splits import PARTS, UNUSED


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The molecules of one dataset, and where they are in the mix."""

    row: NDArray[np.int64]
    """[S] row (0-based) of the table."""
    molecule: NDArray[np.int64]
    """[S] position in the mix; -1 where the row is not used."""


@dataclass(frozen=True, slots=True)
class Mix:
    """M distinct molecules of one or several datasets."""

    graphs: PackedGraphs
    """The molecules."""
    tasks: dict[str, TaskData]
    """Labels by task, in the order of the experiment."""
    part: NDArray[np.uint8]
    """[M] 0 train, 1 val, 2 test, 255 unused."""
    dataset: NDArray[np.int16]
    """[M] dataset (by its place in ``sources``) that the molecule's atoms are taken from."""
    source_row: NDArray[np.int64]
    """[M] row of that dataset's table."""
    sources: dict[str, SourceRows]
    """Every row with a molecule, by dataset."""
    report: MixReport
    """What was joined, moved, merged and left out."""
    contradictions: dict[str, Contradictions]
    """Labels whose merged rows contradict each other, by task."""
    read_smiles: Callable[[], list[str]]
    """Reads the M SMILES; use ``smiles``."""
    hydrogens: Hydrogens = "implicit"
    """Which hydrogens of the SMILES are atoms of the graphs."""

    @property
    def specs(self) -> list[TaskSpec]:
        """The tasks."""
        return [task.spec for task in self.tasks.values()]

    def molecules(self, part: Part) -> NDArray[np.int64]:
        """Return the positions of the molecules of one part, increasing."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def smiles(self) -> list[str]:
        """Return the M SMILES, as their tables have them, in the atom order of the graphs."""
        return self.read_smiles()

    def smiles_of(self, molecules: NDArray[np.int64]) -> list[str]:
        """Return the SMILES of some molecules."""
        found: list[str] = np.array(self.read_smiles(), object)[molecules].tolist()
        return found

    def source_rows_of(self, task: str, molecules: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the row of its table (0-based) that labels of a task came from, by molecule."""
        found = self.tasks[task]
        return found.source_row[np.searchsorted(found.molecule, molecules)]

    def label_totals(self, molecules: NDArray[np.int64]) -> dict[str, float]:
        """Return the sum of the weights of all known labels of each task."""
        return LabelTotals(self.tasks)(molecules)

    def splits(self) -> dict[str, dict[Part, list[int]]]:
        """Return the rows of each part for each dataset, as a ``file`` split reads them."""
        out: dict[str, dict[Part, list[int]]] = {}
        for name, source in self.sources.items():
            part = np.full(len(source.row), UNUSED, np.uint8)
            used = source.molecule >= 0
            part[used] = self.part[source.molecule[used]]
            out[name] = {p: source.row[part == i].tolist() for i, p in enumerate(PARTS)}
        return out


def smiles_reader(
    datasets: Sequence[Dataset], dataset: NDArray[np.int16], source_row: NDArray[np.int64]
) -> Callable[[], list[str]]:
    """Return what reads the SMILES of M molecules when they are asked for.

    Args:
        datasets: The opened stores.
        dataset: [M] place of the store of each molecule among these.
        source_row: [M] row of its table.
    """

    def read() -> list[str]:
        smiles = np.empty(len(dataset), object)
        for number, one in enumerate(datasets):
            ours = np.flatnonzero(dataset == number)
            if len(ours):
                texts = np.array(one.store.smiles(), object)
                smiles[ours] = texts[np.searchsorted(one.source_row, source_row[ours])]
        return smiles.tolist()

    return read
