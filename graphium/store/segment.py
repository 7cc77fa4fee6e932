"""One segment: rows of a table in, one zarr group and its commit record out (in a worker)."""

import secrets
import shutil
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphium.errors import DataError
from graphium.graphs.mol_block import MolBlock, RowStatus
from graphium.labels.columns import read_smiles
from graphium.molecules.compiled import WORTH_ROWS
from graphium.molecules.featurize import featurize_chunk
from graphium.store.arrays import array_sha256, narrow, pack_strings, write_arrays
from graphium.store.blocks import merge_blocks, select_molecules
from graphium.store.fault_points import reach
from graphium.store.files import canonical_json, create_once, sync_tree
from graphium.store.hash_arrays import pack_hashes
from graphium.store.layout import COMMITS, SEGMENTS
from graphium.store.limits import Refusals
from graphium.store.records import ArrayRecord, Coverage, FileRecord, Plan, SegmentRecord
from graphium.store.segment_computed import ComputedArrays, compute_segment
from graphium.store.segment_labels import LabelArrays, label_arrays
from graphium.store.segment_lists import Lists, arrange_lists
from graphium.store.structures import Structures, read_structures
from graphium.store.watch import Watch

CHUNK = 2_000
"""SMILES that are featurized together."""


@dataclass(frozen=True, slots=True)
class SegmentJob:
    """Which segment to write, where, and for whom."""

    store: Path
    plan: Plan
    number: int
    writer: str
    """Name of the preparing process; no two ever share one."""
    attempt: str = field(default_factory=lambda: secrets.token_hex(3))
    """Tells a try at the segment from an earlier one of the same process, whose worker died."""

    @property
    def first_row(self) -> int:
        """Row of the table at which the segment begins."""
        return self.plan.first_row_of(self.number)

    @property
    def folder(self) -> str:
        """The segment's group below the store."""
        return f"{SEGMENTS}/{self.number:05d}-{self.attempt}-{self.writer}"

    @property
    def record(self) -> Path:
        """The file that makes the segment part of the store."""
        return self.store / COMMITS / f"{self.number:05d}.json"


@dataclass(frozen=True, slots=True)
class _Rows:
    """Featurized rows of a segment."""

    smiles: list[str | None]
    status: NDArray[np.uint8]
    notes: dict[int, str]
    """Row -> what is wrong with it, where the status does not say all."""
    block: MolBlock
    num_by_getters: int
    """Molecules whose properties took the slow path."""

    @property
    def accepted(self) -> NDArray[np.int64]:
        return np.flatnonzero(self.status == RowStatus.OK)

    @property
    def accepted_smiles(self) -> list[str]:
        return [text for row in self.accepted if (text := self.smiles[row]) is not None]


class _Progress:
    """Reports each row once: where much is computed, as that is done, not as it is parsed."""

    def __init__(self, rows: int, report: Callable[[int], None], *, is_slow: bool) -> None:
        self._left, self._report, self._is_slow = rows, report, is_slow

    def featurized(self, rows: int) -> None:
        if not self._is_slow:
            self._count(rows)

    def computed(self, molecules: int) -> None:
        self._count(molecules)

    def finish(self) -> None:
        """Report the rows that became no molecules."""
        self._count(self._left)

    def _count(self, rows: int) -> None:
        self._left -= rows
        if rows:
            self._report(rows)


def write_segment(
    job: SegmentJob,
    rows: pa.Table,
    refused: Refusals,
    watch: Watch,
    report: Callable[[int], None],
) -> bool:
    """Featurize the rows, write the segment and commit it.

    Args:
        job: The segment.
        rows: Its rows of the table, all columns.
        refused: Rows that must not be read.
        watch: Told which row is being worked on.
        report: Called with the number of rows that were featurized since the last call.

    Returns:
        False if the segment had been committed before; ours is removed then.
    """
    if job.record.is_file():  # our last worker may have died just after it had committed
        report(rows.num_rows)
        return False
    with watch.working():
        featurized, computed, labels = _build(job.plan, job.first_row, rows, refused, watch, report)
    arrays = {**_row_arrays(featurized), **_graph_arrays(featurized), **labels.arrays}
    folder = job.store / job.folder
    write_arrays(folder, arrays, labels.attributes)
    record = _record(job, featurized, arrays, labels, computed.conformers)
    content = canonical_json(record.model_dump(mode="json"))
    if create_once(job.record, content, job.writer):
        return True
    shutil.rmtree(folder)
    reach("segment.withdrawn")
    return False


def try_row(plan: Plan, number: int, row: pa.Table, watch: Watch) -> None:
    """Do all that could go wrong with the molecule of one row, and forget the result.

    Args:
        plan: How it is read.
        number: Which row of the table it is.
        row: All columns of it.
        watch: Told nothing new.
    """
    needed = tuple(column for column in plan.columns if column.kind in ("computed", "list"))
    alone = plan.model_copy(update={"columns": needed, "rows": 1})
    _build(alone, number, row, {}, watch, lambda _: None)


