"""A mix that is not held: rows of stores, of which the segments in use are read again and again.

What a ``Mix`` is for what fits into memory. Its rows are visited each by itself: rows of one
molecule, in one table or in several, are not merged, and each brings the labels of its own table.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.report import MixReport
from graphium.batching.stream_rows import StreamRows
from graphium.batching.stream_segments import StreamSource
from graphium.config.data import Part
from graphium.config.features import FeaturesConfig
from graphium.config.tasks import TaskSpec
from graphium.labels.splits import PARTS
from graphium.store.read import Store


@final
@dataclass(frozen=True, slots=True)
class StreamedMix:
    """T rows of one or several datasets; positions of rows are what molecules are in a ``Mix``."""

    rows: StreamRows
    """Where the rows are; those without labels stand in no part."""
    sources: tuple[StreamSource, ...]
    """The datasets."""
    specs: list[TaskSpec]
    """The tasks, in the order of the experiment."""
    features: FeaturesConfig
    """What the network reads."""
    report: MixReport
    """What was moved and left out."""

    def molecules(self, part: Part) -> NDArray[np.int64]:
        """Return the rows of one part, increasing."""
        return np.flatnonzero(self.rows.part == PARTS.index(part))

    def label_totals(self, rows: NDArray[np.int64]) -> dict[str, float]:
        """Return the sum of the weights of all known labels of each task, without reading."""
        totals = dict.fromkeys((spec.name for spec in self.specs), 0.0)
        for source in self.sources:
            own = rows[(rows >= source.first_row) & (rows < source.first_row + source.num_rows)]
            own = own - source.first_row
            totals |= {spec.name: source.labels.total(spec.name, own) for spec in source.specs}
        return totals

    def smiles_of(self, rows: NDArray[np.int64]) -> list[str]:
        """Return the SMILES of some rows, increasing, as their tables have them."""
        return [
            text
            for store, places in self._by_segment(rows)
            for text in np.array(store.smiles(), object)[places].tolist()
        ]

    def source_rows_of(self, task: str, rows: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the rows of its table (0-based) that some labelled rows of a task are."""
        del task  # they are those of its dataset
        pieces = [store.source_rows()[places] for store, places in self._by_segment(rows)]
        return np.concatenate([np.zeros(0, np.int64), *pieces])

    def describe(self) -> dict[str, Any]:
        """Return what tells these data from others; its size does not grow with theirs."""
        out: dict[str, Any] = {}
        for one in self.sources:
            part = self.rows.part[one.first_row : one.first_row + one.num_rows]
            out[one.dataset.name] = {
                "store": one.dataset.store.record.content,
                "parts": {p: int((part == i).sum()) for i, p in enumerate(PARTS)},
                "parts_sha256": _sha256(part),
                "labels_sha256": {name: _sha256(known) for name, known in one.labels.known.items()},
            }
        return out

    def _by_segment(self, rows: NDArray[np.int64]) -> Sequence[tuple[Store, NDArray[np.int64]]]:
        """Return the store of each segment that has some of these rows, and their places there."""
        segment = self.rows.segments_of(rows)
        found = []
        for number in np.unique(segment).tolist():
            source = next(one for one in reversed(self.sources) if one.first_segment <= number)
            store = source.dataset.store.segment(number - source.first_segment)
            found.append((store, rows[segment == number] - self.rows.starts[number]))
        return found


def _sha256(array: NDArray[Any]) -> str:
    return hashlib.sha256(np.ascontiguousarray(array).data).hexdigest()
