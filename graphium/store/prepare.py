"""From a table to a store: segments by worker processes, then the manifest.

The protocol: what is to be made stands in ``plan.json``, created once. Each segment is written
below a name that no other attempt shares, made durable, and then named by a record that is created
once; ``MANIFEST.json`` comes last. Whatever is killed when, the next process trusts the records,
removes what dead processes left, and does the rest. Several may prepare the same store at once,
and ``parts.py`` divides the work among machines.
"""

import logging
import os
from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
from platformdirs import user_cache_path

from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.errors import DataError
from graphium.labels.splits import reads_scaffolds
from graphium.labels.table import Table
from graphium.store.commit import finish_store, read_records, tidy
from graphium.store.disk_errors import writing
from graphium.store.fault_points import reach
from graphium.store.files import canonical_json, create_once, sync_folder
from graphium.store.growth import CannotGrow, find_earlier, plan_growth, rows_behind
from graphium.store.keys import build_keys_with, keys_path
from graphium.store.layout import COMMITS, MANIFEST, PLAN, SEGMENTS
from graphium.store.limits import Limits
from graphium.store.manifest import read_manifest
from graphium.store.owner import own_name, remove_dead_writers, remove_if_empty
from graphium.store.planning import check_declared, load_plan, make_plan
from graphium.store.pool import Job, Runner, WorkerPool
from graphium.store.progress import progress_bar
from graphium.store.read import open_store
from graphium.store.records import Plan, content_key
from graphium.store.share import share_segments
from graphium.store.source import Source, content_options, content_versions, find_source

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class DaskEngine:
    """A Dask cluster as the place where segments are made."""

    scheduler: str | None = None
    """Address of one that runs already; None starts one on this machine."""


