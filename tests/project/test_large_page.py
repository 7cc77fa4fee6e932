"""The page on large tables: its figures follow from measured ones by arithmetic that is checked."""

import json
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

POOL = {
    "rows": 1_000_000,
    "segments": 31,
    "workers_us_per_row": 100.0,
    "parts_us_per_row": 10.0,
    "plan_us_per_row": 1.0,
    "read_us_per_row": 0.5,
    "commit_ms_per_segment": 10.0,
    "open_s": 0.05,
    "open_ms_per_segment": 2.0,
    "verify_us_per_molecule": 0.1,
    "bytes_per_molecule": 100.0,
    "files_per_segment": 31.0,
    "files": 1000,
    "manifest_bytes_per_segment": 9000,
}
STORE = {"scan_pool": {"molecules_per_second": 1_000_000, "with_zarrs": 2_000_000}}
MEMORY = {
    "table": "parquet",
    "workers": 2,
    "peak_mb": {
        "100": {"command": 1.0, "workers": 1.0},
        "1000": {"command": 512.0, "workers": 1024.0},
    },
}


@pytest.fixture(scope="module")
def large():
    return runpy.run_path(str(ROOT / "benchmarks" / "large.py"))


def test_one_worker_is_slower_than_its_reader(large):
    found = large["estimate"](POOL, 10_000_000, parts=1, workers=1)

    assert (found.plan, found.read, found.make) == (10, 0, 1000)
    assert found.commit == pytest.approx(10_000_000 / 32_768 * 0.01)
    assert found.total == found.plan + found.read + found.make + found.commit


def test_many_workers_wait_for_their_reader_and_the_last_part_for_all_rows(large):
    found = large["estimate"](POOL, 10_000_000, parts=10, workers=100)

    assert found.read == pytest.approx(4.5)
    assert found.make == pytest.approx(10)  # 10 us for each of a million rows


def test_the_page_says_what_is_measured_and_what_is_computed(large, tmp_path):
    results = tmp_path / "store.jsonl"
    old = {"pool": {**POOL, "bytes_per_molecule": 1.0}}
    results.write_text(
        "".join(json.dumps(line) + "\n" for line in (old, {"pool": POOL}, STORE, MEMORY))
    )

    text = large["markdown"](results, 83_000_000)

    assert "| disk | 8.3 GB | 100.0 B a molecule" in text  # of the last line of its kind
    assert "| segments | 2,533 | 31 |" in text
    assert "| 1,024 | 64 x 16 |" in text
    assert "| 8.5 GB |" in text  # 0.5 of the command and 16 workers of 0.5
    assert "| the same with zarrs | 42 s |" in text


def test_the_recorded_results_make_the_page(large):
    text = large["markdown"]()

    assert text.count("\n| ") > 10
    assert "nan" not in text
