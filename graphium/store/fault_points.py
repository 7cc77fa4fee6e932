"""Named steps of writing a store, at which tests kill the process or let the disk be full.

Set only by the environment variable ``GRAPHIUM_FAULT_POINT``, a JSON object:

* ``log``: a file to which every step that is passed adds a line with its name;
* ``point``: the step at which something happens, and ``at``: at which passage of it, counted from
  1 over all processes that share the log;
* ``kind``: ``kill`` (SIGKILL to the process itself) or ``full`` (no space left on the device).

Without ``point`` the steps are only noted. No table and no option reaches this.
"""

import errno
import json
import os
import signal
from pathlib import Path

VARIABLE = "GRAPHIUM_FAULT_POINT"

_CREATED = {
    "written": "its content stands in a temporary file",
    "synced": "that file is durable",
    "linked": "it has its name",
    "single": "the temporary name is gone",
    "durable": "its name is durable",
}
_REPLACED = {
    "written": "its content stands in a temporary file",
    "synced": "that file is durable",
    "renamed": "it has its name",
    "durable": "its name is durable",
}

POINTS = {
    "owner.named": "the writer has a lock of its name",
    **{
        f"{name}.{step}": f"{name}: {what}"
        for name in ("plan", "record")
        for step, what in _CREATED.items()
    },
    **{
        f"{name}.{step}": f"{name}: {what}"
        for name in ("rejects", "manifest", "parts")
        for step, what in _REPLACED.items()
    },
    "store.folders": "the folders of segments and records are durable",
    "arrays.group": "a zarr group exists, without arrays",
    "arrays.array": "one more of its arrays is written",
    "arrays.written": "all of them are written",
    "tree.files": "all files of a folder are durable",
    "tree.durable": "their names are, too",
    "share.linked": "one more file of an earlier store has a name in a longer one",
    "share.durable": "the names of all files of a segment are durable",
    "segment.withdrawn": "a segment that another process had committed is removed",
    "owner.unfinished": "what the writer left unfinished is removed",
    "owner.gone": "its lock is removed",
    "dead.unfinished": "what a dead writer left unfinished is removed, but for its lock",
    "tidy.temporaries": "temporary files that nobody needs are removed",
    "tidy.segments": "segments that the manifest does not name are removed",
    "tidy.owners": "locks of writers of other machines are removed",
    "keys.renamed": "the index of a mix has its name",
    "keys.durable": "its name is durable",
}
"""Step -> what has happened when it is passed. ``record`` is the record of a segment."""


def reach(point: str) -> None:
    """Pass a step; do what the environment asks for there, usually nothing."""
    text = os.environ.get(VARIABLE)
    if text is None:
        return
    plan = json.loads(text)
    passages = _note(Path(plan["log"]), point)
    if plan.get("point") != point or plan["at"] != passages:
        return
    if plan["kind"] == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), point)


def of_file(path: Path) -> str:
    """Return how the steps of a file beside the arrays are called."""
    return "record" if path.stem.isdigit() else path.stem.lower()


def _note(log: Path, point: str) -> int:
    """Add a line to the log; return how often the step stands in it up to there."""
    with log.open("ab+") as file:
        file.write(f"{point}\n".encode())
        file.flush()
        end = file.tell()
        file.seek(0)
        return file.read(end).decode().split("\n").count(point)