def _build(
    plan: Plan,
    first_row: int,
    rows: pa.Table,
    refused: Refusals,
    watch: Watch,
    report: Callable[[int], None],
) -> tuple[_Rows, ComputedArrays, LabelArrays]:
    """Do all work on molecules; whatever may hang or crash in RDKit is called from here."""
    progress = _Progress(rows.num_rows, report, is_slow=plan.computes)
    cells = read_smiles(rows.column(plan.smiles).combine_chunks())
    given = read_structures(cells, refused, watch, has_coordinates=plan.reads_coordinates)
    featurized = _featurize(plan, given, watch, progress.featurized)
    featurized, lists = _arrange_lists(plan, first_row, rows, featurized, given, watch)
    accepted = featurized.accepted
    watched = watch.over(featurized.accepted_smiles, accepted.tolist())
    positions = [given.positions.get(row, "no_coordinates") for row in accepted.tolist()]
    computed = compute_segment(plan, watched, positions, progress.computed)
    progress.finish()
    labels = label_arrays(plan, rows, accepted, computed, lists, featurized.block)
    return featurized, computed, labels


def _featurize(plan: Plan, given: Structures, watch: Watch, report: Callable[[int], None]) -> _Rows:
    smiles, refused = given.smiles, given.refused
    readable = [None if row in refused else text for row, text in enumerate(smiles)]
    blocks, states, num_by_getters = [], [], 0
    for first in range(0, len(smiles), CHUNK):
        part = readable[first : first + CHUNK]
        chunk = featurize_chunk(
            watch.over(part, range(first, first + len(part))),
            plan.hydrogens,
            ranks=plan.has_ranks,
            compiled=plan.rows >= WORTH_ROWS,
        )
        blocks.append(chunk.block)
        states.append(chunk.status)
        num_by_getters += chunk.num_by_getters
        report(len(chunk.status))
    status = np.concatenate(states)
    for row, refusal in refused.items():
        status[row] = refusal.status
    notes = {row: refusal.note for row, refusal in refused.items()}
    return _Rows(smiles, status, notes, merge_blocks(blocks), num_by_getters)


def _arrange_lists(
    plan: Plan,
    first_row: int,
    rows: pa.Table,
    featurized: _Rows,
    given: Structures,
    watch: Watch,
) -> tuple[_Rows, Lists]:
    """Read the lists of labels, and reject the rows whose lists do not fit their molecule."""
    block = featurized.block
    accepted = featurized.accepted
    watched = watch.over(featurized.accepted_smiles, accepted.tolist())
    mol_blocks = [given.blocks.get(row) for row in accepted.tolist()] if given.blocks else None
    lists = arrange_lists(plan, rows, accepted, watched, block, first_row, mol_blocks)
    if not lists.notes:
        return featurized, lists
    notes = {int(accepted[molecule]): note for molecule, note in lists.notes.items()}
    status = featurized.status.copy()
    status[list(notes)] = RowStatus.LABELS
    keep = np.flatnonzero(status[accepted] == RowStatus.OK)
    # The vocabulary must hold what is left only, as if the rows had never been there.
    kept = merge_blocks([select_molecules(block, keep)])
    rejected = replace(featurized, status=status, notes={**featurized.notes, **notes}, block=kept)
    return rejected, lists.select(keep)


def _row_arrays(rows: _Rows) -> dict[str, NDArray[Any]]:
    rejected = np.flatnonzero(rows.status != RowStatus.OK)
    lengths, content = pack_strings(_encode(rows.smiles[row]) for row in rejected)
    note_lengths, notes = pack_strings(_encode(rows.notes.get(row)) for row in rejected.tolist())
    return {
        "status": rows.status,
        "rejected_length": lengths,
        "rejected_smiles": content,
        "rejected_note_length": note_lengths,
        "rejected_note": notes,
    }


def _graph_arrays(rows: _Rows) -> dict[str, NDArray[Any]]:
    block = rows.block
    lengths, content = pack_strings(_encode(text) for text in rows.accepted_smiles)
    arrays = {
        "n_atoms": narrow(block.num_atoms),
        "n_bonds": narrow(block.num_bonds),
        "atom_code": narrow(block.atom_code),
        "bond_ends": narrow(block.bond_ends),
        "bond_code": narrow(block.bond_code),
        "atom_table": block.atom_table,
        "bond_table": block.bond_table,
        **pack_hashes(block.join_hash, block.split_hash),
        "smiles_length": lengths,
        "smiles": content,
    }
    if block.atom_rank is not None:
        arrays["atom_rank"] = narrow(block.atom_rank)
    return arrays


def _encode(text: str | None) -> bytes:
    return (text or "").encode("utf-8", "replace")


def _record(
    job: SegmentJob,
    rows: _Rows,
    arrays: dict[str, NDArray[Any]],
    labels: LabelArrays,
    conformers: Coverage | None,
) -> SegmentRecord:
    states, counts = np.unique(rows.status[rows.status != RowStatus.OK], return_counts=True)
    if len(rows.accepted) != rows.block.num_molecules:
        raise DataError("The featurizer returned another number of molecules than it accepted.")
    return SegmentRecord(
        segment=job.number,
        folder=job.folder,
        first_row=job.first_row,
        rows=len(rows.status),
        molecules=rows.block.num_molecules,
        atoms=len(rows.block.atom_code),
        bonds=len(rows.block.bond_code),
        failures={
            RowStatus(state).name.lower(): int(count)
            for state, count in zip(states, counts, strict=True)
        },
        coverage=labels.coverage,
        conformers=conformers,
        num_by_getters=rows.num_by_getters,
        versions={name: version(name) for name in ("graphium", "numpy", "rdkit", "zarr")},
        files={
            name: FileRecord(size=size, sha256=digest)
            for name, (size, digest) in sync_tree(job.store / job.folder).items()
        },
        arrays={
            name: ArrayRecord(shape=array.shape, dtype=array.dtype.str, sha256=array_sha256(array))
            for name, array in arrays.items()
        },
    )
