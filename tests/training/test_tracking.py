"""metrics.csv keeps every number once, also across a resume; W&B works without an account."""

import csv
import sys

from graphium.config.training import WandbConfig
from graphium.training.tracking import CsvTracker, Entry, WandbTracker


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
