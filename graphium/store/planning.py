"""Decides what a store will hold before its first segment is written."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pydantic import ValidationError

from graphium.config.data import (
    ColumnSplitConfig,
    DatasetConfig,
    FingerprintConfig,
    Level,
)
from graphium.errors import DataError, StoreError
from graphium.graphs.levels import LIST_LEVELS, level_words
from graphium.labels.columns import ROWS_COUNT, ColumnScan, read_lists, scan_table
from graphium.labels.header import describe_repeated
from graphium.labels.list_cells import fitting_levels
from graphium.labels.table import Table, find_smiles_column, require_columns
from graphium.store.layout import (
    MAX_SEGMENT_CELLS,
    MAX_SEGMENT_ROWS,
    MIN_SEGMENT_ROWS,
    SEGMENTS_OF_SMALL_TABLES,
)
from graphium.store.manifest import check_name
from graphium.store.pool import Job, WorkerPool
from graphium.store.records import Family, Plan, SourceFile, StoredColumn, describe_errors
from graphium.store.source import Source, content_options, content_versions

_LOG = logging.getLogger(__name__)
_SAMPLE_ROWS = 2_000

_CELLS_OF_BLOCK = 1_000
"""Columns whose cells take as much memory as a column of mol blocks."""

EMPTY_LISTS = "all its lists are empty or belong to rows that are no molecules"
"""Why a column of lists may not be kept."""


def make_plan(
    dataset: DatasetConfig, source: Source, pool: WorkerPool, segment_rows: int | None
) -> Plan:
    """Read the table once and decide on columns, levels and segments.

    Raises:
        DataError: If the table or its columns cannot be used.
    """
    table = source.open()
    if table.repeated:
        _LOG.warning("%s", describe_repeated(source.name, table.repeated))
    smiles = find_smiles_column(table, dataset.smiles)
    scan = scan_table(table, smiles)
    lists = [column.name for column in scan.columns if column.kind == "list"]
    levels, skipped = _find_levels(dataset, table, smiles, lists, pool)
    skipped |= {column.name: column.note for column in scan.columns if column.kind == "skipped"}
    columns = [
        _stored_column(column, levels) for column in scan.columns if column.name not in skipped
    ]
    computed, families, fingerprint = _computed(dataset, table)
    return Plan(
        source=source.name,
        source_sha256=source.sha256,
        files=tuple(
            SourceFile(name=name, rows=rows)
            for name, rows in zip(source.files, scan.shard_rows, strict=bool(source.files))
        ),
        digests=source.digests,
        options=content_options(dataset, source.kind),
        smiles=smiles,
        rows=scan.rows,
        segment_rows=segment_rows
        or choose_segment_rows(scan.rows, width_of(table, smiles, columns)),
        columns=(*columns, *computed),
        skipped=skipped,
        infinite={
            column.name: column.infinite
            for column in scan.columns
            if column.infinite and column.name not in skipped
        },
        computed=tuple(dataset.computed),
        families=tuple(families),
        fingerprint=fingerprint,
        conformers=dataset.conformers,
        hydrogens=dataset.hydrogens,
        atom_order=dataset.atom_order,
        versions=content_versions(),
    )


def width_of(table: Table, smiles: str, columns: Sequence[object]) -> int:
    """Return how many columns of cells a row takes the memory of."""
    return len(columns) + (_CELLS_OF_BLOCK if table.structure == smiles else 0)


def choose_segment_rows(rows: int, columns: int = 0) -> int:
    """Return the rows of one segment: a function of the table's length and width alone."""
    most = min(MAX_SEGMENT_ROWS, max(MIN_SEGMENT_ROWS, MAX_SEGMENT_CELLS // max(columns, 1)))
    segments = max(-(-rows // most), min(SEGMENTS_OF_SMALL_TABLES, -(-rows // MIN_SEGMENT_ROWS)))
    return -(-rows // segments)


def check_declared(name: str, dataset: DatasetConfig, plan: Plan) -> None:
    """Check that the columns which the dataset's options name are in the store.

    Raises:
        DataError: If one is not, or does not hold what the option needs.
    """
    split = dataset.split
    declared = dict.fromkeys(dataset.categories, "categories")
    declared |= dict.fromkeys(dataset.levels, "levels")
    if dataset.weights is not None:
        declared[dataset.weights] = "weights"
    if isinstance(split, ColumnSplitConfig):
        declared[split.column] = "split"
    stored = {column.name: column for column in plan.columns}
    for column, option in declared.items():
        where = f"datasets.{name}.{option} (table {plan.source})"
        if column in plan.skipped:
            remedy = " Mend such cells, or leave them empty." if option == "levels" else ""
            raise DataError(
                f"Column '{column}' of {where} cannot be used: {plan.skipped[column]}. "
                f"{ROWS_COUNT}.{remedy}"
            )
        require_columns(list(stored), [column], where)
        found = stored[column]
        if option == "weights" and (found.kind != "number" or column in plan.infinite):
            held = {"number": "infinite numbers", "text": f"text: {found.note}. {ROWS_COUNT}"}
            reason = held.get(found.kind, f"one number for each of its {level_words(found.level)}")
            raise DataError(f"Column '{column}' of {where} must hold numbers; it holds {reason}.")
        if option == "levels" and found.kind != "list":
            cells = f"text: {found.note}" if found.kind == "text" else "one number in each cell"
            raise DataError(
                f"Column '{column}' of {where} does not hold lists of numbers; it holds {cells}. "
                f"{ROWS_COUNT}."
            )


def _stored_column(column: ColumnScan, levels: dict[str, Level]) -> StoredColumn:
    assert column.kind != "skipped", "left out before"
    level = levels.get(column.name, "graph")
    return StoredColumn(
        name=column.name, level=level, kind=column.kind, storage=column.storage, note=column.note
    )


def _computed(
    dataset: DatasetConfig, table: Table
) -> tuple[list[StoredColumn], list[Family], FingerprintConfig]:
    """Return the computed labels that are columns, those that are families, and how."""
    fingerprint = dataset.fingerprint or FingerprintConfig()
    columns: list[StoredColumn] = []
    families: list[Family] = []
    if not dataset.computed:
        return columns, families, fingerprint
    from graphium.molecules.computed import column_suffixes, describe

    for kind in dataset.computed:
        about = describe(kind)
        if about.is_wide:
            names = column_suffixes(kind, fingerprint)
            shown = (names[0], names[-1]) if about.is_binary else names
            families.append(Family(kind=kind, names=shown, is_binary=about.is_binary))
            made = families[-1].columns
        else:
            unit = about.unit
            columns.append(StoredColumn(name=kind, level=about.level, kind="computed", unit=unit))
            made = [kind]
        taken = [name for name in made if name in table.columns]
        if taken:
            raise DataError(
                f"{table.name} has a column '{taken[0]}' already, so it cannot be computed as "
                "well; rename the column, or remove it from the dataset's `computed`."
            )
    return columns, families, fingerprint


@dataclass(slots=True)
class _Evidence:
    """How many lists of a column have the shape of each level."""

    fits: dict[Level, int] = field(default_factory=lambda: dict.fromkeys(LIST_LEVELS, 0))
    fitting: int = 0
    """Lists that fit some level..."""
    misfits: int = 0
    """...and those that fit none."""
    example: str = ""

    @property
    def possible(self) -> list[Level]:
        """Levels that all lists fit, but for those that fit none."""
        return [level for level in LIST_LEVELS if self.fits[level] == self.fitting]

    @property
    def is_found(self) -> bool:
        return self.misfits > 0 or (self.fitting > 0 and len(self.possible) < 2)

    def add(
        self, where: str, cell: NDArray[np.float32], atoms: Sequence[int], bonds: Sequence[int]
    ) -> None:
        """Count one list; sizes are those of the graph and of the SMILES as written."""
        sizes = list(zip(atoms, bonds, strict=True))
        levels = dict.fromkeys(
            level for size in sizes for level in fitting_levels(cell, LIST_LEVELS, *size)
        )
        for level in levels:
            self.fits[level] += 1
        if levels:
            self.fitting += 1
            return
        self.misfits += 1
        what = f"{where} has {cell.size} numbers for {atoms[0]} atoms and {bonds[0]} bonds"
        if sizes[0] != sizes[1]:
            what += f" ({atoms[1]} and {bonds[1]} as written)"
        self.example = self.example or what


def _find_levels(
    dataset: DatasetConfig, table: Table, smiles: str, lists: list[str], pool: WorkerPool
) -> tuple[dict[str, Level], dict[str, str]]:
    """Return the level of list columns, and the reason of those that have none."""
    levels: dict[str, Level] = {
        name: dataset.levels[name] for name in lists if name in dataset.levels
    }
    for name, level in levels.items():
        if level == "graph":
            raise DataError(
                f"Column '{name}' of {table.name} holds lists: its level is "
                f"{', '.join(LIST_LEVELS[:-1])} or {LIST_LEVELS[-1]}."
            )
    skipped: dict[str, str] = {}
    unknown = [name for name in lists if name not in levels]
    for name, evidence in _collect_evidence(dataset, table, smiles, unknown, pool).items():
        if evidence.misfits > evidence.fitting:
            skipped[name] = (
                "its lists have neither as many numbers as the molecule has atoms, nor as bonds, "
                f"nor as pairs of atoms; {evidence.example}"
            )
        elif not evidence.fitting:
            skipped[name] = EMPTY_LISTS
        elif len(evidence.possible) == 1:
            levels[name] = evidence.possible[0]
        else:
            raise DataError(_ambiguous(name, table, evidence))
    return levels, skipped


def _ambiguous(name: str, table: Table, evidence: _Evidence) -> str:
    fits = {level: count for level, count in evidence.fits.items() if count}
    counts = [f"{count} fit {level_words(level)}" for level, count in fits.items()]
    choices = " or ".join(f"{{{name}: {level}}}" for level in evidence.possible or fits)
    return (
        f"Column '{name}' of {table.name} holds lists, and their lengths do not tell what they "
        f"describe (of {evidence.fitting}, {', '.join(counts)}). Say it with the dataset's "
        f"`levels` option: levels: {choices}."
    )


def _collect_evidence(
    dataset: DatasetConfig, table: Table, smiles: str, names: list[str], pool: WorkerPool
) -> dict[str, _Evidence]:
    """Compare lengths on the first rows; go on as long as a column has shown nothing."""
    evidence = {name: _Evidence() for name in names}
    if not names:
        return evidence
    counted = [0] * len(table.shards)
    for shard, batch in table.numbered_batches():
        first = counted[shard]
        for start in range(0, batch.num_rows, _SAMPLE_ROWS):
            part = batch.slice(start, _SAMPLE_ROWS)
            cells = {name: read_lists(part.column(name)) or [] for name in names}
            _compare(
                pa.table({smiles: part.column(smiles)}),
                dataset,
                cells,
                evidence,
                partial(_row_words, first + start, table.inside(shard)),
                pool,
            )
            if all(one.is_found for one in evidence.values()):
                return evidence
        counted[shard] += batch.num_rows
    return evidence


def _row_words(first_row: int, inside: str, row: int) -> str:
    return f"row {first_row + row}{inside}"


def _compare(
    rows: pa.Table,
    dataset: DatasetConfig,
    cells: dict[str, list[NDArray[np.float32] | None]],
    evidence: dict[str, _Evidence],
    where: Callable[[int], str],
    pool: WorkerPool,
) -> None:
    has_coordinates = dataset.conformers is not None and dataset.conformers.kind == "given"
    header = {
        "kind": "sizes", "hydrogens": dataset.hydrogens, "has_coordinates": has_coordinates
    }  # fmt: skip
    job = Job(header, rows, f"the sizes of rows from {where(0)} on")
    sizes: dict[str, Any] = next(iter(pool.run([job], lambda _: None)))
    counted = list(zip(sizes["rows"], sizes["atoms"], sizes["bonds"], strict=True))
    for name, lists in cells.items():
        for row, atoms, bonds in counted:
            cell = lists[row]
            if cell is not None and cell.size:
                evidence[name].add(where(row), cell, atoms, bonds)


def load_plan(path: Path) -> Plan:
    """Read the plan that the first process to prepare a store has made.

    Raises:
        StoreError: If it is damaged, was made by a version with another format, or belongs to
            another store.
    """
    try:
        plan = Plan.model_validate_json(path.read_bytes())
    except ValidationError as error:
        raise StoreError(
            f"{path} is damaged: {describe_errors(error)}. Remove {path.parent} and prepare the "
            "table again."
        ) from error
    check_name(path, plan)
    return plan
