"""What it costs to watch over the workers, and what hostile rows cost.

* ``ratio``: CPU time of the parent and its one worker, featurising zinc250k, over that of a plain
  loop of ``featurize_chunk`` on the same chunks, taken in turns; median over rounds, start-up
  excluded.
* ``hostile``: a preparation of 3,000 good rows and all of ``testing/hostile.py``.
* ``hanging``: a preparation with 50 rows that never end, at a deadline of one second each: the
  clock must stay below 50 s.

Run: python benchmarks/supervise.py      (needs $GRAPHIUM_TEST_DATA; Linux)
"""

import json
import logging
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from graphium.config.data import DatasetConfig
from graphium.molecules.featurize import featurize_chunk
from graphium.store.chunk_bytes import unpack_chunk
from graphium.store.faults import VARIABLE
from graphium.store.limits import Limits
from graphium.store.pool import Job, WorkerPool
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store
from graphium.testing.hostile import hostile_rows

ROWS = 20_000
CHUNK = 2_000
ROUNDS = 5
GOOD = 3_000
HANGING = 50


def read_zinc() -> list[str]:
    path = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles" / "zinc250k.parquet"
    texts = pq.read_table(path).column(0).to_pylist()[:ROWS]
    return [text.strip() for text in texts]


def cpu_of(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def inline(chunks: list[list[str]]) -> float:
    start = time.process_time()
    for chunk in chunks:
        featurize_chunk(chunk, ranks=False)
    return time.process_time() - start


def supervised(pool: WorkerPool, jobs: list[Job]) -> float:
    (worker,) = pool._started
    start = time.process_time() + cpu_of(worker.pid)
    for content in pool.run_in_order(jobs):
        unpack_chunk(content)
    return time.process_time() + cpu_of(worker.pid) - start


def as_job(chunk: list[str]) -> Job:
    rows = pa.table({"smiles": pa.array(chunk)})
    return Job({"kind": "featurize", "hydrogens": "implicit"}, rows, "a chunk")


def compare(smiles: list[str]) -> dict[str, object]:
    chunks = [smiles[first : first + CHUNK] for first in range(0, len(smiles), CHUNK)]
    jobs = [as_job(chunk) for chunk in chunks]
    ratios, plain, watched = [], [], []
    with WorkerPool(1) as pool:
        for _ in pool.run_in_order(jobs[:1]):  # start-up
            featurize_chunk(chunks[0], ranks=False)
        for number in range(ROUNDS):
            ways = [lambda: plain.append(inline(chunks))]
            ways.append(lambda: watched.append(supervised(pool, jobs)))
            for way in ways if number % 2 else reversed(ways):
                way()
            ratios.append(watched[-1] / plain[-1])
    return {
        "rows": len(smiles),
        "ratio": round(statistics.median(ratios), 3),
        "ratios": [round(one, 3) for one in ratios],
        "inline_s": round(statistics.median(plain), 3),
        "supervised_s": round(statistics.median(watched), 3),
    }


def prepare(rows: list[bytes | None], limits: Limits) -> dict[str, object]:
    """Prepare the rows; count what was refused and what it took."""
    with tempfile.TemporaryDirectory() as folder:
        table = Path(folder) / "rows.parquet"
        cells = {"smiles": pa.array(rows, pa.binary()), "y": pa.array([0.0] * len(rows))}
        pq.write_table(pa.table(cells), table)
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        clock, own = time.monotonic(), time.process_time()
        config = DatasetConfig(table=str(table))
        path = prepare_dataset("rows", config, Path(folder), workers=1, limits=limits)
        clock, own = time.monotonic() - clock, time.process_time() - own
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        store = open_store(path)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return {
        "rows": len(rows),
        "kept": store.num_molecules,
        "refused": store.record.failures,
        "clock_s": round(clock, 2),
        "cpu_s": round(own + spent, 2),
        "largest_worker_mb": after.ru_maxrss // 1024,
    }


def main() -> None:
    logging.disable(logging.WARNING)
    smiles = read_zinc()
    result = compare(smiles)
    good = [text.encode() for text in smiles[:GOOD]]
    bad = [row.encode() if isinstance(row, str) else row for row in hostile_rows().values()]
    every = GOOD // len(bad)
    mixed = [row for k, text in enumerate(good) for row in _with(text, bad, k, every)]
    result["hostile"] = {"hostile": len(bad), **prepare(mixed, Limits())}
    hanging = [f"C{'N' * k}".encode() for k in range(1, HANGING + 1)]
    os.environ[VARIABLE] = json.dumps(dict.fromkeys((row.decode() for row in hanging), "hang"))
    result["hanging"] = {
        "hanging": HANGING,
        "deadline_s": 1.0,
        **prepare([*good[:100], *hanging, *good[100:200]], Limits(row_timeout=1.0)),
    }
    print(json.dumps(result))


def _with(text: bytes, bad: list[bytes | None], number: int, every: int) -> list[bytes | None]:
    """Return a good row, after every some of them with a bad one."""
    place, rest = divmod(number, every)
    return [bad[place], text] if rest == 0 and place < len(bad) else [text]


if __name__ == "__main__":
    main()
