"""Segments of an earlier store as segments of a longer one: the same files under a second name.

What is committed never changes, so two stores can name the same bytes. Either may be removed.
"""

import json
import os
import shutil
from contextlib import suppress
from pathlib import Path

from graphium.errors import StoreError
from graphium.store.fault_points import reach
from graphium.store.files import create_once, sync_folder
from graphium.store.layout import COMMITS, MANIFEST, SEGMENTS
from graphium.store.read import open_store
from graphium.store.records import Plan, SegmentRecord


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
    segments = open_store(earlier).record.segments
    for number in wanted:
        _share(earlier, store, segments[number], writer)


def _share(earlier: Path, store: Path, segment: SegmentRecord, writer: str) -> None:
    folder = store / segment.folder
    for name in segment.files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileExistsError):  # of one that was killed here, or works beside us
            os.link(earlier / segment.folder / name, folder / name)
        reach("share.linked")
    for path, _, _ in os.walk(folder):
        sync_folder(Path(path))
    sync_folder(folder.parent)
    reach("share.durable")
    name = f"{COMMITS}/{segment.segment:05d}.json"
    content = (earlier / name).read_bytes()
    if SegmentRecord.model_validate_json(content) != segment:
        raise StoreError(
            f"The store {earlier} is damaged: {name} is not what its manifest says. "
            "`graphium data verify` names every damaged file."
        )
    if not create_once(store / name, content, writer):
        committed = json.loads((store / name).read_bytes())["folder"]
        if committed != segment.folder:  # another process has made it from the table
            shutil.rmtree(folder, ignore_errors=True)
