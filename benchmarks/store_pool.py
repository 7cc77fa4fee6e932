"""The largest store that the test data allow, made in two parts as on a cluster: one JSON line.

Each step beside its share of a row: planning (digest and scan of the table), the two parts (of the
command itself, which reads the table and hands rows out, and of its worker), the commit, opening,
verifying. ``large.py`` computes from these what a table of any size takes.

``read_us_per_row`` is what a part needs to come to its first row: the digest of the table and the
reading of the rows before it. Times are CPU time; ``wall_s`` says how much the machine was shared.

Run: python benchmarks/store_pool.py [rows]     (needs $GRAPHIUM_TEST_DATA; some minutes)
"""

import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from graphium.config.data import DatasetConfig
from graphium.store.commit import commit_store
from graphium.store.parts import plan_parts, prepare_part
from graphium.store.portions import Division, Part
from graphium.store.read import open_store
from graphium.store.verify import verify_store

PARTS = 2
WORKERS = 1


def main(rows: int | None) -> None:
    pool = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles" / "smiles_pool.parquet"
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        table = root / "pool.parquet"
        pq.write_table(pq.read_table(pool, columns=["smiles"]).slice(0, rows), table)
        print(json.dumps({"pool": measure(table, root)}))


def measure(table: Path, root: Path) -> dict[str, object]:
    datasets = {"pool": DatasetConfig(table=str(table))}
    division = Division("graphium data prepare", str(root), PARTS)
    start = time.time()
    plan, (report, *_) = spend(
        lambda: list(plan_parts(datasets, root, division, workers=WORKERS).values())
    )
    makes = [
        spend(lambda n=n: prepare_part(datasets, root, Part(n, PARTS), division, workers=WORKERS))[
            0
        ]
        for n in range(1, PARTS + 1)
    ]
    workers = sum(one["workers"] for one in makes)
    commit, _ = spend(lambda: commit_store(report.store))
    wall = time.time() - start
    opening, store = min((spend(lambda: open_store(report.store)) for _ in range(3)), key=by_own)
    verify, problems = spend(lambda: verify_store(report.store))
    assert problems == []
    files = [path for path in report.store.rglob("*") if path.is_file()]
    of_segments = sum(len(one.files) for one in store.record.segments)
    rows, segments = store.num_rows, len(store.record.segments)
    # Both parts read the table for its digest; the second also reads the rows of the first.
    again = max(0.0, makes[1]["own"] - makes[0]["own"]) / (rows / PARTS)
    return {
        "rows": rows,
        "molecules": store.num_molecules,
        "atoms_per_molecule": round(store.record.atoms / store.num_molecules, 1),
        "segments": segments,
        "workers_us_per_row": round(workers / rows * 1e6, 2),
        "parts_us_per_row": round(sum(one["own"] for one in makes) / rows * 1e6, 2),
        "plan_us_per_row": round(plan["own"] / rows * 1e6, 2),
        "read_us_per_row": round(again * 1e6, 2),
        "commit_us_per_row": round(commit["own"] / rows * 1e6, 2),
        "commit_ms_per_segment": round(commit["own"] / segments * 1e3, 1),
        "open_s": round(opening["own"], 3),
        "open_ms_per_segment": round(opening["own"] / segments * 1e3, 2),
        "verify_us_per_molecule": round(verify["own"] / store.num_molecules * 1e6, 2),
        "bytes_per_molecule": round(sum(f.stat().st_size for f in files) / store.num_molecules, 1),
        "files_per_segment": round(of_segments / segments, 1),
        "files": len(files),
        "manifest_bytes_per_segment": round(
            (report.store / "MANIFEST.json").stat().st_size / segments
        ),
        "peak_mb_of_the_command": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "wall_s": round(wall, 1),
        "load": [round(value, 1) for value in os.getloadavg()],
    }


def spend(work: Callable[[], Any]) -> tuple[dict[str, float], Any]:
    """Return the CPU seconds of this process and of workers that ended, and the result."""
    own, workers = time.process_time(), cpu_of_children()
    result = work()
    used = {"own": time.process_time() - own, "workers": cpu_of_children() - workers}
    return used, result


def by_own(found: tuple[dict[str, float], object]) -> float:
    return found[0]["own"]


def cpu_of_children() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else None)
