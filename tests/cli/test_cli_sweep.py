"""``graphium sweep`` end to end."""

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from graphium.cli.main import main
from graphium.config.load import load_config

ROWS = "smiles,y\n" + "".join(f"{'C' * n}O,{n}\n{'C' * n}N,{n + 0.5}\n" for n in range(1, 16))
EXPERIMENT = """
name: search
datasets: {d: {table: TABLE}}
tasks: {y: {dataset: d, labels: [y], loss: mse, metrics: [mae, rmse]}}
model: {trunk: {kind: gine, depth: 1, width: 8}}
batch: {size: 8}
trainer: {threads: 1, accelerator: cpu, max_epochs: 2}
"""
SPACE = """
optimizer.lr: {low: 1e-4, high: 1e-1, log: true}
model.trunk.norm: [layer, none]
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "table.csv").write_text(ROWS)
    (tmp_path / "e.yaml").write_text(EXPERIMENT.replace("TABLE", str(tmp_path / "table.csv")))
    (tmp_path / "space.yaml").write_text(SPACE)
    return tmp_path


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main(["sweep", "e.yaml", "--space", "space.yaml", *words])
    return ended.value.code or 0


def rows(folder):
    with (folder / "trials.csv").open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_sweep_leaves_a_table_a_page_and_the_best_experiment(here, capsys):
    assert run("--trials", "4", "--metric", "y/rmse", "--test") == 0
    folder = Path("runs/search/sweep")
    table = rows(folder)
    assert [row["state"] for row in table] == ["finished"] * 4
    best = min(table, key=lambda row: float(row["value"]))
    said = capsys.readouterr().out
    assert f"best: trial {best['trial']}" in said
    for row in table:
        results = json.loads((folder / f"trials/000{row['trial']}/results.json").read_text())
        of_task = results["tasks"]["y"]
        assert of_task["val"]["rmse"] == pytest.approx(float(row["value"]), rel=1e-6)
        assert ("test" in of_task) == (row is best)
    experiment = load_config(folder / "best.yaml").experiment
    assert experiment.optimizer.lr == float(best["optimizer.lr"])
    assert experiment.model.trunk.norm == best["model.trunk.norm"]
    page = (folder / "sweep.html").read_text()
    assert page.count("<svg") == 4  # history, curves, importances, slices
    assert "optimizer.lr" in page
    assert "$" not in page  # ticks of logarithmic axes are numbers

    assert run("--trials", "4", "--metric", "y/rmse") == 0  # nothing left to do
    assert rows(folder) == table
    assert run("--trials", "4", "--metric", "y/mae") == 2
    assert "options.objective" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--metric", "z/rmse"], "there is no task 'z'"),
        (["--metric", "y/mea"], "did you mean 'mae'"),
        (["--metric", "rmse"], "TASK/METRIC"),
        (["--direction", "maximize"], "a loss is minimised"),
        (["trainer.devices=2"], "a trial trains on one device"),
        (["optimizer.lrr=1"], "did you mean 'lr'"),
    ],
)
def test_what_cannot_work_is_said_before_anything_is_made(here, capsys, words, said):
    assert run(*words) == 2
    assert said in capsys.readouterr().err
    assert not Path("runs").exists()


def start(here):
    command = "from graphium.cli.main import main; main()"
    words = ["sweep", "e.yaml", "--space", "space.yaml", "--trials", "6", "trainer.max_epochs=40"]
    return subprocess.Popen(
        [sys.executable, "-c", command, *words],
        cwd=here,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def begun(folder):
    return list(folder.glob("trials/*/checkpoints/last"))


@pytest.mark.slow
def test_processes_share_a_sweep_and_one_that_is_killed_loses_nothing(here):
    folder = here / "runs/search/sweep"
    first = start(here)
    while not begun(folder):
        assert first.poll() is None, first.communicate()[0]
        time.sleep(0.05)
    os.kill(first.pid, signal.SIGKILL)
    first.communicate()
    second, third = start(here), start(here)
    outputs = [process.communicate(timeout=600)[0] for process in (second, third)]
    assert second.returncode == third.returncode == 0, outputs
    table = rows(folder)
    assert [row["trial"] for row in table] == [str(n) for n in range(6)]
    assert {row["state"] for row in table} <= {"finished", "pruned"}
    done = [row for row in table if row["state"] == "finished"]
    best = min(done, key=lambda row: float(row["value"]))
    assert all(f"best: trial {best['trial']}," in output for output in outputs)
    assert any("goes on after step" in output for output in outputs)
    begun_by_both = [sum("optimizer.lr" in line for line in out.splitlines()) for out in outputs]
    assert all(begun_by_both)
    assert sum(begun_by_both) == 6
    kept = [path.parent.parent.name for path in begun(folder)]
    assert kept == [f"{int(best['trial']):04d}"]
    lines = (folder / "trials/0000/metrics.csv").read_text().splitlines()
    assert len(lines) == len(set(lines))  # no epoch twice
