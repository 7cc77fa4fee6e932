"""What a profile counts, and that it changes nothing."""

import csv
import json

import pytest
import torch
from forked_runs import ForkedRuns
from rank_processes import write_experiment

from graphium.cli.main import main
from graphium.errors import UsageError
from graphium.training.profile_report import describe
from graphium.training.profiling import Windows, fit_windows
from graphium.training.stopwatch import ModuleTimes, Stopwatch

ROWS = "smiles,y\n" + "".join(f"{'C' * n}O,{n}\n{'C' * n}N,{n + 0.5}\n" for n in range(1, 16))
EXPERIMENT = """
name: profiled
datasets: {d: {table: TABLE}}
tasks: {y: {dataset: d, labels: [y], loss: mse}}
model: {trunk: {kind: gine, depth: 1, width: 8}}
batch: {size: 8}
trainer: {threads: 1, accelerator: cpu, max_epochs: 4}
"""


class Ticks:
    """A clock that others move."""

    def __init__(self):
        self.now = 0.0

    def __call__(self):
        return self.now


class Slow(torch.nn.Module):
    """Takes some seconds by itself, before the modules inside."""

    def __init__(self, ticks, seconds, *inside):
        super().__init__()
        self.inside = torch.nn.ModuleList(inside)
        self.ticks, self.seconds = ticks, seconds

    def forward(self, x):
        self.ticks.now += self.seconds
        for module in self.inside:
            x = module(x)
        return x


def test_a_module_is_charged_for_itself_and_not_for_modules_inside():
    ticks = Ticks()
    network = Slow(ticks, 1, Slow(ticks, 2, Slow(ticks, 4)), Slow(ticks, 8))
    times = ModuleTimes(network, lambda: None, ticks)
    network(torch.zeros(1))
    network.eval()(torch.zeros(1))  # validation does not count
    assert times.seconds == {
        "network (Slow)": 1,
        "inside.0 (Slow)": 2,
        "inside.0.inside.0 (Slow)": 4,
        "inside.1 (Slow)": 8,
    }
    assert set(times.calls.values()) == {1}
    times.close()
    network.train()(torch.zeros(1))
    assert sum(times.seconds.values()) == 15


def test_a_stopwatch_gives_time_to_names_until_it_is_stopped():
    ticks = Ticks()
    watch = Stopwatch(lambda: None, ticks)
    watch.lap("before the start")
    watch.start()
    ticks.now = 3
    watch.lap("forward")
    watch.stop()
    ticks.now = 100
    watch.lap("validation")
    watch.start()
    ticks.now = 102
    watch.lap("forward")
    assert watch.seconds == {"forward": 5}


@pytest.mark.parametrize("steps", [4, 7, 8, 20, 39, 40, 10_000])
def test_windows_fit_into_the_training(steps):
    windows = fit_windows(steps)
    assert windows.total == min(steps, Windows().total)
    names = [windows.at(step) for step in range(windows.total + 1)]
    assert list(dict.fromkeys(names)) == ["warm_up", "parts", "modules", "trace", ""]
    with pytest.raises(UsageError, match="too short"):
        fit_windows(3)


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main(["train", *words])
    return ended.value.code or 0


def test_a_profiled_training_says_what_is_slow_and_trains_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    (tmp_path / "table.csv").write_text(ROWS)
    path = tmp_path / "e.yaml"
    path.write_text(EXPERIMENT.replace("TABLE", str(tmp_path / "table.csv")))
    plain, profiled = tmp_path / "plain", tmp_path / "profiled"
    assert run(str(path), "--no-report", "--run-dir", str(plain)) == 0
    assert run(str(path), "--no-report", "--run-dir", str(profiled), "--profile") == 0

    report = json.loads((profiled / "profile/profile.json").read_text())
    assert list(report["shares"]) == ["data", "forward", "backward", "optimizer"]
    assert sum(report["shares"].values()) == pytest.approx(1, abs=1e-3)
    assert any("GineLayer" in one["module"] for one in report["modules"])
    assert all(one["calls"] >= 1 for one in report["modules"])
    operations = [one["operation"] for one in report["operations"]]
    assert any(name.startswith("aten::") for name in operations)
    assert json.loads((profiled / "profile/trace.json").read_text())["traceEvents"]
    said = capsys.readouterr().out
    assert all(line in said for line in describe(report))

    weights = "checkpoints/best/model.safetensors"
    assert (plain / weights).read_bytes() == (profiled / weights).read_bytes()
    with (plain / "metrics.csv").open() as one, (profiled / "metrics.csv").open() as other:
        losses = [[row for row in csv.reader(file) if row[5] == "loss"] for file in (one, other)]
    assert losses[0] == losses[1]


def test_a_profile_is_of_one_run(capsys):
    assert run("e.yaml", "--seeds", "2", "--profile") == 2
    assert "--profile" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.dist
def test_a_profile_of_two_ranks_says_how_long_each_waits_and_trains_the_same(tmp_path):
    words = [write_experiment(tmp_path), "trainer.devices=2", "--run-dir"]
    with ForkedRuns(tmp_path) as runs:
        code, said = runs.run(*words, "plain")
        assert code == 0, said
        code, said = runs.run(*words, "profiled", "--profile")
        assert code == 0, said
    report = json.loads((tmp_path / "profiled/profile/profile.json").read_text())
    assert list(report["shares"]) == ["data", "forward", "other ranks", "backward", "optimizer"]
    first, second = report["waiting_for_others"]
    assert first == report["shares"]["other ranks"]
    assert 0 < second < 1
    assert "waiting for other ranks: rank 0 " in said
    assert said.count("slowest operations") == 1
    assert json.loads((tmp_path / "profiled/profile/trace.json").read_text())["traceEvents"]
    weights = "checkpoints/last/model.safetensors"
    assert (tmp_path / "plain" / weights).read_bytes() == (
        tmp_path / "profiled" / weights
    ).read_bytes()


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ([], ""),
        ([0.4, 0.01], "rank 0 40.0 %, rank 1 1.0 %; rank 1 is the slowest"),
        ([0.05, 0.06], "none is slower"),
    ],
)
def test_the_rank_that_waits_least_is_the_slowest(shares, words):
    report = {
        "micro_batches": 2,
        "ms_per_micro_batch": 1.0,
        "shares": {"data": 1.0},
        "waiting_for_others": shares,
        "modules": [],
        "operations": [],
    }
    said = "\n".join(describe(report))
    assert words in said
    assert ("waiting for other ranks" in said) == bool(shares)
