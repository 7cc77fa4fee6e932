"""Rows added to a finished store: a longer store, which shares the segments of the first.

The store that is added to stays as it was, for the runs that used it. The longer one has the name
that its files have as one table, so it is found by whoever names them together; a process that was
killed is followed by one that goes on.
"""

from pathlib import Path
from typing import Any

from graphium.config.data import DatasetConfig
from graphium.errors import DataError, StoreError
from graphium.labels.table import Table
from graphium.store.commit import finish_store, tidy
from graphium.store.files import canonical_json, create_once
from graphium.store.growth import CannotGrow, continues, plan_growth, rows_behind
from graphium.store.layout import MANIFEST, PLAN
from graphium.store.limits import Limits
from graphium.store.planning import load_plan
from graphium.store.pool import WorkerPool
from graphium.store.prepare import complete_store, store_among, write_segments
from graphium.store.read import Store, open_store
from graphium.store.records import FileRecord, Plan
from graphium.store.share import share_segments
from graphium.store.source import Source, content_versions, find_source, joint_sha256


def append_rows(
    path: Path,
    table: str,
    *,
    workers: int = 0,
    progress: bool = False,
    limits: Limits | None = None,
) -> Path:
    """Make, or finish, the store that has the rows of another and then those of a table.

    Args:
        path: A finished store; it is not changed.
        table: A table with the same columns; or the store's own file, or pattern, to which rows
            were added at the end.
        workers: Processes; 0 takes one for each core.
        progress: Show molecules per second.
        limits: What a row may cost before it is refused; by default that of ``Limits``.

    Returns:
        The longer store, beside the other.

    Raises:
        DataError: If all rows together would be prepared in another way; the message says why.
        StoreError: If the store is not finished, or was made by other versions.
    """
    store = open_store(path)
    _check_versions(store)
    plan = store.record.plan
    dataset, added = _find_table(store, table)
    if continues(plan.digests, added):
        whole, rows = added, rows_behind(plan, added)
    else:
        whole, rows = _join(store, added), added.open()
    longer = store_among(dataset, whole, path.absolute().parent)
    if (longer / MANIFEST).is_file():
        tidy(longer)
        return longer

    def write(writer: str) -> None:
        agreed = _agree(store, whole, rows, longer, writer)
        begins = _first_new_segment(agreed, plan.rows, longer)
        todo = range(begins, agreed.num_segments)
        name = whole.stem
        write_segments(name, rows, agreed, todo, longer, writer, pool, progress, begins)
        finish_store(name, agreed, longer, writer)

    with WorkerPool(workers, limits) as pool:
        complete_store(longer, write)
    return longer


def _check_versions(store: Store) -> None:
    plan = store.record.plan
    if not plan.digests:
        what = "a bundled table" if plan.options else "a store of an earlier version of graphium"
        raise StoreError(
            f"{store.path} cannot be added to: it is {what}, which keeps no digest of its files. "
            "Prepare one table of all rows."
        )
    ours = content_versions()
    if plan.versions != ours:
        made_by, here = (
            ", ".join(f"{name} {number}" for name, number in sorted(one.items()))
            for one in (plan.versions, ours)
        )
        raise StoreError(
            f"{store.path} was made by {made_by}; this is {here}. Rows of different versions are "
            "not put together: prepare one table of all rows."
        )


def _find_table(store: Store, table: str) -> tuple[DatasetConfig, Source]:
    """Return the table with the options of the store."""
    plan = store.record.plan
    options: dict[str, Any] = dict(plan.options)
    kind = options.pop("read_as")
    dataset = DatasetConfig.model_validate({**options, "table": table})
    source = find_source(dataset)
    if source.kind != kind:
        raise DataError(
            f"{table} is of another format ({source.kind}) than the table of {store.path.name} "
            f"({kind}); the files of one table must have one."
        )
    known = [one.sha256 for one in plan.digests]
    for path, digest in zip(source.paths, source.digests, strict=True):
        if digest.sha256 in known and not continues(plan.digests, source):
            raise DataError(
                f"The rows of {path} are in {store.path.name} already, so they are not added again."
            )
    return dataset, source


def _join(store: Store, added: Source) -> Source:
    """Return the files of a store and those of a table as one table."""
    plan = store.record.plan
    digests: tuple[FileRecord, ...] = (*plan.digests, *added.digests)
    names = tuple(file.name for file in plan.files) or (plan.source,)
    return Source(
        name=f"{plan.source}, {added.name}",
        stem=store.path.name.rpartition("-")[0],
        sha256=joint_sha256(digests),
        kind=added.kind,
        open=added.open,  # never read as a whole: the first files need not be there any more
        files=(*names, *(added.files or (added.name,))),
        digests=digests,
    )


def _agree(store: Store, whole: Source, rows: Table, longer: Path, writer: str) -> Plan:
    """Return the plan of the longer store, with the segments of the first one committed."""
    if not (longer / PLAN).is_file():
        plan = plan_growth(store, whole, rows, None)
        if isinstance(plan, CannotGrow):
            raise DataError(
                f"The rows of {rows.name} cannot be added to {store.path.name}, because all rows "
                f"together are prepared in another way: {'; '.join(plan.reasons)}. Prepare them "
                "as one table."
            )
        create_once(longer / PLAN, canonical_json(plan.model_dump(mode="json")), writer)
    plan = load_plan(longer / PLAN)
    share_segments(longer, plan, writer)
    return plan


def _first_new_segment(plan: Plan, row: int, store: Path) -> int:
    """Return the segment that begins with a row of the table."""
    for number in range(plan.num_segments):
        if plan.first_row_of(number) == row:
            return number
    raise StoreError(
        f"{store} is being prepared from all its files, and not yet finished; run that preparation "
        "again, or remove this folder."
    )
