"""Tables that have grown: which store has their first rows already, and the plan of the rest.

A grown store is a store like any other, named by the content of all its files. Its first segments
are those of the earlier store (``share.py``); the rest are made. So its plan must be the one that
all rows together would have had, or nothing is shared.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa

from graphium.errors import StoreError
from graphium.labels.columns import MAX_DISTINCT, ColumnScan, TableScan, scan_table
from graphium.labels.header import DELIMITERS, PARQUET, SMI, shorten
from graphium.labels.storage import LabelStorage
from graphium.labels.table import Shard, Table, find_smiles_column
from graphium.store.layout import MANIFEST, PLAN
from graphium.store.planning import EMPTY_LISTS, choose_segment_rows, width_of
from graphium.store.read import Store, open_store
from graphium.store.records import EarlierRows, FileRecord, Plan, SourceFile
from graphium.store.source import Source, content_versions

_WIDTH: dict[LabelStorage, int] = {"bit": 0, "code": 1, "float": 2}
"""Each way to keep numbers holds those of the ones before it."""
_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class CannotGrow:
    """Why the segments of an earlier store cannot be those of a longer table."""

    reasons: tuple[str, ...]


def find_earlier(source: Source, options: dict[str, object], stores: Path) -> Store | None:
    """Return the finished store with most of the first rows of a table, if there is any.

    Args:
        source: The table.
        options: What else decides the content, as in ``Plan.options``.
        stores: Folder of stores.
    """
    found: list[tuple[int, str]] = []
    for path in sorted(stores.glob(f"*/{PLAN}")):
        try:
            plan = json.loads(path.read_bytes())
            if (plan["options"], plan["versions"]) != (options, content_versions()):
                continue
            known = Plan.model_validate(plan)
        except (OSError, ValueError, KeyError, TypeError, RecursionError):
            continue  # it is not even a candidate
        if (path.parent / MANIFEST).is_file() and continues(known.digests, source):
            found.append((known.rows, path.parent.name))
    for _, name in sorted(found, reverse=True):
        try:
            return open_store(stores / name)
        except StoreError:  # damaged: whoever opens it is told; the table itself is whole
            continue
    return None


def continues(earlier: Sequence[FileRecord], source: Source) -> bool:
    """Return whether a table consists of these files and of rows behind their last one.

    The rows behind it are further files, or more lines of the last one of plain text.
    """
    count = len(earlier)
    if not 0 < count <= len(source.digests):
        return False
    *before, last = earlier
    if list(source.digests[: count - 1]) != before:
        return False
    now = source.digests[count - 1]
    if now == last:
        return count < len(source.digests)
    return now.size > last.size and _has_more_lines(source.paths[count - 1], last)


def rows_behind(plan: Plan, source: Source) -> Table:
    """Return the rows of a table that ``continues`` that of a plan which are not in the plan."""
    counts = [file.rows for file in plan.files] or [plan.rows]
    table, last = source.open(), len(counts) - 1
    shards = table.shards[len(counts) :]
    if source.digests[last] != plan.digests[last]:
        shards = (_skip(table.shards[last], counts[last]), *shards)
    return replace(table, shards=shards)


def plan_growth(
    store: Store, source: Source, rows: Table, segment_rows: int | None
) -> Plan | CannotGrow:
    """Return the plan of a table whose first rows a store has.

    Args:
        store: The earlier store.
        source: The whole table.
        rows: The rows behind those of the store.
        segment_rows: Of the new rows; by default a function of their number.

    Raises:
        DataError: If the new rows cannot be read, or there is none.
    """
    plan = store.record.plan
    reasons = _compare_names(plan, rows)
    if reasons:
        return CannotGrow(tuple(reasons))
    scan = scan_table(rows, plan.smiles)
    reasons = [
        reason for column in scan.columns if (reason := _compare(store, column, source.kind))
    ]
    if reasons:
        return CannotGrow(tuple(reasons))
    infinite = {column.name: column.infinite for column in scan.columns}
    counts = {
        column.name: plan.infinite.get(column.name, 0) + infinite.get(column.name, 0)
        for column in plan.columns
        if not column.is_text
    }
    return plan.model_copy(
        update={
            "source": source.name,
            "source_sha256": source.sha256,
            "files": _files(plan, source, scan),
            "digests": source.digests,
            "rows": plan.rows + scan.rows,
            "earlier": (
                *plan.earlier,
                EarlierRows(
                    store=store.path.name,
                    rows=plan.rows - plan.num_earlier_rows,
                    segment_rows=plan.segment_rows,
                ),
            ),
            "segment_rows": segment_rows
            or choose_segment_rows(scan.rows, width_of(rows, plan.smiles, scan.columns)),
            "infinite": {name: count for name, count in counts.items() if count},
        }
    )


def _has_more_lines(path: Path, earlier: FileRecord) -> bool:
    """Return whether a text file begins with an earlier one and goes on with a new line."""
    if path.suffix.lower() not in (*DELIMITERS, *SMI):
        return False
    with path.open("rb") as file:
        file.seek(earlier.size - 1)
        last, after = file.read(1), file.read(1)
        if last != b"\n" and after not in (b"\n", b"\r"):
            return False  # before all is read: nearly every other file ends here
        file.seek(0)
        digest, left = hashlib.sha256(), earlier.size
        while left and (block := file.read(min(left, _BLOCK))):
            digest.update(block)
            left -= len(block)
    return digest.hexdigest() == earlier.sha256


def _skip(shard: Shard, rows: int) -> Shard:
    """Return a file without its first rows."""

    def read() -> Iterator[pa.RecordBatch]:
        left = rows
        for batch in shard.open():
            skipped = min(left, batch.num_rows)
            left -= skipped
            if skipped < batch.num_rows:
                yield batch.slice(skipped)

    return Shard(shard.name, read)


def _compare_names(plan: Plan, rows: Table) -> list[str]:
    expected = [plan.smiles, *(one.name for one in plan.columns if one.kind != "computed")]
    expected += plan.skipped
    missing = [name for name in expected if name not in rows.columns]
    added = [name for name in rows.columns if name not in expected]
    reasons = []
    if missing:
        reasons.append(f"the new rows lack {shorten(missing)}")
    if added:
        reasons.append(f"the new rows have {shorten(added)} besides")
    if not reasons:
        found = find_smiles_column(rows, plan.options["smiles"])
        if found != plan.smiles:
            reasons.append(f"the SMILES stood in '{plan.smiles}' and now stand in '{found}'")
    return reasons


def _compare(store: Store, new: ColumnScan, kind: str) -> str:
    """Return why a column of all rows together would be another one than it is; often nothing."""
    plan = store.record.plan
    before = next((one for one in plan.columns if one.name == new.name), None)
    if before is None:
        revives = plan.skipped[new.name] == EMPTY_LISTS and new.kind == "list"
        return f"'{new.name}' had no list of labels before and has some now" if revives else ""
    match before.kind:
        case "number" if new.kind == "number":
            if _WIDTH[new.storage] > _WIDTH[before.storage]:
                return f"'{new.name}' {_WAS[before.storage]} and now holds other numbers"
            return ""
        case "list" if new.kind == "list" or (new.is_empty and kind not in PARQUET):
            return ""
        case "text" if new.kind == "text" or (new.kind == "number" and kind not in PARQUET):
            distinct = store.distinct_text(new.name) | new.distinct
            if len(distinct) > MAX_DISTINCT:
                return f"'{new.name}' now has more than {MAX_DISTINCT} distinct strings"
            return ""
        case _:
            note = f" ({new.note})" if new.note else ""
            return f"'{new.name}' held {_HELD[before.kind]} and now {_HOLDS[new.kind]}{note}"


_WAS = {
    "bit": "held 0 and 1 alone",
    "code": "held whole numbers from -1 to 254 alone",
}
_HELD = {"number": "numbers", "list": "lists of numbers", "text": "text"}
_HOLDS = {
    "number": "holds numbers",
    "list": "holds lists of numbers",
    "text": "holds text",
    "skipped": "cannot be used",
}


def _files(plan: Plan, source: Source, scan: TableScan) -> tuple[SourceFile, ...]:
    """Return the files of all rows and how many each has; none where there is one file."""
    if not source.files:
        return ()
    counts = [file.rows for file in plan.files] or [plan.rows]
    more = list(scan.shard_rows)
    if len(counts) + len(more) > len(source.files):  # the last file has grown
        counts[-1] += more.pop(0)
    return tuple(
        SourceFile(name=name, rows=rows)
        for name, rows in zip(source.files, (*counts, *more), strict=True)
    )
