"""Opens a prepared store and gives its arrays; needs neither rdkit nor torch.

Everything is checked against the manifest: what it does not name is not read, and a file that is
absent, short or has a wrong checksum stops the reading.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Literal

import numpy as np
import zarr
from numpy.typing import NDArray

from graphium.config.data import Level
from graphium.config.suggest import did_you_mean
from graphium.errors import DataError, StoreError
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import MolBlock, RowStatus, offsets, ragged_index
from graphium.graphs.reasons import syntax_note
from graphium.labels.header import shorten
from graphium.store.arrays import read_array, unpack_strings
from graphium.store.blocks import merge_blocks
from graphium.store.families import family_blocks
from graphium.store.hash_arrays import unpack_hashes
from graphium.store.manifest import check_file, read_manifest
from graphium.store.packed_labels import BLOCK_CELLS, STORAGES, PackedLabels, array_names
from graphium.store.records import Manifest, SegmentRecord


@dataclass(frozen=True, slots=True)
class LabelColumn:
    """A column that tasks can learn, or text that divides or classifies."""

    name: str
    level: Level
    kind: Literal["number", "text"]
    unit: str | None


@dataclass(frozen=True, slots=True)
class LabelTable:
    """Labels of L columns of one level, for the R molecules that have any."""

    level: Level
    rows: NDArray[np.int64]
    """[R] molecules of the store, increasing."""
    values: NDArray[np.float32]
    """[R, L] for molecules; [atoms, bonds or pairs of those molecules, L] otherwise; NaN is
    missing."""


@dataclass(frozen=True, slots=True)
class Reject:
    """A row of the table that was left out."""

    row: int
    """0-based."""
    smiles: str
    status: RowStatus
    reason: str
    """Name of its ``RowStatus`` in lower case, and what else is known."""


def open_store(path: Path) -> "Store":
    """Open a finished store.

    The manifest, the size of every file and the metadata of every array are checked here; the
    content of arrays when they are read; all bytes by ``verify_store``.

    Raises:
        StoreError: If the store is absent, not finished, of an unknown format or damaged.
    """
    manifest = read_manifest(path)
    for name, record in manifest.files.items():
        check_file(path / name, record)
    for segment in manifest.segments:
        for name, record in segment.files.items():
            check_file(path / segment.folder / name, record)
    return Store(path, manifest)


def read_rejects(store: Path, records: Iterable[SegmentRecord]) -> list[Reject]:
    """Return the rejected rows of some segments, in order."""
    out = []
    for record in records:
        status = read_segment_array(store, record, "status")
        rejected = np.flatnonzero(status != RowStatus.OK)
        smiles = _read_strings(store, record, "rejected_length", "rejected_smiles")
        notes = _read_strings(store, record, "rejected_note_length", "rejected_note")
        for row, text, note in zip(rejected.tolist(), smiles, notes, strict=True):
            found = RowStatus(status[row])
            known = note or (syntax_note(text) if found == RowStatus.SYNTAX else None)
            name = found.name.lower()
            reason = f"{name}: {known}" if known else name
            out.append(Reject(record.first_row + row, text, found, reason))
    return out


class Store:
    """A finished store. Made by ``open_store``; methods read from disk at each call."""

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self._manifest = manifest
        plan = manifest.plan
        self.columns = (
            *(
                LabelColumn(one.name, one.level, "text" if one.is_text else "number", one.unit)
                for one in plan.columns
            ),
            *(
                LabelColumn(name, "graph", "number", None)
                for family in plan.families
                for name in family.columns
            ),
        )
        self._by_name = {column.name: column for column in self.columns}

    @property
    def manifest(self) -> dict[str, Any]:
        """The whole manifest (fields in ``store/records.py``) and ``content``, the digest."""
        return {**self._manifest.model_dump(mode="json"), "content": self._manifest.content}

    @property
    def record(self) -> Manifest:
        """The manifest with its types."""
        return self._manifest

    @property
    def num_molecules(self) -> int:
        """G."""
        return self._manifest.molecules

    @property
    def num_rows(self) -> int:
        """Rows of the source table, molecules or not."""
        return self._manifest.plan.rows

    def graphs(self, *, positions: bool = False, hashes: bool = True) -> MolBlock:
        """Return all molecules, the vocabularies of the segments merged into one.

        Args:
            positions: Read the coordinates, too.
            hashes: Read the hashes, which only the search for equal molecules needs; without them
                they are [G, 0].

        Raises:
            DataError: If there are none.
        """
        if positions and self._manifest.plan.conformers is None:
            raise DataError(
                f"{self.path.name} holds no coordinates of atoms. Prepare the table again with the "
                "dataset's option `conformers: {kind: etkdg}`."
            )
        return merge_blocks(
            [
                self._read_block(record, positions=positions, hashes=hashes)
                for record in self._manifest.segments
            ],
            is_compact=True,  # each segment was merged when it was written
        )

    def segment(self, number: int) -> "Store":
        """Return the same store as far as one of its segments goes."""
        record = self._manifest.segments[number]
        one = {"segments": (record,), "molecules": record.molecules}
        return Store(self.path, self._manifest.model_copy(update=one))

    def smiles(self) -> list[str]:
        """Return the SMILES of each molecule as the table has it."""
        return [
            text
            for record in self._manifest.segments
            for text in _read_strings(self.path, record, "smiles_length", "smiles")
        ]

    def source_rows(self) -> NDArray[np.int64]:
        """Return the 0-based row of the table of each molecule, increasing."""
        return np.concatenate(
            [
                record.first_row + np.flatnonzero(self._read(record, "status") == RowStatus.OK)
                for record in self._manifest.segments
            ]
        )

    def labels(self, columns: Sequence[str]) -> LabelTable:
        """Return the labels of some columns of one level, in the order asked for.

        Raises:
            DataError: If a column does not exist, holds text, or is of another level.
        """
        level = self._common_level(columns)
        if level == "graph":
            return self._read_graph_labels(columns)
        pieces = list(self.label_pieces(columns))
        rows, values = ([getattr(one, name) for one in pieces] for name in ("rows", "values"))
        return LabelTable(level, np.concatenate(rows), np.concatenate(values))

    def label_pieces(self, columns: Sequence[str]) -> Iterator[LabelTable]:
        """Yield what ``labels`` returns, some molecules after others.

        A piece holds the labels of a segment at most, of molecules ``BLOCK_CELLS`` at most.
        """
        level, first = self._common_level(columns), 0
        read = None if level == "graph" else self._read_list_labels(level)
        for record in self._manifest.segments:
            if read is not None:
                rows, values = read(record, columns)
                yield LabelTable(level, rows + first, values)
                first += record.molecules
                continue
            for block in self._graph_label_blocks(record, columns):
                labelled = np.flatnonzero(~np.isnan(block).all(axis=1))
                yield LabelTable("graph", labelled + first, block[labelled])
                first += len(block)

    def note(self, column: str) -> str:
        """Return why a column is text: its first cell that is no number."""
        return next(one.note for one in self._manifest.plan.columns if one.name == column)

    def text(self, column: str) -> list[str | None]:
        """Return the string of each molecule; numbers are written shortly (``%g``).

        Raises:
            DataError: If there is no such column of molecules.
        """
        found = self._column(column)
        if found.level != "graph":
            raise DataError(f"Column '{column}' of {self.path.name} holds lists, not text.")
        if found.kind == "number":
            table = self.labels([column])
            out: list[str | None] = [None] * self.num_molecules
            for row, value in zip(table.rows.tolist(), table.values[:, 0].tolist(), strict=True):
                out[row] = f"{value:g}"
            return out
        return [
            text
            for record in self._manifest.segments
            for text in _read_text(self.path, record, column)
        ]

    def distinct_text(self, column: str) -> set[str]:
        """Return the strings that a text column has."""
        return {
            text
            for record in self._manifest.segments
            for text in _strings_of(self.path, record, column)[1]
        }

    def rejects(self) -> list[Reject]:
        """Return the rows of the table that became no molecule, in order."""
        return read_rejects(self.path, self._manifest.segments)

    def _read(self, record: SegmentRecord, name: str) -> NDArray[Any]:
        return read_segment_array(self.path, record, name)

    def _read_block(self, record: SegmentRecord, *, positions: bool, hashes: bool) -> MolBlock:
        """Read a segment; integers are as narrow as on disk, for ``merge_blocks`` to widen."""
        join_hash = split_hash = np.zeros((record.molecules, 0), np.uint64)
        if hashes:
            join_hash, split_hash = unpack_hashes(partial(self._read, record))
        return MolBlock(
            num_atoms=self._read(record, "n_atoms"),
            num_bonds=self._read(record, "n_bonds"),
            atom_code=self._read(record, "atom_code"),
            bond_ends=self._read(record, "bond_ends"),
            bond_code=self._read(record, "bond_code"),
            atom_table=self._read(record, "atom_table"),
            bond_table=self._read(record, "bond_table"),
            join_hash=join_hash,
            split_hash=split_hash,
            atom_rank=self._read(record, "atom_rank") if self._manifest.plan.has_ranks else None,
            positions=self._read(record, "positions") if positions else None,
        )

    def _column(self, name: str) -> LabelColumn:
        skipped = self._manifest.plan.skipped
        if name in skipped:
            raise DataError(f"Column '{name}' of {self.path.name} cannot be used: {skipped[name]}.")
        if name in self._by_name:
            return self._by_name[name]
        names = list(self._by_name)
        raise DataError(
            f"{self.path.name} has no column '{name}'{did_you_mean(name, names)}; "
            f"its columns are {shorten(names)}."
        )

    def _common_level(self, columns: Sequence[str]) -> Level:
        if not columns:
            raise DataError("No label columns were asked for.")
        found = [self._column(name) for name in columns]
        for column in found:
            if column.kind == "text":
                raise DataError(
                    f"Column '{column.name}' of {self.path.name} holds text, not numbers "
                    f"({self.note(column.name)}). If its strings are classes, name them under the "
                    "dataset's `categories`."
                )
            if column.level != found[0].level:
                raise DataError(
                    f"Columns of one task must describe the same thing: '{found[0].name}' is of "
                    f"level {found[0].level}, '{column.name}' of level {column.level}."
                )
        return found[0].level

    def _read_graph_labels(self, columns: Sequence[str]) -> LabelTable:
        # Memory of which nothing is written costs nothing, so this is as large as it can get.
        rows = np.empty(self.num_molecules, np.int64)
        values = np.empty((self.num_molecules, len(columns)), np.float32)
        count = 0
        for piece in self.label_pieces(columns):
            end = count + len(piece.rows)
            rows[count:end], values[count:end] = piece.rows, piece.values
            count = end
        return LabelTable("graph", rows[:count], values[:count])

    def _graph_label_blocks(
        self, record: SegmentRecord, columns: Sequence[str]
    ) -> Iterator[NDArray[np.float32]]:
        """Yield [some molecules, L] labels of a segment, a part of its molecules after another."""
        plan = self._manifest.plan
        groups = {storage: plan.stored_as(storage) for storage in STORAGES}
        widest = max(len(columns), *(len(group) for group in groups.values()))
        block_rows = max(1, BLOCK_CELLS // widest)
        parts = []
        for storage, group in groups.items():
            wanted, at = _places(columns, [one.name for one in group])
            if wanted:
                known, values = (self._read(record, name) for name in array_names(storage))
                packed = PackedLabels(storage, len(group), known, values)
                parts.append((wanted, packed.unpack(block_rows, at)))
        for family in plan.families:
            wanted, at = _places(columns, family.columns)
            if wanted:
                array = self._read(record, family.kind)
                parts.append((wanted, family_blocks(array, family, at, block_rows)))
        for first in range(0, record.molecules, block_rows):
            block = np.empty((min(block_rows, record.molecules - first), len(columns)), np.float32)
            for wanted, blocks in parts:
                block[:, wanted] = next(blocks)
            yield block

    def _read_list_labels(
        self, level: Level
    ) -> Callable[[SegmentRecord, Sequence[str]], tuple[NDArray[np.int64], NDArray[np.float32]]]:
        names = [one.name for one in self._manifest.plan.of_level(level)]

        def read(
            record: SegmentRecord, columns: Sequence[str]
        ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
            rows = self._read(record, f"{level}_rows").astype(np.int64)
            position = [names.index(column) for column in columns]
            values = self._read(record, f"{level}_labels")[:, position]
            counts = (self._read(record, name)[rows] for name in ("n_atoms", "n_bonds"))
            sizes = level_sizes(level, *counts)
            starts = offsets(sizes)
            known = offsets((~np.isnan(values)).any(axis=1))
            kept = np.flatnonzero(known[starts[1:]] > known[starts[:-1]])
            return rows[kept], values[ragged_index(starts[kept], sizes[kept])]

        return read


def _places(columns: Sequence[str], names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Return the positions of the wanted columns that one array holds, and their places there."""
    place = {name: position for position, name in enumerate(names)}
    wanted = [position for position, column in enumerate(columns) if column in place]
    return wanted, [place[columns[position]] for position in wanted]


