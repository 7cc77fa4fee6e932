"""The measurement on a GPU, with a CPU in its place: the same path, and no line of results."""

import json
import runpy
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
ROWS = "smiles,y\n" + "".join(f"{'C' * n}O,{n}\n{'C' * n}N,{n + 0.5}\n" for n in range(1, 16))
EXPERIMENT = """
name: on_gpu
datasets: {d: {table: TABLE}}
tasks: {y: {dataset: d, labels: [y], loss: mse}}
model: {trunk: {kind: gine, depth: 1, width: 8}}
batch: {size: 8}
trainer: {threads: 1}
"""


@pytest.fixture
def gpu(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    return runpy.run_path(str(BENCHMARKS / "gpu.py"))


def test_both_ways_are_measured_and_a_cpu_writes_no_results(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "table.csv").write_text(ROWS)
    path = tmp_path / "gpu.yaml"
    path.write_text(EXPERIMENT.replace("TABLE", str(tmp_path / "table.csv")))
    before = gpu["RESULTS"].read_text() if gpu["RESULTS"].exists() else None

    gpu["main"]([str(path), "--device", "cpu"])

    said = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "{" in line]
    assert [line["held_in"] for line in said] == ["ram", "cuda"]
    for line in said:
        assert line["parameters"] > 0
        assert line["labels_per_second"] == pytest.approx(line["molecules_per_second"], rel=0.01)
        assert len(line["rounds"]) == gpu["ROUNDS"]
        assert 0 < line["no_kernel_share"] < 1
        assert line["device"] == "cpu"
    after = gpu["RESULTS"].read_text() if gpu["RESULTS"].exists() else None
    assert after == before


def test_time_in_which_two_kernels_run_is_counted_once(gpu):
    assert gpu["union"]([(5.0, 7.0), (0.0, 2.0), (1.0, 3.0), (1.5, 1.6)]) == 5.0
    events = [
        {"ph": "X", "cat": "kernel", "ts": 0, "dur": 2e6},
        {"ph": "X", "cat": "kernel", "ts": 1e6, "dur": 3e6},
        {"ph": "X", "cat": "gpu_user_annotation", "ts": 0, "dur": 9e6},
        {"ph": "X", "cat": "cpu_op", "ts": 5e6, "dur": 1e6},
        {"ph": "i", "cat": "kernel", "ts": 8e6},
    ]
    assert gpu["kernel_seconds"]({"traceEvents": events}, "cuda") == 4.0
    assert gpu["kernel_seconds"]({"traceEvents": events}, "cpu") == 1.0


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_a_gpu_runs_no_kernel_in_some_of_the_time(gpu, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "table.csv").write_text(ROWS)
    path = tmp_path / "gpu.yaml"
    path.write_text(EXPERIMENT.replace("TABLE", str(tmp_path / "table.csv")))
    results = tmp_path / "gpu.jsonl"
    gpu["main"].__globals__["RESULTS"] = results

    gpu["main"]([str(path)])

    lines = [json.loads(line) for line in results.read_text().splitlines()]
    assert [line["held_in"] for line in lines] == ["ram", "cuda"]
    assert all(0 < line["no_kernel_share"] < 1 for line in lines)
    assert all(line["gpu_peak_allocated_mb"] > 0 for line in lines)