def cache_root() -> Path:
    """Return ``$GRAPHIUM_CACHE_DIR``, or the platform's cache folder for graphium."""
    chosen = os.environ.get("GRAPHIUM_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else user_cache_path("graphium")


def store_path(dataset: DatasetConfig, root: Path) -> Path:
    """Return where the dataset's store is or will be; the name follows from its content.

    Raises:
        DataError: If the table does not exist.
    """
    return store_of(dataset, find_source(dataset), root)


def prepare_dataset(
    name: str,
    dataset: DatasetConfig,
    root: Path,
    *,
    workers: int = 0,
    progress: bool = False,
    segment_rows: int | None = None,
    limits: Limits | None = None,
    engine: DaskEngine | None = None,
) -> Path:
    """Prepare the store of one dataset, or finish it, or return at once when it is complete.

    Args:
        name: Name of the dataset, for messages.
        dataset: The table and its options.
        root: Folder of all stores, usually ``cache_root()``.
        workers: Processes; 0 takes one for each core. Their number does not change the store.
        progress: Show molecules per second.
        segment_rows: Rows of each segment; by default a function of the table's length.
        limits: What a row may cost before it is refused; by default that of ``Limits``.
        engine: Where segments are made; by default in processes of this machine.

    Raises:
        DataError: If the table cannot be used, or none of its rows is a molecule.
        StoreError: If the store cannot be written or is damaged.
    """
    with _open_pools(workers, limits, engine) as (pool, runner):
        return _prepare(name, dataset, root, pool, runner, progress, segment_rows)


def prepare_experiment(
    experiment: Experiment,
    root: Path,
    *,
    workers: int = 0,
    progress: bool = False,
    limits: Limits | None = None,
    engine: DaskEngine | None = None,
) -> dict[str, Path]:
    """Prepare all that an experiment reads: one store for each dataset and the key index.

    Args:
        experiment: What is to be run.
        root: Folder of all stores, usually ``cache_root()``.
        workers: Processes; 0 takes one for each core. Their number does not change the stores.
        progress: Show molecules per second.
        limits: What a row may cost before it is refused; by default that of ``Limits``.
        engine: Where segments are made; by default in processes of this machine.

    Returns:
        The store of each dataset.

    Raises:
        DataError: If a table cannot be used.
        StoreError: If a store cannot be written or is damaged.
    """
    with _open_pools(workers, limits, engine) as (pool, runner):
        paths = {
            name: _prepare(name, dataset, root, pool, runner, progress, None)
            for name, dataset in experiment.datasets.items()
        }
        stores = [open_store(path) for path in paths.values()]
        build_keys_with(
            pool,
            stores,
            root,
            experiment.keys,
            scaffolds=_needs_scaffolds(experiment),
            progress=progress,
        )
        return paths


def missing(experiment: Experiment, root: Path) -> list[str]:
    """Return what must be prepared before the experiment can run, in words; often nothing."""
    paths = {name: store_path(dataset, root) for name, dataset in experiment.datasets.items()}
    absent = [
        f"dataset '{name}' ({experiment.datasets[name].shown_table})"
        for name, path in paths.items()
        if not (path / MANIFEST).is_file()
    ]
    if absent:
        return absent
    contents = [read_manifest(path).content for path in paths.values()]
    index = keys_path(contents, root, experiment.keys, scaffolds=_needs_scaffolds(experiment))
    return [] if (index / MANIFEST).is_file() else ["the key index of its datasets"]


@contextmanager
def _open_pools(
    workers: int, limits: Limits | None, engine: DaskEngine | None
) -> Iterator[tuple[WorkerPool, Runner]]:
    """Yield workers of this machine, and whatever makes the segments."""
    with WorkerPool(workers, limits) as pool:
        if engine is None:
            yield pool, pool
            return
        from graphium.store.dask_engine import DaskPool

        with DaskPool(workers, limits, engine.scheduler) as runner:
            yield pool, runner


def _needs_scaffolds(experiment: Experiment) -> bool:
    return any(reads_scaffolds(one) for one in experiment.datasets.values())


def store_of(dataset: DatasetConfig, source: Source, root: Path) -> Path:
    """Return where the store of a source that was found is or will be."""
    return store_among(dataset, source, root / "stores")


def store_among(dataset: DatasetConfig, source: Source, stores: Path) -> Path:
    """Return where it is or will be in a folder of stores.

    The key alone decides: a finished store of the same content is found whatever its table was
    called when it was made.
    """
    options = content_options(dataset, source.kind)
    key = content_key(source.sha256, content_versions(), options)
    usual = stores / f"{source.stem}-{key}"
    if usual.is_dir():
        return usual
    others = sorted(stores.glob(f"*-{key}/{MANIFEST}"))
    return others[0].parent if others else usual


def _prepare(
    name: str,
    dataset: DatasetConfig,
    root: Path,
    pool: WorkerPool,
    runner: Runner,
    progress: bool,
    segment_rows: int | None,
) -> Path:
    source = find_source(dataset)
    store = store_of(dataset, source, root)
    if (store / MANIFEST).is_file():
        check_declared(name, dataset, tidy(store).plan)
        return store

    def write(writer: str) -> None:
        plan = agree_on_plan(dataset, source, pool, segment_rows, store, writer)
        check_declared(name, dataset, plan)
        todo = range(plan.num_segments)
        write_segments(name, source.open(), plan, todo, store, writer, runner, progress)
        finish_store(name, plan, store, writer)

    complete_store(store, write)
    return store


def complete_store(store: Path, write: Callable[[str], None]) -> None:
    """Do what makes a store exist, and tidy up, also where another process is faster.

    Args:
        store: Its folder; not finished yet.
        write: Makes what is missing, and the manifest, under the name of a writer.

    Raises:
        DataError: If the table cannot be used.
        StoreError: If the store cannot be written or is damaged.
    """
    remove_dead_writers(store)
    try:
        with writing(store), own_name(store) as writer:
            write(writer)
    except (DataError, OSError):
        if not (store / MANIFEST).is_file():
            raise
        # Another machine has finished the store and tidied up what nobody needs any more.
    finally:
        if not (store / PLAN).exists():  # a table that cannot be used leaves no empty folder
            remove_if_empty(store)
    tidy(store)


def agree_on_plan(
    dataset: DatasetConfig,
    source: Source,
    pool: WorkerPool,
    segment_rows: int | None,
    store: Path,
    writer: str,
) -> Plan:
    """Return the plan of a store: the one that is there, else ours, else that of who was faster.

    What an earlier store has of the same table is there afterwards, too.

    Raises:
        DataError: If the table cannot be used.
        StoreError: If the plan, or the earlier store, is damaged.
    """
    if not (store / PLAN).is_file():
        plan = _plan_growth(dataset, source, store, segment_rows)
        if plan is None:
            plan = make_plan(dataset, source, pool, segment_rows)
        create_once(store / PLAN, canonical_json(plan.model_dump(mode="json")), writer)
    plan = load_plan(store / PLAN)
    share_segments(store, plan, writer)
    return plan


def _plan_growth(
    dataset: DatasetConfig, source: Source, store: Path, segment_rows: int | None
) -> Plan | None:
    """Return the plan of a table that has grown since a store of it was made; else none."""
    earlier = find_earlier(source, content_options(dataset, source.kind), store.parent)
    if earlier is None:
        return None
    try:
        plan = plan_growth(earlier, source, rows_behind(earlier.record.plan, source), segment_rows)
    except DataError as error:
        plan = CannotGrow((str(error),))
    if isinstance(plan, CannotGrow):
        _LOG.warning(
            "The first %d rows of %s are prepared already (%s), but all are prepared anew: %s",
            *(earlier.num_rows, source.name, earlier.path.name, "; ".join(plan.reasons)),
        )
        return None
    _LOG.info(
        "The first %d of the %d rows of %s are taken from %s",
        *(earlier.num_rows, plan.rows, source.name, earlier.path.name),
    )
    return plan


def write_segments(
    name: str,
    table: Table,
    plan: Plan,
    wanted: Collection[int],
    store: Path,
    writer: str,
    runner: Runner,
    progress: bool,
    begins: int = 0,
) -> None:
    """Write those of the wanted segments that have no record yet.

    Args:
        name: Name of the dataset, for messages.
        table: The rows.
        plan: Of the store.
        wanted: Numbers of segments.
        store: Its folder.
        writer: Name of this process.
        runner: Has segments made.
        progress: Show molecules per second.
        begins: The segment whose rows are the first of ``table``.

    Raises:
        GraphiumError: If one cannot be written; the others are given up.
    """
    for folder in (store / COMMITS, store / SEGMENTS):
        folder.mkdir(exist_ok=True)
    # A record must not outlive the folder of its segment, so that neither is made before both last.
    sync_folder(store)
    reach("store.folders")
    records = read_records(store)
    todo = [number for number in wanted if number not in records]
    if not todo:
        return
    plan_json = plan.model_dump(mode="json")
    header = {
        "kind": "segment",
        "store": str(store.absolute()),
        "plan": plan_json,
        "writer": writer,
    }
    jobs = (
        Job({**header, "number": number}, rows, f"segment {number} of dataset '{name}'")
        for number, rows in _cut(table, plan, todo, begins)
    )
    total = sum(plan.rows_of(number) for number in wanted)
    done = sum(records[number].rows for number in wanted if number in records)
    with progress_bar(name, total, done, show=progress) as report:
        for _ in runner.run(jobs, report):
            pass


def _cut(
    table: Table, plan: Plan, todo: Collection[int], begins: int
) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each segment in ``todo``, in order; read no further than the last."""
    wanted = [plan.smiles, *(one.name for one in plan.columns if one.kind != "computed")]
    number, held, parts = begins, 0, []
    for batch in table.batches():
        rest = batch.select(wanted)
        while rest.num_rows:
            part = rest.slice(0, _full(plan, number) - held)
            rest = rest.slice(part.num_rows)
            parts.append(part)
            held += part.num_rows
            if held == _full(plan, number):
                if number in todo:
                    yield number, pa.Table.from_batches(parts)
                number, held, parts = number + 1, 0, []
                if number > max(todo):
                    return
    if parts and number in todo:
        yield number, pa.Table.from_batches(parts)


def _full(plan: Plan, number: int) -> int:
    """Return how many rows end a segment; the last may take more than it should, and is refused."""
    is_last = number == plan.num_segments - 1
    return plan.segment_rows if is_last else plan.rows_of(number)
