"""A run's tables of metrics, with thresholds chosen on val and with almost no memory."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from graphium.cli.train import main
from graphium.labels.splits import PARTS
from graphium.testing.toy import TOY_SMILES

EXPERIMENT = """
name: small
datasets:
  d: {table: table.csv, split: {kind: random, fractions: [0.4, 0.3, 0.3]}}
tasks:
  a: {dataset: d, labels: [a], loss: mae, metrics: [mae, spearman]}
  b: {dataset: d, labels: [b, c], loss: bce, metrics: [auroc, f1], threshold_for: f1}
  e: {dataset: d, labels: [c], loss: bce, metrics: [auroc, mcc]}
model:
  trunk: {kind: gine, depth: 1, width: 8}
batch: {size: 16}
trainer: {max_epochs: 1, threads: 1, accelerator: cpu, evaluation_memory_mb: 0.00008}
report: {baselines: false}
"""


def read_rows(path: Path) -> list[dict[str, str]]:
    with path.open() as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run whose sorting may take 80 bytes a task."""
    folder = tmp_path_factory.mktemp("small")
    lines = [f"{s},{len(s)},{int('O' in s)},{int('N' in s)}" for s in TOY_SMILES]
    (folder / "table.csv").write_text("\n".join(["smiles,a,b,c", *lines]) + "\n")
    (folder / "experiment.yaml").write_text(EXPERIMENT)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("GRAPHIUM_CACHE_DIR", str(folder / "cache"))
        patch.delenv("GRAPHIUM_RUNS_DIR", raising=False)
        with pytest.raises(SystemExit) as end:
            main(["experiment.yaml"])
    assert not end.value.code
    return next((folder / "runs" / "small").glob("*/results.json")).parent


def test_binned_metrics_are_called_so_everywhere(run: Path) -> None:
    lines = [row for row in read_rows(run / "metrics.csv") if row["task"] == "b"]
    metrics = {part: {row["metric"] for row in lines if row["part"] == part} for part in PARTS}
    assert metrics["val"] == {"loss", "auroc_binned", "f1_binned"}
    assert metrics["test"] == {"loss", "auroc_binned", "f1"}  # at known thresholds f1 is a count
    assert list(read_rows(run / "metrics" / "test" / "a.csv")[0]) == [
        "label", "labels", "mae", "spearman_binned",
    ]  # fmt: skip
    results = json.loads((run / "results.json").read_text())
    assert results["tasks"]["a"]["binned"] == {"val": ["spearman"], "test": ["spearman"]}
    assert "binned" in (run / "report.html").read_text()


def test_thresholds_of_val_are_used_for_test(run: Path) -> None:
    tables = {part: read_rows(run / "metrics" / part / "b.csv") for part in ("val", "test")}
    results = json.loads((run / "results.json").read_text())["tasks"]["b"]
    assert results["threshold_for"] == "f1"
    for i, label in enumerate(("b", "c")):
        chosen = float(tables["val"][i]["threshold"])
        assert chosen != 0.5
        assert float(tables["test"][i]["threshold"]) == chosen
        assert results["thresholds"][label] == pytest.approx(chosen)


def test_of_too_many_rows_a_share_is_written_and_said(run: Path) -> None:
    left_out = json.loads((run / "results.json").read_text())["rows_left_out"]
    written = read_rows(run / "predictions" / "test" / "a.csv")
    kept, rows = left_out["test"]["a"]
    assert len(written) == kept < rows
    known = int(read_rows(run / "metrics" / "test" / "a.csv")[0]["labels"])
    assert known == rows
    assert "of molecules drawn at random" in (run / "log.txt").read_text()
    predicted = [float(row["a_predicted"]) for row in written]
    assert np.isfinite(predicted).all()
