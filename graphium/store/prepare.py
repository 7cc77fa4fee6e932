"""From a table to a store: segments by worker processes, then the manifest.

The protocol: what is to be made stands in ``plan.json``, created once. Each segment is written
below a name that no other attempt shares, made durable, and then named by a record that is created
once; ``MANIFEST.json`` comes last. Whatever is killed when, the next process trusts the records,
removes what dead processes left, and does the rest. Several may prepare the same store at once.
"""

import csv
import io
import logging
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import pyarrow as pa
from platformdirs import user_cache_path
from pydantic import ValidationError

from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.errors import DataError, StoreError, quoted
from graphium.labels.table import Table
from graphium.store.files import canonical_json, create_once, write_atomic
from graphium.store.keys import build_keys_with, keys_path
from graphium.store.layout import COMMITS, MANIFEST, PLAN, REJECTS, SEGMENTS
from graphium.store.limits import Limits
from graphium.store.manifest import build_manifest, read_manifest, write_manifest
from graphium.store.owner import own_name, remove_dead_writers, remove_if_empty
from graphium.store.planning import check_declared, load_plan, make_plan
from graphium.store.pool import Job, WorkerPool
from graphium.store.progress import progress_bar
from graphium.store.read import open_store, read_rejects
from graphium.store.records import Plan, SegmentRecord, describe_errors
from graphium.store.source import Source, content_key, find_source

_LOG = logging.getLogger(__name__)

_MANY = 1_000
"""Molecules from which on it is worth a word that they took the slow way."""


def cache_root() -> Path:
    """Return ``$GRAPHIUM_CACHE_DIR``, or the platform's cache folder for graphium."""
    chosen = os.environ.get("GRAPHIUM_CACHE_DIR")
    return Path(chosen).expanduser() if chosen else user_cache_path("graphium")


def store_path(dataset: DatasetConfig, root: Path) -> Path:
    """Return where the dataset's store is or will be; the name follows from its content.

    Raises:
        DataError: If the table does not exist.
    """
    return _store_path(dataset, find_source(dataset), root)