def read_segment_array(store: Path, record: SegmentRecord, name: str) -> NDArray[Any]:
    """Read an array and compare it with its digest: a whole shard in a wrong place is found too."""
    if name not in record.arrays:
        here = f"Segment {record.segment} of the store {store}"
        raise StoreError(f"{here} has no array '{name}'. Remove {store} and prepare it again.")
    return read_array(store / record.folder, name, record.arrays[name].sha256)


def _read_strings(store: Path, record: SegmentRecord, lengths: str, content: str) -> list[str]:
    return unpack_strings(
        read_segment_array(store, record, lengths), read_segment_array(store, record, content)
    )


def _strings_of(store: Path, record: SegmentRecord, column: str) -> tuple[int, list[str]]:
    """Return the position of a text column in ``text_code``, and its strings there."""
    array = zarr.open_array(store / record.folder / "text_code", mode="r")
    attributes: dict[str, Any] = array.attrs.asdict()
    position = attributes["columns"].index(column)
    return position, attributes["strings"][position]


def _read_text(store: Path, record: SegmentRecord, column: str) -> list[str | None]:
    position, known = _strings_of(store, record, column)
    strings = [None, *known]
    codes = read_segment_array(store, record, "text_code")[:, position]
    return [strings[code] for code in codes.tolist()]
