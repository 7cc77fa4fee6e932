"""graphium-train from a csv to results, and what it says when it cannot."""

import csv
import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest
import torch
from warm_start import Templates

from graphium.checkpoint.load import find_checkpoint, read_model
from graphium.cli.train import main

SMILES = (
    "CCO", "CC(=O)O", "c1ccccc1", "CCN", "CCCC", "CC(C)O", "OCCO", "c1ccncc1", "CC#N", "C=CC",
    "CCOC(=O)C", "Cc1ccccc1", "CCCl", "CC=O", "C1CCCCC1", "NCC(=O)O", "CSC", "CCBr", "O=C=O", "C",
    "FC(F)F", "c1ccc(O)cc1", "CC(C)(C)O", "CNC", "OC1CCCC1", "N#CCO", "CCS", "c1ccoc1", "CCCO",
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with a table, an experiment and a cache of its own."""
    rows = [
        {
            "smiles": s,
            "a": len(s) / 2 if i % 3 else "",
            "b": int("O" in s),
            "name": f"m{i}",
            "n": "",
        }
        for i, s in enumerate(SMILES)
    ]
    write_table(tmp_path / "table.csv", rows)
    (tmp_path / "experiment.yaml").write_text(
        """
name: small
datasets:
  d: {table: table.csv, split: {kind: random, fractions: [0.6, 0.2, 0.2]}}
tasks:
  a: {dataset: d, labels: [a], loss: mae, unit: m}
  b: {dataset: d, labels: [b], loss: bce}
model:
  trunk: {kind: gine, depth: 1, width: 8}
batch: {size: 8}
trainer: {max_epochs: 2, threads: 1, accelerator: cpu}
report: {trees: 5}
"""
    )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAPHIUM_RUNS_DIR", raising=False)
    return tmp_path


def write_table(path: Path, rows: list[dict[str, object]]) -> None:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def run(*arguments: str) -> int:
    """The exit code of one call."""
    with pytest.raises(SystemExit) as end:
        main(["experiment.yaml", *arguments])
    return int(end.value.code or 0)


def test_a_csv_becomes_a_run_directory(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run() == 0
    (directory,) = (folder / "runs" / "small").iterdir()
    names = {path.name for path in directory.iterdir()}
    assert names >= {
        "config.yaml", "splits.json", "metrics.csv", "checkpoints", "predictions", "results.json",
        "environment.json", "log.txt", "report.html", "baselines.json",
    }  # fmt: skip
    results = json.loads((directory / "results.json").read_text())
    assert results["epochs"] == 2
    assert results["tasks"]["a"]["test"]["mae"] > 0
    assert results["molecules"] == {"train": 17, "val": 6, "test": 6}
    output = capsys.readouterr().out
    assert "report.html" in output
    assert "29 rows" in output
    with (directory / "predictions" / "test" / "b.csv").open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 6
    assert all(SMILES[int(line["row"])] == line["smiles"] for line in lines)
    record, _ = read_model(find_checkpoint(directory))
    assert [task.name for task in record.tasks] == ["a", "b"]


def test_the_resolved_config_repeats_the_run(folder: Path):
    assert run("--no-report", "--run-dir", "first") == 0
    with pytest.raises(SystemExit):
        main(["first/config.yaml", "--no-report", "--run-dir", "second"])
    first, second = (
        (folder / name / "checkpoints/last/model.safetensors").read_bytes()
        for name in ("first", "second")
    )
    assert first == second


def test_several_seeds_give_mean_and_spread(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("--seeds", "2", "--run-dir", "out", "--no-report") == 0
    names = {path.name for path in (folder / "out").iterdir()}
    assert names == {"config.yaml", "seed-42", "seed-43", "seeds.json"}
    weights = [
        (folder / f"out/seed-{seed}/checkpoints/last/model.safetensors").read_bytes()
        for seed in (42, 43)
    ]
    assert weights[0] != weights[1]
    splits = [(folder / f"out/seed-{seed}/splits.json").read_text() for seed in (42, 43)]
    assert splits[0] == splits[1]
    assert "2 seeds" in capsys.readouterr().out


def test_seeds_that_are_not_finished_are_resumed(folder: Path, capsys):
    assert run("--seeds", "2", "--run-dir", "out", "--no-report") == 0
    reference = (folder / "out/seed-43/checkpoints/last/model.safetensors").read_bytes()
    shutil.rmtree(folder / "out/seed-43")
    (folder / "out/seed-43").mkdir()
    (folder / "out/seeds.json").unlink()
    kept = (folder / "out/seed-42/results.json").stat().st_mtime_ns

    with pytest.raises(SystemExit) as end:
        main(["--resume", "out", "--no-report"])
    assert not end.value.code
    again = (folder / "out/seed-43/checkpoints/last/model.safetensors").read_bytes()
    assert again == reference
    assert (folder / "out/seed-42/results.json").stat().st_mtime_ns == kept
    assert (folder / "out/seeds.json").exists()


@pytest.mark.parametrize(
    ("fractions", "parts"), [("[0.8, 0, 0.2]", {"test"}), ("[0.8, 0.2, 0]", {"val"})]
)
def test_a_split_may_lack_val_or_test(folder: Path, fractions, parts):
    split = f"datasets.d.split={{kind: random, fractions: {fractions}}}"
    assert run(split, "--run-dir", "out", "--no-report") == 0
    results = json.loads((folder / "out/results.json").read_text())
    assert {part for part in ("val", "test") if results["tasks"]["a"].get(part)} == parts
    assert results["best_epoch"] == 2 or "val" in parts  # without val the last is the best


def test_a_run_that_diverges_says_so(folder: Path, capsys):
    bad = ("optimizer.lr=1e30", "optimizer.clip_norm=null", "trainer.max_epochs=5")
    assert run(*bad, "--run-dir", "out", "--no-report") == 1
    message = capsys.readouterr().err
    assert "diverged" in message
    assert "optimizer.lr" in message
    assert not (folder / "out/results.json").exists()


def test_early_stopping_says_why_it_ends_and_stays_ended(folder: Path, capsys):
    stop = ("trainer.early_stopping={patience: 2, min_delta: 100}", "trainer.max_epochs=9")
    assert run(*stop, "--run-dir", "out", "--no-report") == 0
    assert "has not fallen for 2 validations" in capsys.readouterr().out
    assert json.loads((folder / "out/results.json").read_text())["epochs"] == 3
    (folder / "out/results.json").unlink()  # as if it had been killed before it was written
    with pytest.raises(SystemExit) as end:
        main(["--resume", "out", "--no-report"])
    assert not end.value.code
    assert json.loads((folder / "out/results.json").read_text())["epochs"] == 3


def test_a_run_does_not_go_on_with_other_data(folder: Path, capsys):
    assert run("--run-dir", "out", "--no-report") == 0
    (folder / "out/results.json").unlink()
    before = (folder / "out/splits.json").read_text()
    table = (folder / "table.csv").read_text().splitlines()
    (folder / "table.csv").write_text("\n".join(table[:-4]) + "\n")
    with pytest.raises(SystemExit) as end:
        main(["--resume", "out"])
    assert end.value.code == 3
    assert "not those that out began with" in capsys.readouterr().err
    assert (folder / "out/splits.json").read_text() == before


def test_a_run_does_not_go_on_with_other_labels_of_the_same_molecules(folder: Path, capsys):
    """Classes have no statistics, and the molecules stand where they stood."""
    assert run("--run-dir", "out", "--no-report") == 0
    (folder / "out/results.json").unlink()
    table = list(csv.DictReader((folder / "table.csv").read_text().splitlines()))
    write_table(folder / "table.csv", [{**row, "b": 1 - int(row["b"])} for row in table])
    with pytest.raises(SystemExit) as end:
        main(["--resume", "out"])
    assert end.value.code == 3
    assert "not those that out began with" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="speaks of machines without a GPU")
def test_a_gpu_that_is_not_there_is_named(folder: Path, capsys):
    assert run("trainer.accelerator=gpu", "--no-report") == 2
    assert "no CUDA GPU" in capsys.readouterr().err


def test_an_existing_run_is_never_written_into(folder: Path, capsys: pytest.CaptureFixture[str]):
    (folder / "mine").mkdir()
    (folder / "mine" / "results.json").write_text("precious")
    assert run("--run-dir", "mine") == 2
    assert "mine exists and is not overwritten" in capsys.readouterr().err
    assert (folder / "mine" / "results.json").read_text() == "precious"


def test_other_features_and_encodings_need_no_new_preparation(folder: Path):
    assert run() == 0
    stores = folder / "cache"
    before = {path: path.stat().st_mtime_ns for path in stores.rglob("*")}
    overrides = (
        "features.atoms=[atomic-number, hybridization, mass, ring-sizes, chirality-float]",
        "features.bonds=[bond-order, estimated-bond-length]",
        "features.encodings.random_walk.steps=5",
        "features.encodings.laplacian.normalization=symmetric",
        "features.encodings.shortest_path={}",
    )
    assert run("--no-prepare", *overrides) == 0
    assert {path: path.stat().st_mtime_ns for path in stores.rglob("*")} == before


def test_no_prepare_names_the_command(folder: Path, capsys: pytest.CaptureFixture[str]):
    assert run("--no-prepare") == 3
    assert "graphium data prepare" in capsys.readouterr().err
    assert not (folder / "runs").exists()


@pytest.mark.parametrize(
    ("override", "code", "words"),
    [
        ("datasets.d.table=tabel.csv", 3, ["tabel.csv", "table.csv"]),
        ("datasets.d.smiles=structure", 3, ["structure", "smiles"]),
        ("tasks.a.labels=[aa]", 3, ["aa", "did you mean 'a'"]),
        ("tasks.a.labels=[name]", 3, ["name", "text", "categories"]),
        ("tasks.a.labels=[n]", 3, ["without labels", "n (0 in val"]),
        ("tasks.b.labels=[a]", 3, ["'a'", "0", "1"]),
        ("trainer.max_epoch=3", 2, ["max_epoch", "did you mean 'max_epochs'"]),
    ],
)
def test_bad_input_is_named(folder, capsys, override, code, words):
    assert run(override) == code
    message = capsys.readouterr().err
    for word in words:
        assert word in message


def test_a_table_without_molecules_or_rows_is_refused(folder, capsys):
    write_table(folder / "table.csv", [{"name": "x", "a": 1}])
    assert run() == 3
    assert "name, a" in capsys.readouterr().err
    (folder / "table.csv").write_text("smiles,a,b,name,n\n")
    assert run() == 3
    assert "table.csv" in capsys.readouterr().err


def test_bad_rows_are_counted_and_the_rest_goes_on(folder, capsys):
    with (folder / "table.csv").open("a") as file:
        file.write("C(,1,1,bad,\nF[Cl]F(F)(F)F(F),1,1,worse,\n")
    assert run("--no-report") == 0
    captured = capsys.readouterr()
    assert "31 rows" in captured.out
    assert "2 that cannot be used (with reasons in stores/" in captured.out
    (rejects,) = (folder / "cache").glob("stores/*/rejects.csv")
    assert [row["row"] for row in csv.DictReader(rejects.read_text().splitlines())] == ["29", "30"]


def test_training_refuses_a_damaged_store(folder, capsys):
    assert run("--no-report") == 0
    (array,) = (folder / "cache" / "stores").glob("*/segments/*/atom_code")
    shard = next(path for path in array.rglob("*") if path.is_file() and path.name != "zarr.json")
    shard.unlink()
    assert run("--no-report") == 3
    assert str(shard.relative_to(array)) in capsys.readouterr().err


def test_ctrl_c_keeps_the_last_checkpoint(folder: Path, trainers: Templates):
    # A suite that a script started in the background inherits an ignored SIGINT.
    heed = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)"
    process = trainers.of(os.environ).start(
        f"{heed}; from graphium.cli.train import main; main()",
        ["experiment.yaml", "trainer.max_epochs=2000", "--run-dir", "out", "--no-report"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        workers=True,
    )
    last = folder / "out" / "checkpoints" / "last"
    deadline = time.monotonic() + 120
    while not last.exists() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=60)
    assert process.returncode == 130, output
    assert "--resume out" in output
    assert "Traceback" not in output
    read_model(find_checkpoint(last))  # complete: sizes and checksums agree


def test_resume_says_what_cannot_be_resumed(folder, capsys):
    for arguments, words in (
        (["--resume", "nowhere"], "no checkpoint"),
        (["experiment.yaml", "--resume", "nowhere"], "no run directory"),
        (["--resume", "nowhere", "--run-dir", "here"], "leave out --run-dir"),
        (["experiment.yaml", "--auto-resume"], "give that, too"),
    ):
        with pytest.raises(SystemExit) as end:
            main(arguments)
        assert end.value.code == 2
        assert words in capsys.readouterr().err
    assert run("--run-dir", "done", "--no-report") == 0
    with pytest.raises(SystemExit):
        main(["--resume", "done"])
    assert "is finished" in capsys.readouterr().err


def test_auto_resume_starts_a_run_goes_on_with_it_and_leaves_it_finished(folder: Path, capsys):
    words = ("--run-dir", "out", "--auto-resume", "--no-report")
    (folder / "out").mkdir()  # left by a job that was killed at once
    assert run(*words) == 0
    weights = (folder / "out/checkpoints/last/model.safetensors").read_bytes()
    (folder / "out/results.json").unlink()
    assert run(*words) == 0
    assert (folder / "out/checkpoints/last/model.safetensors").read_bytes() == weights
    results = (folder / "out/results.json").stat().st_mtime_ns
    capsys.readouterr()
    assert run(*words) == 0
    assert "out is finished" in capsys.readouterr().out
    assert (folder / "out/results.json").stat().st_mtime_ns == results

    assert run(*words, "optimizer.lr=0.5") == 2
    assert "optimizer.lr is 0.001 in the run and 0.5 now" in capsys.readouterr().err


def test_several_machines_need_a_launcher(folder: Path, capsys):
    assert run("trainer.num_nodes=2") == 2
    assert "srun" in capsys.readouterr().err
    assert not (folder / "runs").exists()
