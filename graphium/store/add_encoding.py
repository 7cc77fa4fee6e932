"""Encodings added to a finished store: computed by workers, committed segment by segment.

The protocol is that of a preparation (``prepare.py``), in a folder of its own inside the store.
"""

import shutil
from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
from pydantic import ValidationError

from graphium.config.encodings import AnyEncoding
from graphium.errors import DataError, StoreError
from graphium.store.encodings import (
    EncodingManifest,
    EncodingPlan,
    EncodingRecord,
    Precision,
    StoredEncoding,
    graphs_by_segment,
    plan_encoding,
    read_encoding_manifest,
    stored_encodings,
)
from graphium.store.fault_points import reach
from graphium.store.files import (
    canonical_json,
    create_once,
    sync_ancestors,
    sync_folder,
    write_atomic,
)
from graphium.store.layout import COMMITS, MANIFEST, OWNERS, PLAN, SEGMENTS
from graphium.store.limits import Limits
from graphium.store.manifest import check_file, manifest_array, read_file_record, sign
from graphium.store.owner import own_name, remove_dead_writers, tidy_finished
from graphium.store.pool import Job, Runner, WorkerPool
from graphium.store.progress import progress_bar
from graphium.store.read import Store, open_store
from graphium.store.records import describe_errors
from graphium.store.share import share_folder

_FOLDERS_ABOVE = 2
"""Folders above that of an encoding that adding it changes: ``encodings`` and the store's."""


def add_encodings(
    path: Path,
    encodings: Mapping[str, AnyEncoding],
    *,
    precision: Precision = "float32",
    workers: int = 0,
    progress: bool = False,
    limits: Limits | None = None,
) -> list[StoredEncoding]:
    """Add encodings of all molecules to a store, or finish them, or find them there.

    Args:
        path: A finished store. Its own files do not change.
        encodings: Kind (a section below ``features.encodings``) -> parameters.
        precision: Type in which values are kept.
        workers: Processes; 0 takes one for each core. Their number does not change the values.
        progress: Show molecules per second.
        limits: Memory that a worker may take; by default that of ``Limits``.

    Raises:
        DataError: If values do not fit the precision.
        StoreError: If the store is damaged, or cannot be written.
    """
    store = open_store(path)
    with WorkerPool(workers, limits) as pool:
        return [
            add_encoding(
                store, plan_encoding(store.record, kind, config, precision), pool, progress
            )
            for kind, config in encodings.items()
        ]


def add_encoding(
    store: Store, plan: EncodingPlan, runner: Runner, progress: bool = False
) -> StoredEncoding:
    """Do the same for one encoding, with workers that are there."""
    folder = store.path / plan.folder
    if not (folder / MANIFEST).is_file():
        remove_dead_writers(folder)
        try:
            with own_name(folder) as writer:
                content = canonical_json(plan.model_dump(mode="json"))
                create_once(folder / PLAN, content, writer)
                for name in (COMMITS, SEGMENTS):
                    (folder / name).mkdir(exist_ok=True)
                sync_folder(folder)
                reach("store.folders")
                _share_earlier(store, plan, folder, writer)
                _write_segments(store, plan, folder, writer, runner, progress)
                _finish(store, plan, folder, writer)
        except (DataError, OSError):
            if not (folder / MANIFEST).is_file():  # else another process was faster
                _remove_if_hopeless(folder)
                raise
    manifest = read_encoding_manifest(folder)
    tidy_finished(folder, [segment.folder for segment in manifest.segments])
    return StoredEncoding(folder, manifest)


def _write_segments(
    store: Store, plan: EncodingPlan, folder: Path, writer: str, runner: Runner, progress: bool
) -> None:
    made = _read_records(folder)
    segments = store.record.segments
    todo = [one.segment for one in segments if one.segment not in made]
    header = {
        "kind": "encoding",
        "store": str(store.path.absolute()),
        "encoding": plan.model_dump(mode="json"),
        "writer": writer,
    }
    nothing = pa.table({"smiles": pa.array([], pa.string())})  # workers read the store
    jobs = (
        Job({**header, "number": number}, nothing, f"{plan.kind} of segment {number}")
        for number in todo
    )
    total = store.num_molecules
    done = total - sum(segments[number].molecules for number in todo)
    with progress_bar(plan.kind, total, done, show=progress and bool(todo)) as report:
        for _ in runner.run(jobs, report):
            pass


def _share_earlier(store: Store, plan: EncodingPlan, folder: Path, writer: str) -> None:
    """Take over what the store that this one has grown from has of the same encoding."""
    if not store.record.plan.earlier:
        return
    path = store.path.parent / store.record.plan.earlier[-1].store
    if not (path / MANIFEST).is_file():
        return
    earlier = open_store(path)
    # Made anew, the earlier store may be cut into other segments than those that it once shared.
    pairs = zip(graphs_by_segment(earlier.record), graphs_by_segment(store.record), strict=False)
    is_equal = [theirs == ours for theirs, ours in pairs]
    for one in stored_encodings(earlier):
        if one.plan.model_copy(update={"graphs": plan.graphs}) == plan:
            one.check()
            for record, is_ours in zip(one.manifest.segments, is_equal, strict=False):
                if is_ours:
                    share_folder(
                        one.path, folder, record.folder, record.segment, list(record.files), writer
                    )


def _read_records(folder: Path) -> dict[int, EncodingRecord]:
    records = {}
    for path in sorted((folder / COMMITS).glob("[0-9]*.json")):
        try:
            record = EncodingRecord.model_validate_json(path.read_bytes())
        except ValidationError as error:
            raise StoreError(
                f"{path} is damaged: {describe_errors(error)}. "
                f"Remove {folder} and add the encoding again."
            ) from error
        records[record.segment] = record
    return records


def _finish(store: Store, plan: EncodingPlan, folder: Path, writer: str) -> None:
    records = [record for _, record in sorted(_read_records(folder).items())]
    missing = len(store.record.segments) - len(records)
    if missing:
        raise StoreError(f"{folder} cannot be finished: {missing} segments are missing.")
    for record in records:
        for name, file in record.files.items():
            check_file(folder / record.folder / name, file, "encoding")
    for name in (SEGMENTS, COMMITS):
        sync_folder(folder / name)
    sync_ancestors(folder, _FOLDERS_ABOVE)
    remove_dead_writers(folder)
    files = [PLAN, *(f"{COMMITS}/{one.segment:05d}.json" for one in records)]
    manifest = EncodingManifest(
        plan=plan,
        segments=tuple(records),
        files={name: read_file_record(folder / name) for name in files},
        error=max(record.error for record in records),
        arrays={name: manifest_array(name, records) for name in records[0].arrays},
    )
    signed = sign(manifest.model_dump(mode="json"))
    write_atomic(folder / MANIFEST, canonical_json(signed), writer)


def _remove_if_hopeless(folder: Path) -> None:
    """Remove what no other run could go on with: an encoding of which no segment was made."""
    is_alone = not (folder / OWNERS).is_dir()
    if is_alone and not any((folder / COMMITS).glob("[0-9]*.json")):
        shutil.rmtree(folder, ignore_errors=True)
