"""Files of a table that must be, while they are read, those whose digests name the store."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pyarrow as pa

from graphium.errors import DataError
from graphium.labels.table import Shard, Table
from graphium.store.files import file_sha256
from graphium.store.records import FileRecord

Stamp = tuple[int, int, int]
"""What the file system says of a file: a change that it does not show is not seen."""


def digest_table(table: Table) -> tuple[Table, tuple[FileRecord, ...]]:
    """Return the digest of each file of a table, and a table that sees to it that they stay so.

    Rows are handed on only after their file was found unchanged since it was digested. A file that
    was only touched is digested again, and stays what it was.
    """
    shards, records = [], []
    for shard in table.shards:
        path = Path(shard.name)
        stamp = _stamp(path)
        records.append(digest_file(path))
        opened = partial(_unchanged, shard.open, path, records[-1], stamp)
        shards.append(Shard(shard.name, opened))
    return replace(table, shards=tuple(shards)), tuple(records)


def digest_file(path: Path) -> FileRecord:
    """Return what tells the content of a file from any other."""
    return FileRecord(size=path.stat().st_size, sha256=file_sha256(path))


def _stamp(path: Path) -> Stamp:
    state = path.stat()
    return state.st_size, state.st_mtime_ns, state.st_ino


def _unchanged(
    open_file: Callable[[], Iterator[pa.RecordBatch]], path: Path, record: FileRecord, stamp: Stamp
) -> Iterator[pa.RecordBatch]:
    for batch in open_file():
        now = _stamp(path)
        if now != stamp:
            if digest_file(path) != record:
                raise DataError(
                    f"{path} changed while it was read. What it held before is prepared only in "
                    "part, and never mixed with what it holds now: run the same command again."
                )
            stamp = now
        yield batch
