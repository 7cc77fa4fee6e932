"""Reads single segments of the stores of a mix as what batches are cut from."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import final

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import Dataset, read_labels, read_weights
from graphium.batching.compact import compact
from graphium.batching.pack import PackedGraphs
from graphium.batching.stored_encodings import KeptEncodings, encode_segment
from graphium.batching.stream_cache import Room, Segment
from graphium.batching.stream_labels import RowLabels
from graphium.batching.stream_rows import StreamRows
from graphium.batching.task_data import TaskData
from graphium.config.features import FeaturesConfig
from graphium.config.tasks import TaskSpec
from graphium.graphs.encodings.compute import Encoded
from graphium.graphs.encodings.conformer import conformer_encodings
from graphium.graphs.features import atom_features, bond_features
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.store.read import Store, read_segment_array


@final
@dataclass(frozen=True, slots=True)
class StreamSource:
    """One dataset of a streamed mix."""

    dataset: Dataset
    """Its rows are not held: ``source_row`` is empty."""
    first_row: int
    """Of its rows among those of the mix."""
    first_segment: int
    """Of its segments among those of the mix."""
    specs: list[TaskSpec]
    """Its tasks."""
    labels: RowLabels
    kept: KeptEncodings

    @property
    def num_rows(self) -> int:
        """S."""
        return self.dataset.store.num_molecules

    @property
    def num_segments(self) -> int:
        """Segments of its store."""
        return len(self.dataset.store.record.segments)


@final
class SegmentReader:
    """Reads any segment of a mix.

    Args:
        sources: The datasets.
        rows: All rows.
        features: What the network reads of them.

    Raises:
        StoreError: The vocabulary of a segment is damaged.
    """

    def __init__(
        self, sources: Sequence[StreamSource], rows: StreamRows, features: FeaturesConfig
    ) -> None:
        self._sources = sources
        self._rows = rows
        self._features = features
        self._atoms = _Vocabulary(sources, "atom_table")
        self._bonds = _Vocabulary(sources, "bond_table")
        self._atom_table = atom_features(self._atoms.table, features.atoms)
        self._bond_table = bond_features(self._bonds.table, features.bonds)

    def read(self, segment: int) -> Segment:
        """Return a segment, counted over all datasets.

        Raises:
            StoreError: It is damaged.
        """
        source = next(one for one in reversed(self._sources) if one.first_segment <= segment)
        number = segment - source.first_segment
        store = source.dataset.store.segment(number)
        block = self._block(store, segment)
        first = int(self._rows.starts[segment]) - source.first_row
        one = Dataset(source.dataset.name, source.dataset.config, store, np.zeros(0, np.int64))
        weight = read_weights(one)
        tasks = {
            spec.name: _labels(one, spec, block, source.labels.known[spec.name][first:], weight)
            for spec in source.specs
        }
        return Segment(self._pack(block, source.kept, number), tasks)

    def _block(self, store: Store, segment: int) -> MolBlock:
        """Read the graphs of a store of one segment, but for what is known of it."""
        record = store.record.segments[0]
        read = partial(read_segment_array, store.path, record)
        no_hash = np.zeros((record.molecules, 0), np.uint64)
        return MolBlock(
            num_atoms=read("n_atoms"),
            num_bonds=read("n_bonds"),
            atom_code=self._atoms.codes[segment].take(read("atom_code")),
            bond_ends=read("bond_ends").astype(np.uint16, copy=False),
            bond_code=self._bonds.codes[segment].take(read("bond_code")),
            atom_table=self._atoms.table,
            bond_table=self._bonds.table,
            join_hash=no_hash,
            split_hash=no_hash,
            atom_rank=None,
            positions=read("positions") if self._features.reads_conformers else None,
        )

    def _pack(self, block: MolBlock, kept: KeptEncodings, number: int) -> PackedGraphs:
        encoded = Encoded({}, {})
        if self._features.encodings.compute == "ahead":
            encoded = encode_segment(kept, number, block, self._features)
        conformer_atoms, conformer_bonds = conformer_encodings(block, self._features)
        return PackedGraphs(
            atom_offset=block.atom_offsets(),
            bond_offset=block.bond_offsets(),
            atom_code=block.atom_code.astype(np.int32),
            bond_code=block.bond_code.astype(np.int32),
            bond_ends=block.bond_ends,
            atom_table=self._atom_table,
            bond_table=self._bond_table,
            encodings={**encoded.atoms, **conformer_atoms},
            bond_encodings={**encoded.bonds, **conformer_bonds},
        )


def room_of(source: StreamSource) -> Room:
    """Return the room that the largest segment of a store takes."""
    records, most = source.dataset.store.record.segments, source.labels.most
    return Room(
        molecules=max(one.molecules for one in records),
        atoms=max(one.atoms for one in records),
        bonds=max(one.bonds for one in records),
        labelled={name: rows for name, (rows, _) in most.items()},
        labels={name: values for name, (_, values) in most.items()},
    )


def _labels(
    one: Dataset,
    spec: TaskSpec,
    block: MolBlock,
    known: NDArray[np.unsignedinteger],
    weight: NDArray[np.float32],
) -> TaskData:
    table = read_labels(one, spec)
    lengths = level_sizes(spec.level, block.num_atoms[table.rows], block.num_bonds[table.rows])
    is_known = known[table.rows] > 0  # else left out by ``label_fraction``
    rows, values = table.rows, table.values
    if not is_known.all():
        values = values[ragged_index(offsets(lengths)[:-1][is_known], lengths[is_known])]
        rows, lengths = rows[is_known], lengths[is_known]
    labels = compact(spec, values)
    return TaskData(spec, rows, offsets(lengths), labels, weight[rows], np.zeros(0, np.int64))


class _Vocabulary:
    """The distinct atoms or bonds of all segments, sorted."""

    def __init__(self, sources: Sequence[StreamSource], name: str) -> None:
        tables = [
            read_segment_array(source.dataset.store.path, record, name)
            for source in sources
            for record in source.dataset.store.record.segments
        ]
        distinct, place = np.unique(np.concatenate(tables), axis=0, return_inverse=True)
        if len(distinct) > np.iinfo(np.uint16).max:
            raise OverflowError(f"{len(distinct)} distinct atoms or bonds do not fit 16 bits")
        self.table: NDArray[np.int16] = distinct
        ends = np.cumsum([len(table) for table in tables])
        self.codes: list[NDArray[np.uint16]] = np.split(
            place.reshape(-1).astype(np.uint16), ends[:-1]
        )
        """By segment: the place here of each row of its own table."""
