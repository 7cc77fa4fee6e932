"""The label columns of one segment as arrays (in a worker)."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from graphium.config.data import Level
from graphium.errors import DataError
from graphium.graphs.levels import LIST_LEVELS, level_sizes
from graphium.graphs.mol_block import MolBlock
from graphium.labels.columns import read_numbers, read_text
from graphium.store.arrays import narrow
from graphium.store.packed_labels import STORAGES, array_names, pack_labels
from graphium.store.records import Coverage, Plan, StoredColumn
from graphium.store.segment_computed import ComputedArrays
from graphium.store.segment_lists import Cells, Lists


@dataclass(frozen=True, slots=True)
class LabelArrays:
    """What the label columns of a segment become."""

    arrays: dict[str, NDArray[Any]]
    attributes: dict[str, dict[str, Any]]
    coverage: dict[str, Coverage]


def label_arrays(
    plan: Plan,
    rows: pa.Table,
    accepted: NDArray[np.int64],
    computed: ComputedArrays,
    lists: Lists,
    block: MolBlock,
) -> LabelArrays:
    """Return the arrays of all label columns for the accepted rows of a segment.

    Args:
        plan: What the columns hold.
        rows: The rows of the table.
        accepted: [G] those that are molecules.
        computed: What was computed for them.
        lists: Labels of their list columns.
        block: The G molecules.
    """
    out = LabelArrays(dict(computed.arrays), dict(computed.attributes), dict(computed.coverage))
    _add_graph_labels(out, plan, rows, accepted)
    for level in LIST_LEVELS:
        _add_list_labels(out, plan, level, computed, lists, block)
    _add_text(out, plan, rows, accepted)
    return out


def _add_graph_labels(
    out: LabelArrays, plan: Plan, rows: pa.Table, accepted: NDArray[np.int64]
) -> None:
    for storage in STORAGES:
        columns = plan.stored_as(storage)
        if columns:
            packed = pack_labels(storage, _read_columns(out, columns, rows, accepted))
            known, labels = array_names(storage)
            out.arrays[known], out.arrays[labels] = packed.known, packed.values
            out.attributes[labels] = _attributes(columns)


def _read_columns(
    out: LabelArrays, columns: Sequence[StoredColumn], rows: pa.Table, accepted: NDArray[np.int64]
) -> NDArray[np.float32]:
    values = np.empty((len(accepted), len(columns)), np.float32)
    for position, column in enumerate(columns):
        numbers = read_numbers(rows.column(column.name).combine_chunks())
        if numbers is None:
            raise DataError(f"The table changed while it was read: '{column.name}' had numbers.")
        values[:, position] = _finite(numbers[accepted])
        known = int((~np.isnan(values[:, position])).sum())
        out.coverage[column.name] = Coverage(molecules=known, labels=known)
    return values


def _add_list_labels(
    out: LabelArrays,
    plan: Plan,
    level: Level,
    computed: ComputedArrays,
    lists: Lists,
    block: MolBlock,
) -> None:
    columns = plan.of_level(level)
    if not columns:
        return
    cells = [_cells(column, computed, lists) for column in columns]
    for column, one in zip(columns, cells, strict=True):
        known = [int((~np.isnan(cell)).sum()) for cell in one if cell is not None]
        left_out = lists.left_out.get(column.name)
        out.coverage[column.name] = Coverage(
            molecules=sum(count > 0 for count in known),
            labels=sum(known),
            missing=computed.missing.get(column.name, {}),
            left_out=0 if left_out is None else int(left_out.sum()),
        )
    labelled = [k for k in range(len(block.num_atoms)) if any(_is_known(one[k]) for one in cells)]
    sizes = level_sizes(level, block.num_atoms[labelled], block.num_bonds[labelled]).tolist()
    values = np.full((sum(sizes), len(columns)), np.nan, np.float32)
    for position, one in enumerate(cells):
        first = 0
        for molecule, size in zip(labelled, sizes, strict=True):
            cell = one[molecule]
            if cell is not None and len(cell):
                values[first : first + size, position] = cell
            first += size
    out.arrays[f"{level}_rows"] = narrow(np.array(labelled, np.int64))
    out.arrays[f"{level}_labels"] = values
    out.attributes[f"{level}_labels"] = _attributes(columns)


def _cells(column: StoredColumn, computed: ComputedArrays, lists: Lists) -> Cells:
    if column.kind == "computed":
        return list(computed.lists.get(column.name, []))
    return [None if cell is None else _finite(cell) for cell in lists.cells[column.name]]


def _add_text(out: LabelArrays, plan: Plan, rows: pa.Table, accepted: NDArray[np.int64]) -> None:
    columns = plan.text_columns
    if not columns:
        return
    codes = np.zeros((len(accepted), len(columns)), np.int64)
    strings: list[list[str]] = []
    for position, column in enumerate(columns):
        cells = read_text(rows.column(column.name).combine_chunks())
        kept = [cells[row] for row in accepted]
        known = sorted({text for text in kept if text is not None})
        code = {text: number for number, text in enumerate(known, start=1)}
        codes[:, position] = [0 if text is None else code[text] for text in kept]
        strings.append(known)
        count = int((codes[:, position] > 0).sum())
        out.coverage[column.name] = Coverage(molecules=count, labels=count)
    out.arrays["text_code"] = narrow(codes)
    out.attributes["text_code"] = {
        "columns": [column.name for column in columns],
        "strings": strings,
    }


def _finite(values: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.where(np.isinf(values), np.float32(np.nan), values)


def _is_known(cell: NDArray[np.float32] | None) -> bool:
    return cell is not None and not bool(np.isnan(cell).all())


def _attributes(columns: Sequence[StoredColumn]) -> dict[str, Any]:
    return {
        "columns": [column.name for column in columns],
        "units": {column.name: column.unit for column in columns if column.unit is not None},
    }
