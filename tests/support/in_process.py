"""Preparations without worker processes: everything happens where it is called."""

from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from graphium.config.data import DatasetConfig
from graphium.store.encodings import EncodingPlan
from graphium.store.pool import Job, WorkerPool
from graphium.store.prepare import _prepare
from graphium.store.read import open_store
from graphium.store.records import Plan
from graphium.store.segment import SegmentJob, write_segment
from graphium.store.segment_encoding import EncodingJob, write_encoding
from graphium.store.watch import BEAT, Watch


class InProcess:
    """Makes segments in this process, one after another."""

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[Any]:
        for job in jobs:
            yield _write(job, report)


class EncodesInProcess:
    """Computes segments of encodings in this process; is stopped after some of them."""

    def __init__(self, segments: int = 1_000) -> None:
        self.left = segments

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[Any]:
        for job in jobs:
            if not self.left:
                raise KeyboardInterrupt
            self.left -= 1
            header = job.header
            plan = EncodingPlan.model_validate(header["encoding"])
            where, writer = Path(header["store"]), header["writer"]
            yield write_encoding(EncodingJob(where, plan, header["number"], writer), report)


class RacedInProcess:
    """Has another try at each segment commit it while the first one is at work."""

    def run(self, jobs: Iterable[Job], report: Callable[[int], None]) -> Iterator[Any]:
        for job in jobs:
            yield _write(job, partial(_commit_first, job, report))


def _commit_first(job: Job, report: Callable[[int], None], _: int) -> None:
    _write(job, report)


def _write(job: Job, report: Callable[[int], None]) -> bool:
    header = job.header
    plan = Plan.model_validate(header["plan"])
    segment = SegmentJob(Path(header["store"]), plan, header["number"], header["writer"])
    watch = Watch(bytearray(BEAT.size), memory=16, faults={})
    return write_segment(segment, job.rows, {}, watch, report)


def prepare_here(table: Path, root: Path, segment_rows: int, runner: Any = None) -> Path:
    """Prepare a table without lists."""
    with WorkerPool(1) as pool:  # starts no process unless one is needed
        config = DatasetConfig(table=str(table))
        return _prepare(
            "table",
            config,
            root,
            pool,
            runner or InProcess(),
            progress=False,
            segment_rows=segment_rows,
        )


def small_table(path: Path, rows: int, first: int = 0) -> Path:
    """Write distinct molecules with numbers, gaps, bits, text and one row that is no molecule."""
    numbers = range(first, first + rows)
    table = pd.DataFrame(
        {
            "smiles": ["C" * (k % 9 + 1) + "N" + "C" * (k // 9 + 1) for k in numbers],
            "y": [None if k % 3 == 0 else k / 7 for k in numbers],
            "active": [k % 2 for k in numbers],
            "source": [f"paper {k % 4}" for k in numbers],
        }
    )
    table.loc[1, "smiles"] = "no molecule"
    path.parent.mkdir(exist_ok=True)
    table.to_csv(path, index=False)
    return path


def digests(store: Path) -> dict[str, str]:
    """Return the SHA-256 of each array over all segments."""
    return {name: array.sha256 for name, array in open_store(store).record.arrays.items()}
