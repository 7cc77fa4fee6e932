"""Known labels and classes of one task, by part: counted block by block."""

from typing import final

import numpy as np

from graphium.batching.compact import CompactLabels, is_known
from graphium.batching.report import PARTS, TaskReport
from graphium.config.data import Part
from graphium.config.tasks import TaskSpec


@final
class LabelCounts:
    """Counts labels of one task.

    Args:
        spec: The task.
    """

    def __init__(self, spec: TaskSpec) -> None:
        self.spec = spec
        num_classes = (spec.num_classes or 2) if spec.is_class else 0
        self._molecules = dict.fromkeys(PARTS, 0)
        self._known = np.zeros((len(PARTS), len(spec.labels)), np.int64)
        self._has_class = np.zeros((len(PARTS), len(spec.labels), num_classes), bool)

    def add_molecules(self, part: Part, count: int) -> None:
        """Count more labelled molecules of a part."""
        self._molecules[part] += count

    def add(self, part: Part, labels: CompactLabels) -> None:
        """Count more labels of a part, [rows, L]."""
        number = PARTS.index(part)
        self._known[number] += is_known(labels).sum(0)
        for one in range(self._has_class.shape[2]):
            self._has_class[number, :, one] |= (labels == one).any(0)

    def report(self) -> TaskReport:
        """Return the counts."""
        return TaskReport(
            molecules=self._molecules,
            labels={
                part: dict(zip(self.spec.labels, self.known(part), strict=True)) for part in PARTS
            },
        )

    def known(self, part: Part) -> list[int]:
        """Return known labels of each column."""
        return list(map(int, self._known[PARTS.index(part)]))

    def missing_classes(self, part: Part) -> list[list[str]]:
        """Return the classes that each column lacks; none of numbers."""
        names = self.spec.class_names or list(map(str, range(self._has_class.shape[2])))
        return [
            [name for name, is_there in zip(names, column, strict=True) if not is_there]
            for column in self._has_class[PARTS.index(part)].tolist()
        ]
