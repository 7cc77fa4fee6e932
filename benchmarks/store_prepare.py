"""What preparing a row costs, beside a bare parse of it: a part of ``store.py``."""

import os
import resource
import time
from pathlib import Path

import pyarrow.parquet as pq
from rdkit import Chem, rdBase

from graphium.config.data import DatasetConfig
from graphium.store.prepare import prepare_dataset
from graphium.store.read import Store, open_store

SHORT, LONG = 50_000, 250_000
WORKERS = 2


def slope(pool: Path, root: Path, repeats: int) -> tuple[dict[str, object], Store]:
    """Return the figures, and the store of the long table.

    A repeat takes the long and the short table and a parse one after another; its ratio is of what
    stood side by side. The median of the repeats counts.
    """
    smiles = pq.read_table(pool, columns=["smiles"]).slice(0, LONG)
    tables = {}
    for rows in (SHORT, LONG):
        tables[rows] = root / f"{rows}.parquet"
        pq.write_table(smiles.slice(0, rows), tables[rows])
    texts = smiles.column(0).slice(SHORT).to_pylist()
    seconds = []
    for repeat in range(repeats):
        bare = parse_seconds(texts[::2])
        cpu = {rows: prepare_seconds(tables[rows], root / f"{repeat}") for rows in tables}
        bare += parse_seconds(texts[1::2])
        seconds.append((bare, cpu[SHORT], cpu[LONG]))
    bare, short, long = sorted(seconds, key=lambda one: (one[2] - one[1]) / one[0])[repeats // 2]
    ratios = [round((long - short) / bare, 3) for bare, short, long in seconds]
    more = LONG - SHORT
    figures = {
        "rows": [SHORT, LONG],
        "workers": WORKERS,
        "cpu_s": [round(short, 1), round(long, 1)],
        "slope_us": round((long - short) / more * 1e6, 1),
        "bare_parse_us": round(bare / more * 1e6, 1),
        "ratio": round((long - short) / bare, 3),
        "ratios": sorted(ratios),
        "target": 1.7,
        "load": [round(value, 1) for value in os.getloadavg()],
    }
    (path,) = (root / "0" / "stores").glob(f"{LONG}-*")
    return figures, open_store(path)


def prepare_seconds(table: Path, root: Path) -> float:
    """Return the CPU time of a preparation, that of its workers included."""
    before = cpu_of_all()
    prepare_dataset("pool", DatasetConfig(table=str(table)), root, workers=WORKERS)
    return cpu_of_all() - before


def cpu_of_all() -> float:
    """Return the CPU time of this process and of its children that have ended."""
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in used)


def parse_seconds(texts: list[str]) -> float:
    with rdBase.BlockLogs():
        start = time.process_time()
        for text in texts:
            Chem.MolFromSmiles(text)
        return time.process_time() - start
