"""Memory of ``graphium data prepare`` over all its processes, on short and on long tables.

Peak of the sum of the proportional set sizes (``/proc/PID/smaps_rollup``: memory that processes
share is counted once) of the command and its workers, looked at ten times a second.

* ``parquet``, ``csv``: real molecules; the short table is every tenth row of the long one, so that
  both hold molecules of the same sizes. The target is a ratio: ten times the rows, the same memory.
* ``binary_parquet``, ``binary_csv``: a generated table of 1,328 binary columns of which a tenth is
  known; the target is in GB.

Run: python benchmarks/memory.py [rows [binary rows [kinds ...]]]
(needs $GRAPHIUM_TEST_DATA and Linux; ``2000 500`` takes a minute and shows that it works)
"""

import json
import os
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
from store import COLUMNS, binary_table

WORKERS = 2
TIMES = 10
LOOK_EVERY = 0.1
KINDS = ("parquet", "csv", "binary_parquet", "binary_csv")


def main(rows: int, binary_rows: int, kinds: list[str]) -> None:
    source = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "smiles" / "smiles_pool.parquet"
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name:
            if kind.startswith("binary"):
                figures = wide(kind, source, binary_rows, Path(name))
            else:
                figures = long(kind, source, rows, Path(name))
        print(json.dumps({"table": kind, "workers": WORKERS, **figures}), flush=True)


def long(kind: str, source: Path, rows: int, root: Path) -> dict[str, object]:
    """Compare a table with one that has a tenth of its rows."""
    molecules = pq.read_table(source, columns=["smiles"]).slice(0, rows)
    tables = {}
    for size in (rows // TIMES, rows):
        tables[size] = root / f"{size}.{kind}"
        every = range(0, molecules.num_rows, molecules.num_rows // size)
        part = molecules.take(pa.array(list(every)[:size]))
        (pa.csv.write_csv if kind == "csv" else pq.write_table)(part, tables[size])
    del molecules
    peaks = {str(size): peak_memory(table, root) for size, table in tables.items()}
    short, whole = (found["all"] for found in peaks.values())
    return {"peak_mb": peaks, "ratio": round(whole / short, 3), "target": 1.15}


def wide(kind: str, source: Path, rows: int, root: Path) -> dict[str, object]:
    table = binary_table(source, rows, root / "binary.parquet")
    if kind == "binary_csv":
        packed, table = table, root / "binary.csv"
        with pq.ParquetFile(packed) as file, pa.csv.CSVWriter(table, file.schema_arrow) as out:
            for batch in file.iter_batches(5_000):
                out.write_batch(batch)
        packed.unlink()
    peak = peak_memory(table, root)
    return {"rows": rows, "columns": COLUMNS, "peak_mb": peak, "target_mb": 4_000}


def peak_memory(table: Path, root: Path) -> dict[str, float]:
    """Prepare a table; return the peak in MB of all processes, and of which it was made."""
    words = ["data", "prepare", str(table), "--store", str(root), "--workers", str(WORKERS)]
    command = [sys.executable, "-c", "from graphium.cli.main import main; main()", *words]
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
    )
    texts: list[bytes] = []
    reader = threading.Thread(target=lambda: texts.append(process.stderr.read()))
    reader.start()
    peak: dict[str, float] = {"all": 0.0}
    while process.poll() is None:
        found = {pid: pss(pid) for pid in of_session(process.pid)}
        total = sum(found.values())
        if total > peak["all"]:
            main = found.pop(process.pid, 0.0)
            peak = {"all": total, "command": main, "workers": total - main}
        try:
            process.wait(LOOK_EVERY)
        except subprocess.TimeoutExpired:
            continue
    reader.join()
    if process.returncode:
        sys.exit(texts[0].decode())
    return {name: round(value) for name, value in peak.items()}


def of_session(leader: int) -> list[int]:
    """Return the processes of a session."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(fields[3]) == leader:
            found.append(int(entry.name))
    return found


def pss(pid: int) -> float:
    """Return the proportional set size of a process in MB; 0 when it has ended."""
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    found = [line for line in lines if line.startswith("Pss:")]
    return int(found[0].split()[1]) / 1024 if found else 0.0


if __name__ == "__main__":
    words = sys.argv[1:]
    rows, binary_rows, *kinds = [*words, *("1100000", "300000")[len(words) :]]
    main(int(rows), int(binary_rows), kinds or list(KINDS))