def prepare_dataset(
    name: str,
    dataset: DatasetConfig,
    root: Path,
    *,
    workers: int = 0,
    progress: bool = False,
    segment_rows: int | None = None,
    limits: Limits | None = None,
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

    Raises:
        DataError: If the table cannot be used, or none of its rows is a molecule.
        StoreError: If the store cannot be written or is damaged.
    """
    with WorkerPool(workers, limits) as pool:
        return _prepare(name, dataset, root, pool, progress, segment_rows)


def prepare_experiment(
    experiment: Experiment,
    root: Path,
    *,
    workers: int = 0,
    progress: bool = False,
    limits: Limits | None = None,
) -> dict[str, Path]:
    """Prepare all that an experiment reads: one store for each dataset and the key index.

    Args:
        experiment: What is to be run.
        root: Folder of all stores, usually ``cache_root()``.
        workers: Processes; 0 takes one for each core. Their number does not change the stores.
        progress: Show molecules per second.
        limits: What a row may cost before it is refused; by default that of ``Limits``.

    Returns:
        The store of each dataset.

    Raises:
        DataError: If a table cannot be used.
        StoreError: If a store cannot be written or is damaged.
    """
    with WorkerPool(workers, limits) as pool:
        paths = {
            name: _prepare(name, dataset, root, pool, progress, None)
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
        f"dataset '{name}' ({experiment.datasets[name].table})"
        for name, path in paths.items()
        if not (path / MANIFEST).is_file()
    ]
    if absent:
        return absent
    contents = [read_manifest(path).content for path in paths.values()]
    index = keys_path(contents, root, experiment.keys, scaffolds=_needs_scaffolds(experiment))
    return [] if (index / MANIFEST).is_file() else ["the key index of its datasets"]


def _needs_scaffolds(experiment: Experiment) -> bool:
    return any(one.split.kind == "scaffold" for one in experiment.datasets.values())


def _store_path(dataset: DatasetConfig, source: Source, root: Path) -> Path:
    return root / "stores" / f"{source.stem}-{content_key(dataset, source)}"


def _prepare(
    name: str,
    dataset: DatasetConfig,
    root: Path,
    pool: WorkerPool,
    progress: bool,
    segment_rows: int | None,
) -> Path:
    source = find_source(dataset)
    store = _store_path(dataset, source, root)
    if (store / MANIFEST).is_file():
        remove_dead_writers(store)
        check_declared(name, dataset, read_manifest(store).plan)
        return store
    remove_dead_writers(store)
    try:
        with own_name(store) as writer:
            plan = _agree_on_plan(dataset, source, pool, segment_rows, store, writer)
            check_declared(name, dataset, plan)
            for folder in (store / COMMITS, store / SEGMENTS):
                folder.mkdir(exist_ok=True)
            _write_segments(name, source.open(), plan, store, writer, pool, progress)
            _finish(name, plan, store, writer)
    finally:
        if not (store / PLAN).exists():  # a table that cannot be used leaves no empty folder
            remove_if_empty(store)
    return store


def _agree_on_plan(
    dataset: DatasetConfig,
    source: Source,
    pool: WorkerPool,
    segment_rows: int | None,
    store: Path,
    writer: str,
) -> Plan:
    if not (store / PLAN).is_file():
        plan = make_plan(dataset, source, pool, segment_rows)
        create_once(store / PLAN, canonical_json(plan.model_dump(mode="json")), writer)
    return load_plan(store / PLAN)


def _write_segments(
    name: str,
    table: Table,
    plan: Plan,
    store: Path,
    writer: str,
    pool: WorkerPool,
    progress: bool,
) -> None:
    records = _read_records(store)
    todo = set(range(plan.num_segments)) - set(records)
    if not todo:
        return
    plan_json = plan.model_dump(mode="json")
    header = {"kind": "segment", "store": str(store), "plan": plan_json, "writer": writer}
    jobs = (
        Job({**header, "number": number}, rows, f"segment {number} of dataset '{name}'")
        for number, rows in _cut(table, plan, todo)
    )
    done = sum(record.rows for record in records.values())
    with progress_bar(name, plan.rows, done, show=progress) as report:
        for _ in pool.run(jobs, report):
            pass


def _cut(table: Table, plan: Plan, todo: set[int]) -> Iterator[tuple[int, pa.Table]]:
    """Yield the rows of each segment in ``todo``, in order."""
    wanted = [plan.smiles, *(one.name for one in plan.columns if one.kind != "computed")]
    number, held, parts = 0, 0, []
    for batch in table.batches():
        rest = batch.select(wanted)
        while rest.num_rows:
            part = rest.slice(0, plan.segment_rows - held)
            rest = rest.slice(part.num_rows)
            parts.append(part)
            held += part.num_rows
            if held == plan.segment_rows:
                if number in todo:
                    yield number, pa.Table.from_batches(parts)
                number, held, parts = number + 1, 0, []
    if parts and number in todo:
        yield number, pa.Table.from_batches(parts)


def _read_records(store: Path) -> dict[int, SegmentRecord]:
    records = {}
    for path in sorted((store / COMMITS).glob("*.json")):
        try:
            record = SegmentRecord.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise StoreError(
                f"{path} is damaged: {describe_errors(error)}. "
                f"Remove {store} and prepare the table again."
            ) from error
        records[record.segment] = record
    return records


def _finish(name: str, plan: Plan, store: Path, writer: str) -> None:
    records = [record for _, record in sorted(_read_records(store).items())]
    rows = sum(record.rows for record in records)
    if len(records) != plan.num_segments or rows != plan.rows:
        raise DataError(
            f"The table of dataset '{name}' had {plan.rows} rows and now has {rows}: it changed "
            f"while it was read. Remove {store} and prepare it again."
        )
    rejects = read_rejects(store, records)
    if rejects:
        first = "; ".join(
            f"{plan.row_words(one.row)} {quoted(one.smiles)}: {one.reason}" for one in rejects[:3]
        )
        where = store / REJECTS
        left_out = f"{len(rejects)} of {rows} rows are no molecules and were left out"
        _LOG.warning("Dataset '%s': %s (%s); see %s", name, left_out, first, where)
    text = io.StringIO()
    lines = csv.writer(text, lineterminator="\n")
    of_file = ["file", "row of file"] if plan.files else []
    lines.writerow(["row", "smiles", "reason", *of_file])
    for one in rejects:
        place = plan.place(one.row) if plan.files else ()
        lines.writerow([one.row, one.smiles, one.reason, *place])
    write_atomic(store / REJECTS, text.getvalue().encode(), writer)
    if len(rejects) == rows:
        raise DataError(
            f"None of the {rows} rows of dataset '{name}' is a molecule; the first reasons: "
            f"{first}. All are listed in {where}. Is '{plan.smiles}' the SMILES column?"
        )
    _warn_of_getters(name, records)
    for column, count in plan.infinite.items():
        _LOG.warning(
            "Dataset '%s': %d infinite values of column '%s' count as missing", name, count, column
        )
    remove_dead_writers(store)  # workers whose parent was killed end some time after it
    commits = [f"{COMMITS}/{number:05d}.json" for number in range(plan.num_segments)]
    manifest = build_manifest(store, plan, records, [PLAN, REJECTS, *commits])
    for column, coverage in manifest.coverage.items():
        if coverage.left_out:
            _LOG.warning(
                "Dataset '%s': %d labels of column '%s' are of hydrogens that are no atoms of the "
                "graph (hydrogens: %s); they are left out",
                *(name, coverage.left_out, column, plan.hydrogens),
            )
    write_manifest(store, manifest, writer)


def _warn_of_getters(name: str, records: Sequence[SegmentRecord]) -> None:
    """Say so where no molecule of a long table was decoded: numbers are right, time is lost."""
    molecules = sum(record.molecules for record in records)
    if molecules < _MANY or any(record.num_by_getters < record.molecules for record in records):
        return
    from graphium.molecules.fast_path import TESTED_RDKIT  # imports RDKit

    _LOG.warning(
        "Dataset '%s': none of its %d molecules could take the fast way from RDKit, which costs "
        "time and changes no number. Unless each holds an atom map or a dummy, this version of "
        "RDKit (%s) is not among those that graphium has been tested with (%s), or fails its "
        "self-test",
        *(name, molecules, records[0].versions["rdkit"], ", ".join(TESTED_RDKIT)),
    )
