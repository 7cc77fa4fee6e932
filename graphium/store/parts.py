"""Preparation divided among machines that share a file system.

Each invocation makes the segments of its part and leaves the store unfinished; none needs another
one, and they may run at the same time, in any order, twice, or be killed. ``commit.py`` finishes.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from graphium.config.data import DatasetConfig
from graphium.errors import DataError
from graphium.store.commit import missing_segments, tidy
from graphium.store.disk_errors import writing
from graphium.store.layout import MANIFEST, PLAN
from graphium.store.limits import Limits
from graphium.store.owner import own_name, remove_dead_writers, remove_if_empty
from graphium.store.planning import check_declared
from graphium.store.pool import WorkerPool
from graphium.store.portions import Division, Part, note_division
from graphium.store.prepare import agree_on_plan, store_of, write_segments
from graphium.store.records import Plan
from graphium.store.source import find_source


@dataclass(frozen=True, slots=True)
class PartReport:
    """What stands after a part of a store was made, or after it was planned."""

    store: Path
    num_segments: int
    """Of the whole store."""
    made: range
    """Segments of the part; all are there now."""
    missing: tuple[int, ...]
    """Segments of other parts that are not there yet."""


def prepare_part(
    datasets: Mapping[str, DatasetConfig],
    root: Path,
    part: Part,
    division: Division,
    *,
    workers: int = 0,
    progress: bool = False,
    limits: Limits | None = None,
) -> dict[str, PartReport]:
    """Make the part's segments of the store of each dataset.

    Args:
        datasets: Tables and their options.
        root: Folder of all stores, the same for all parts.
        part: Which part.
        division: How to call for a part, for messages of ``commit_store``.
        workers: Processes; 0 takes one for each core.
        progress: Show molecules per second.
        limits: What a row may cost before it is refused; by default that of ``Limits``.

    Raises:
        DataError: If a table cannot be used.
        StoreError: If a store cannot be written or is damaged.
    """
    with WorkerPool(workers, limits) as pool:
        return {
            name: _prepare_part(name, dataset, root, division, part, pool, progress)
            for name, dataset in datasets.items()
        }


def plan_parts(
    datasets: Mapping[str, DatasetConfig], root: Path, division: Division, *, workers: int = 0
) -> dict[str, PartReport]:
    """Decide what the stores will hold, so that no part has to; write no segment.

    Raises:
        DataError: If a table cannot be used.
        StoreError: If a store cannot be written or is damaged.
    """
    with WorkerPool(workers) as pool:
        return {
            name: _prepare_part(name, dataset, root, division, None, pool, progress=False)
            for name, dataset in datasets.items()
        }


def _prepare_part(
    name: str,
    dataset: DatasetConfig,
    root: Path,
    division: Division,
    part: Part | None,
    pool: WorkerPool,
    progress: bool,
) -> PartReport:
    source = find_source(dataset)
    store = store_of(dataset, source, root)
    if (store / MANIFEST).is_file():
        return _report_finished(name, dataset, store, part)
    remove_dead_writers(store)
    try:
        with writing(store), own_name(store) as writer:
            plan = agree_on_plan(dataset, source, pool, None, store, writer)
            check_declared(name, dataset, plan)
            note_division(store, division, writer)
            made = _segments(part, plan)
            write_segments(name, source.open(), plan, made, store, writer, pool, progress)
    except (DataError, OSError):
        if not (store / MANIFEST).is_file():
            raise
        # All segments are there, and the store has been finished meanwhile.
        return _report_finished(name, dataset, store, part)
    finally:
        if not (store / PLAN).exists():  # a table that cannot be used leaves no empty folder
            remove_if_empty(store)
    if (store / MANIFEST).is_file():
        return _report_finished(name, dataset, store, part)
    missing = missing_segments(store, plan)
    _check_made(name, store, made, missing)
    return PartReport(store, plan.num_segments, made, tuple(missing))


def _report_finished(
    name: str, dataset: DatasetConfig, store: Path, part: Part | None
) -> PartReport:
    plan = tidy(store).plan
    check_declared(name, dataset, plan)
    return PartReport(store, plan.num_segments, _segments(part, plan), ())


def _segments(part: Part | None, plan: Plan) -> range:
    return range(0) if part is None else part.segments(plan)


def _check_made(name: str, store: Path, made: range, missing: list[int]) -> None:
    """The table may have lost rows since it was planned."""
    absent = [number for number in made if number in missing]
    if absent:
        raise DataError(
            f"The table of dataset '{name}' has no rows for segment {absent[0]}: it changed while "
            f"it was read. Remove {store} and prepare it again."
        )
