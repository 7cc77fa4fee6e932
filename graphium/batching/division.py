"""The parts of all datasets of a mix: each by its own split, then reconciled."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import Dataset
from graphium.errors import StoreError
from graphium.labels.folders import open_folder
from graphium.labels.splits import SplitMolecules, assign_parts, reads_scaffolds, reconcile
from graphium.store.keys import KeyIndex


@dataclass(frozen=True, slots=True)
class Division:
    """T rows (molecules of all stores, one store after another) by part."""

    starts: NDArray[np.int64]
    """[datasets + 1] first row of each dataset, and T."""
    own: NDArray[np.uint8]
    """[T] part by the dataset's own split; 255 where it has none."""
    part: NDArray[np.uint8]
    """[T] part in the mix, the same for all rows of one split group; 255 stays 255."""
    molecule: NDArray[np.int64]
    """[T] equal numbers for equal molecules."""
    group: NDArray[np.int64]
    """[T] equal numbers for molecules of one split group."""

    def conflicts(self, molecule: NDArray[np.int64], used: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return [T] which rows must not be used because their own dataset holds them out too.

        Where the split of one dataset puts rows of one molecule in several parts, only those of the
        most held-out part count: merging the others would mix labels meant for training into those
        that are measured.

        Args:
            molecule: [T] equal numbers for equal molecules.
            used: [T] rows that would be used otherwise.
        """
        rows = np.flatnonzero(used)
        dataset = np.searchsorted(self.starts, rows, side="right") - 1
        pairs = np.stack([dataset, molecule[rows]], axis=1)
        _, member = np.unique(pairs, axis=0, return_inverse=True)
        member = member.reshape(-1)
        most = np.zeros(len(rows), np.uint8)
        np.maximum.at(most, member, self.own[rows])
        out = np.zeros(len(used), bool)
        out[rows] = self.own[rows] < most[member]
        return out

    def moves(self, dataset: int, left_out: NDArray[np.bool_]) -> dict[tuple[int, int], int]:
        """Return how many rows of a dataset went from one part to another.

        Args:
            dataset: Its place among the datasets.
            left_out: [T] rows not to count.
        """
        first, last = self.starts[dataset], self.starts[dataset + 1]
        rows = first + np.flatnonzero(~left_out[first:last])
        own, part = self.own[rows], self.part[rows]
        pairs, counts = np.unique(
            np.stack([own, part], axis=1)[own != part], axis=0, return_counts=True
        )
        return {(a, b): n for (a, b), n in zip(pairs.tolist(), counts.tolist(), strict=True)}


def divide(datasets: Sequence[Dataset], keys: KeyIndex) -> Division:
    """Divide all rows of a mix.

    Args:
        datasets: The datasets, in the order of the rows.
        keys: Which rows belong to the same split group, and their scaffolds.

    Raises:
        DataError: A split file or column cannot be used.
        StoreError: A scaffold split finds no scaffolds in the key index.
    """
    own = []
    for dataset, first, last in zip(datasets, keys.starts[:-1], keys.starts[1:], strict=True):
        split = dataset.config.split
        plan = dataset.store.record.plan
        if keys.scaffold is None and reads_scaffolds(dataset.config):
            raise StoreError(
                f"dataset '{dataset.name}' is divided by scaffold, but the key index has no "
                "scaffolds; run `graphium data prepare EXPERIMENT`"
            )
        molecules = SplitMolecules(
            dataset=dataset.name,
            num_rows=dataset.store.num_rows,
            row=dataset.source_row,
            group_hash=keys.group_hash[first:last],
            scaffold=None if keys.scaffold is None else keys.scaffold[first:last],
            row_words=plan.row_words,
            folder=open_folder(Path(dataset.config.shown_table))
            if split.kind == "folder"
            else None,
            file_rows=tuple(file.rows for file in plan.files),
        )
        own.append(assign_parts(split, molecules, dataset.store.text))
    parts = np.concatenate(own)
    reconciled = reconcile(parts, keys.split_group)
    return Division(keys.starts, parts, reconciled, keys.molecule, keys.split_group)
