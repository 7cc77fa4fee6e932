"""The commands of the README one after the other, on the data they are written for."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.slow

DATA = os.environ.get("GRAPHIUM_TEST_DATA")
needs_data = pytest.mark.skipif(
    not DATA, reason="GRAPHIUM_TEST_DATA names no folder of real tables"
)


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


def call(program: str, *arguments: object, cache: Path) -> str:
    """Run a command in the repository; return what it says."""
    environment = os.environ | {"GRAPHIUM_CACHE_DIR": str(cache), "OMP_NUM_THREADS": "1"}
    script = Path(sys.executable).parent / program  # as installed: ranks start it again by name
    done = subprocess.run(
        [str(script), *(str(argument) for argument in arguments)],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def results(run: Path) -> dict:
    return json.loads((run / "results.json").read_text())["tasks"]


def baselines(run: Path) -> dict:
    return json.loads((run / "baselines.json").read_text())["tasks"]


@pytest.fixture(scope="module")
def demo(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shortened run of the demo."""
    run = tmp_path_factory.mktemp("runs") / "demo"
    output = call(
        "graphium-train", "expts/demo.yaml", "trainer.max_epochs=15", "report.trees=50",
        "--run-dir", run, cache=cache,
    )  # fmt: skip
    assert str(run / "report.html") in output.replace("\n", "")
    return run


def test_the_demo_beats_the_mean_on_every_task(demo: Path):
    model, rivals = results(demo), baselines(demo)
    assert set(model) == {"hydration", "solubility", "solubility_class", "charge", "bond_length"}
    for task in ("hydration", "solubility", "charge", "bond_length"):
        assert model[task]["test"]["mae"] < 0.7 * rivals[task]["mean"]["test"]["mae"], task
    accuracy = model["solubility_class"]["test"]["accuracy"]
    assert accuracy > rivals["solubility_class"]["mean"]["test"]["accuracy"] + 0.2


def test_the_report_of_the_demo_needs_nothing_else(demo: Path):
    page = (demo / "report.html").read_text()
    assert "<script" not in page
    assert 'src="http' not in page
    assert "@import" not in page
    assert len(page) < 3_000_000


def test_the_demo_predicts_and_embeds_rows_of_a_csv(demo: Path, cache: Path, tmp_path: Path):
    table = tmp_path / "in.csv"
    table.write_text("name,smiles\nethanol,CCO\nbroken,C(\nphenol,Oc1ccccc1\nmethane,C\n")
    predicted, vectors = tmp_path / "out.csv", tmp_path / "vectors.npz"
    call("graphium", "predict", demo, table, "-o", predicted, cache=cache)
    call("graphium", "embed", demo, table, "-o", vectors, cache=cache)

    with predicted.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["ethanol", "broken", "phenol", "methane"]
    assert [bool(row["error"]) for row in rows] == [False, True, False, False]
    assert float(rows[2]["expt_predicted"]) < float(rows[3]["expt_predicted"])  # phenol likes water
    assert len(json.loads(rows[0]["gasteiger_charge_predicted"])) == 3
    embeddings = np.load(vectors)["embeddings"]
    assert np.isnan(embeddings).any(axis=1).tolist() == [False, True, False, False]


def test_the_demo_is_fine_tuned_on_an_assay_it_has_not_seen(
    demo: Path, cache: Path, tmp_path: Path
):
    run = tmp_path / "finetuned"
    call(
        "graphium-train", "expts/finetune/demo.yaml", f"finetune.checkpoint={demo}",
        "trainer.max_epochs=12", "report.trees=50", "--run-dir", run, cache=cache,
    )  # fmt: skip
    model, rivals = results(run)["activity"], baselines(run)["activity"]
    assert model["test"]["mae"] < rivals["mean"]["test"]["mae"]


def test_a_list_of_smiles_pre_trains_a_model_that_is_fine_tuned_on_measurements(
    cache: Path, tmp_path: Path
):
    first, second = tmp_path / "pretrained", tmp_path / "finetuned"
    call(
        "graphium-train", "expts/pretrain/descriptors.yaml", "trainer.max_epochs=2",
        "report.baselines=false", "--run-dir", first, cache=cache,
    )  # fmt: skip
    call(
        "graphium-train", "expts/finetune/pretrained.yaml", f"finetune.checkpoint={first}",
        "trainer.max_epochs=2", "report.trees=20", "--run-dir", second, cache=cache,
    )  # fmt: skip
    computed = results(first)
    assert len(computed["descriptors"]["coverage"]["train"]) > 200
    assert computed["descriptors"]["test"]["mae_scaled"] < 0.48  # the mean predictor: 0.50
    model, rivals = results(second)["solubility"], baselines(second)["solubility"]
    assert model["test"]["mae"] < 0.8 * rivals["mean"]["test"]["mae"]


@needs_data
def test_toymix_learns_all_three_datasets_in_two_epochs(cache: Path, tmp_path: Path):
    run = tmp_path / "toymix"
    call(
        "graphium-train", "expts/toymix/gine.yaml", "trainer.max_epochs=2", "--no-report",
        "--run-dir", run, cache=cache,
    )  # fmt: skip
    tasks = results(run)
    assert tasks["qm9"]["test"]["mae_scaled"] < 0.30  # the mean predictor: 0.676
    assert tasks["zinc"]["test"]["mae_scaled"] < 0.35  # 0.798
    assert tasks["tox21"]["test"]["auroc"] > 0.65  # 0.5


@pytest.mark.dist
def test_two_ranks_train_the_same_model_as_one(cache: Path, tmp_path: Path):
    runs = [tmp_path / f"{ranks}-ranks" for ranks in (1, 2)]
    for ranks, run in enumerate(runs, start=1):
        call(
            "graphium-train", "expts/demo.yaml", f"trainer.devices={ranks}", "trainer.threads=1",
            "trainer.accelerator=cpu", "trainer.max_epochs=1", "--no-report", "--run-dir", run,
            cache=cache,
        )  # fmt: skip
    one, two = (results(run) for run in runs)
    for task in one:
        # Errors are smooth in the weights; ranks of nearly equal predictions turn over by rounding
        # (that the gradient is the same is shown in float64 by tests/training/test_distributed.py).
        for metric in one[task]["test"].keys() & {"mae", "rmse"}:
            value = one[task]["test"][metric]
            assert two[task]["test"][metric] == pytest.approx(value, rel=1e-3), (task, metric)
