"""metrics.csv keeps every number once, also across a resume; W&B works without an account."""

import csv
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from graphium.config.training import WandbConfig
from graphium.training.tracking import MAX_LABELS, CsvTracker, Entry, WandbTracker


def entry(step, value=1.0, **changes):
    fields = dict(epoch=1, step=step, part="val", task="t", label="", metric="mae", value=value)
    return Entry(**(fields | changes))


def read(path):
    with path.open(newline="") as file:
        return [(int(row["step"]), row["value"]) for row in csv.DictReader(file)]


def test_each_line_is_on_disk_when_log_returns(tmp_path):
    tracker = CsvTracker(tmp_path / "metrics.csv", step=0)
    tracker.log([entry(3, 0.1234567891), entry(3, None, metric="r2")])
    assert read(tmp_path / "metrics.csv") == [(3, "0.123456789"), (3, "")]


def test_a_resumed_run_forgets_what_it_will_do_again(tmp_path):
    path = tmp_path / "metrics.csv"
    CsvTracker(path, step=0).log([entry(10), entry(20), entry(30)])
    with path.open("a") as file:
        file.write("2,4")  # a line that a kill cut short
    tracker = CsvTracker(path, step=20)
    tracker.log([entry(30, 7.0)])
    assert read(path) == [(10, "1"), (20, "1"), (30, "7")]


def test_a_kill_while_a_resumed_run_drops_lines_costs_none(tmp_path, monkeypatch):
    path = tmp_path / "metrics.csv"
    CsvTracker(path, step=0).log([entry(10), entry(20)])

    def die(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", die)
    with pytest.raises(KeyboardInterrupt):
        CsvTracker(path, step=10)
    assert read(path) == [(10, "1"), (20, "1")]


def test_wandb_gets_each_label_of_a_task_of_few_and_the_mean_of_many():
    sent = []
    tracker = WandbTracker.__new__(WandbTracker)  # no process of wandb is needed for this
    tracker._run = SimpleNamespace(log=lambda values, step: sent.append((step, values)))
    few = [entry(3, task="few", label=label) for label in ("", "a", "b")]
    many = [entry(3, task="many", label=f"l{i}") for i in range(MAX_LABELS + 1)]
    one = [entry(3, 4.0, task="one"), entry(3, 4.0, task="one", label="a")]
    tracker.log([*few, *many, *one, entry(3, 2.0, task="many"), entry(3, None, metric="r2")])
    wanted = {"val/few/mae": 1.0, "val/few/a/mae": 1.0, "val/few/b/mae": 1.0, "val/many/mae": 2.0}
    assert sent == [(3, {"epoch": 1, **wanted, "val/one/mae": 4.0})]


def test_wandb_offline_needs_no_account(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    config = WandbConfig(mode="offline", project="p")
    tracker = WandbTracker(config, tmp_path, "name", {"seed": 1})
    tracker.log([entry(3, 0.5), entry(3, None, metric="r2")])
    tracker.close()
    assert list((tmp_path / "wandb").glob("offline-run-*"))
    first = (tmp_path / "wandb.json").read_text()
    WandbTracker(config, tmp_path, "name", {"seed": 1}).close()  # resumed: the same run
    assert (tmp_path / "wandb.json").read_text() == first
    assert "wandb" in sys.modules


def test_a_server_that_cannot_be_reached_does_not_stop_the_run(tmp_path, monkeypatch, caplog):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.delenv("WANDB_MODE", raising=False)
    monkeypatch.setenv("WANDB_BASE_URL", "http://nowhere.invalid")
    monkeypatch.setenv("WANDB_API_KEY", "0" * 40)
    config = WandbConfig(mode="online", project="p", timeout=2)
    caplog.set_level("WARNING", logger="graphium")
    tracker = WandbTracker(config, tmp_path, "name", {"seed": 1})
    assert "kept offline" in caplog.text
    tracker.log([entry(3, 0.5)])
    tracker.close()
    assert list((tmp_path / "wandb").glob("offline-run-*"))


def test_experiment_splits_and_best_checkpoint_become_artifacts(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.chdir(tmp_path)
    for name in ("config.yaml", "splits.json", "results.json"):
        (tmp_path / name).write_text("{}")
    best = tmp_path / "checkpoints" / "step-3"
    best.mkdir(parents=True)
    (best / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "checkpoints" / "best").symlink_to("step-3")
    for uploads in (True, False):
        config = WandbConfig(mode="offline", upload_checkpoint=uploads)
        kept = []
        tracker = WandbTracker(config, Path(), "name", {})
        monkeypatch.setattr(tracker._run, "log_artifact", kept.append)
        tracker.close()
        found = {one.type: sorted(one.manifest.entries) for one in kept}
        assert found["run"] == ["config.yaml", "results.json", "splits.json"]
        assert found.get("model") == (["model.safetensors"] if uploads else None)
        files = [entry.local_path for one in kept for entry in one.manifest.entries.values()]
        assert all(Path(file).is_absolute() for file in files)
