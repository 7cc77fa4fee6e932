"""Stores of a list of tables: their rows, their names, and what decides which store it is."""

import pytest

from graphium.config.data import DatasetConfig
from graphium.config.load import load_config
from graphium.errors import ConfigError
from graphium.store.prepare import prepare_dataset, store_path
from graphium.store.read import open_store

YAML = """
name: x
datasets:
  d:
    table: {table}
tasks:
  t: {{dataset: d, labels: [y], loss: mae}}
"""


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.csv").write_text("smiles,y\nC,1\nnone,2\n")
    (tmp_path / "b.csv").write_text("y,smiles\n3,CC\n4,x\n")
    return tmp_path


def load(folder, table):
    (folder / "e.yaml").write_text(YAML.format(table=table))
    return load_config(folder / "e.yaml").experiment


def test_rows_follow_each_other_and_rejects_are_named_by_their_file(folder):
    config = DatasetConfig(table=("b.csv", "a.csv"))
    store = open_store(prepare_dataset("d", config, folder / "stores", workers=1))

    assert store.smiles() == ["CC", "C"]
    assert store.labels(["y"]).values[:, 0].tolist() == [3, 1]
    assert store.path.name.startswith("b-")
    assert (store.path / "rejects.csv").read_text().splitlines()[1:] == [
        "1,x,syntax,b.csv,1",
        "3,none,syntax,a.csv,1",
    ]


def test_order_and_every_byte_decide_which_store_it_is(folder):
    def path(*names):
        return store_path(DatasetConfig(table=names), folder)

    before = path("a.csv", "b.csv")
    assert path("a.csv", "b.csv") == before == path("./a.csv", "b.csv")
    assert len({before, path("b.csv", "a.csv"), path("a.csv")}) == 3
    (folder / "b.csv").write_text("y,smiles\n3,CC\n5,x\n")
    assert path("a.csv", "b.csv") != before


def test_variables_are_expanded_in_a_list(folder, monkeypatch):
    monkeypatch.setenv("DATA", str(folder))

    experiment = load(folder, "[$DATA/a.csv, '~/b.csv']")

    assert experiment.datasets["d"].table[0] == f"{folder}/a.csv"
    assert not experiment.datasets["d"].table[1].startswith("~")
    assert load(folder, "$DATA/a.csv").datasets["d"].table == f"{folder}/a.csv"


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("[]", r"e\.yaml:5  datasets\.d\.table: needs more values, got \[\]"),
        ("[a.csv, [b.csv]]", r"e\.yaml:5  datasets\.d\.table\.1: should be text, got"),
        ("{a: 1}", r"datasets\.d\.table: should be text, got"),
    ],
)
def test_a_list_that_is_none_is_named(folder, table, message):
    with pytest.raises(ConfigError, match=message):
        load(folder, table)
