"""Segments of an earlier store as segments of a longer one: the same files under a second name.

What is committed never changes, so two stores can name the same bytes. Either may be removed.
"""

import json
import os
import shutil
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from graphium.store.fault_points import reach
from graphium.store.files import create_once, sync_folder
from graphium.store.layout import COMMITS, MANIFEST, SEGMENTS
from graphium.store.read import open_store
from graphium.store.records import Plan


def share_segments(store: Path, plan: Plan, writer: str) -> None:
    """Commit the segments that the plan takes from an earlier store, as far as it still exists.

    Those that are committed already stay. What a process that was killed here has left is linked
    anew, or removed when the store is finished.

    Args:
        store: Folder of the new store.
        plan: Its plan.
        writer: Name of this process.

    Raises:
        StoreError: If the earlier store is damaged.
    """
    wanted = [
        number
        for number in range(plan.num_earlier_segments)
        if not (store / COMMITS / f"{number:05d}.json").is_file()
    ]
    earlier = store.parent / plan.earlier[-1].store if wanted else store
    if not wanted or not (earlier / MANIFEST).is_file():
        return
    for folder in (store / COMMITS, store / SEGMENTS):
        folder.mkdir(exist_ok=True)
    sync_folder(store)
    segments = {
        (one.segment, one.first_row, one.rows): one for one in open_store(earlier).record.segments
    }
    for number in wanted:
        segment = segments.get((number, plan.first_row_of(number), plan.rows_of(number)))
        if segment is not None:  # else the earlier store was made anew with other segments
            share_folder(earlier, store, segment.folder, number, list(segment.files), writer)


def share_folder(
    earlier: Path, store: Path, folder: str, number: int, files: Sequence[str], writer: str
) -> None:
    """Commit one segment of an earlier store in another one.

    Args:
        earlier: A finished store, or encoding.
        store: One that is being made, with folders for segments and records.
        folder: The segment's group, in both of them.
        number: Of the segment, in both.
        files: Names below the group.
        writer: Name of this process.
    """
    target = store / folder
    for name in files:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # of one that was killed here, or works beside us
            os.link(earlier / folder / name, target / name)
        reach("share.linked")
    for path, _, _ in os.walk(target):
        sync_folder(Path(path))
    sync_folder(target.parent)
    reach("share.durable")
    record = f"{COMMITS}/{number:05d}.json"
    if not create_once(store / record, (earlier / record).read_bytes(), writer):
        committed = json.loads((store / record).read_bytes())["folder"]
        if committed != folder:  # another process has made it anew
            shutil.rmtree(target, ignore_errors=True)
