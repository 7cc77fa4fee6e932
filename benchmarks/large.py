"""Time, disk and memory that a large table takes, computed from the figures of ``docs/results``.

A part of a preparation runs on one machine: one process reads the table and hands rows to
``workers`` processes. Its time is that of reading the table up to its last row, and of its rows, at
the speed of its workers or of its reader, whichever is slower. Parts run side by side, planning
comes before them, the commit after them. What is measured on the pool is taken to be the same for
each row (or segment) of a longer table; all cores are taken to be as fast as the one measured.

Run: python benchmarks/large.py [rows]     prints the tables of the page on large tables
"""

import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from graphium.store.layout import MAX_SEGMENT_ROWS

RESULTS = Path(__file__).parents[1] / "docs" / "results" / "store.jsonl"
ROWS = 83_000_000
LAYOUTS = ((1, 1), (4, 16), (64, 16))
"""Parts, and workers of each."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """What a preparation takes, in seconds."""

    plan: float
    read: float
    """For the last part: the digest of the table and the rows before its own."""
    make: float
    """For a part: its rows."""
    commit: float

    @property
    def total(self) -> float:
        """From the first command to the last."""
        return self.plan + self.read + self.make + self.commit


def estimate(pool: dict[str, Any], rows: int, parts: int, workers: int) -> Estimate:
    """Return what a table takes, made in so many parts with so many workers each."""
    of_workers, of_reader = pool["workers_us_per_row"] / workers, pool["parts_us_per_row"]
    return Estimate(
        plan=rows * pool["plan_us_per_row"] / 1e6,
        read=rows * (1 - 1 / parts) * pool["read_us_per_row"] / 1e6,
        make=rows / parts * max(of_workers, of_reader) / 1e6,
        commit=rows / MAX_SEGMENT_ROWS * pool["commit_ms_per_segment"] / 1e3,
    )


def markdown(results: Path = RESULTS, rows: int = ROWS) -> str:
    """Return the tables of the page."""
    lines = [json.loads(line) for line in results.read_text().splitlines()]
    pool = next(line["pool"] for line in reversed(lines) if "pool" in line)
    store = next(line for line in reversed(lines) if "scan_pool" in line)
    memory = next(line for line in reversed(lines) if line.get("table") == "parquet")
    return "\n".join(
        (
            f"Measured on {pool['rows']:,} rows, computed for {rows:,}.\n",
            _times(pool, memory, rows),
            f"Whatever the number of cores, {rows:,} rows take:\n",
            _sizes(pool, store, rows),
        )
    )


def _times(pool: dict[str, Any], memory: dict[str, Any], rows: int) -> str:
    of_command, of_workers = (_longest(memory)[who] for who in ("command", "workers"))
    each = of_workers / memory["workers"]
    lines = []
    for parts, workers in LAYOUTS:
        found = estimate(pool, rows, parts, workers)
        lines.append(
            (
                f"{parts * workers:,}",
                f"{parts} x {workers}",
                _duration(found.plan),
                _duration(found.read),
                _duration(found.make),
                _duration(found.commit),
                f"**{_duration(found.total)}**",
                f"{(of_command + workers * each) / 1024:.1f} GB",
            )
        )
    head = ("cores", "parts x workers", "plan", "reading to the last part", "rows of a part")
    return _table((*head, "commit", "together", "memory of a machine"), lines)


def _longest(memory: dict[str, Any]) -> dict[str, float]:
    """Return the peak of the longest table that was measured."""
    found: dict[str, float] = memory["peak_mb"][max(memory["peak_mb"], key=int)]
    return found


def _sizes(pool: dict[str, Any], store: dict[str, Any], rows: int) -> str:
    segments = -(-rows // MAX_SEGMENT_ROWS)
    files = segments * (pool["files_per_segment"] + 1) + 3  # a commit record; manifest, plan, ...
    scan = store["scan_pool"]
    lines = [
        ("segments", f"{segments:,}", f"{pool['segments']}"),
        ("files", f"{files:,.0f}", f"{pool['files']:,}"),
        (
            "disk",
            f"{rows * pool['bytes_per_molecule'] / 1e9:.1f} GB",
            f"{pool['bytes_per_molecule']} B a molecule, SMILES and hashes included",
        ),
        (
            "manifest",
            f"{segments * pool['manifest_bytes_per_segment'] / 1e6:.0f} MB",
            f"{pool['manifest_bytes_per_segment']:,} B a segment",
        ),
        (
            "opening",
            _duration(segments * pool["open_ms_per_segment"] / 1e3),
            f"{pool['open_s']} s",
        ),
        (
            "reading all graphs, one core",
            _duration(rows / scan["molecules_per_second"]),
            f"{scan['molecules_per_second'] / 1e6:.2f} million molecules a second",
        ),
    ]
    if scan["with_zarrs"]:
        lines.append(
            (
                "the same with zarrs",
                _duration(rows / scan["with_zarrs"]),
                f"{scan['with_zarrs'] / 1e6:.2f} million molecules a second",
            )
        )
    lines.append(
        (
            "`graphium data verify`, one core",
            _duration(rows * pool["verify_us_per_molecule"] / 1e6),
            f"{pool['verify_us_per_molecule']} µs a molecule",
        )
    )
    return _table(("", "computed", "measured"), lines)


def _duration(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds / 3600:.1f} h"


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [list(head), ["---"] * len(list(head)), *(list(row) for row in rows)]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


if __name__ == "__main__":
    print(markdown(rows=int(sys.argv[1]) if len(sys.argv) > 1 else ROWS))
