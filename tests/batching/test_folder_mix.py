"""A mix of a folder of TDC and one of OGB: their own splits, reconciled like any others."""

import gzip

import pytest

from graphium.batching.kept import kept_path
from graphium.batching.mix import Dataset, open_mix
from graphium.config.experiment import Experiment
from graphium.store.prepare import prepare_experiment, store_path
from graphium.store.read import open_store

TRAIN_VAL = "Drug_ID,Drug,Y\n" + "".join(
    f"d{i},{smiles},{i}\n"
    for i, smiles in enumerate(
        ["CCO", "c1ccccc1", "C1CC1", "C1CCC1", "C1CCCC1", "C1CCCCC1", "CCl", "c1ccncc1"]
    )
)
TEST = "Drug_ID,Drug,Y\nt0,CCN,1\nt1,OCC,7\n"  # ethanol is in both files
MOL = "active,smiles,mol_id\n0,CCCl,M0\n1,C(C)N,M1\n1,CCBr,M2\n0,C1CC1,M3\n"
LISTS = {"train": "0\n1\n", "valid": "2\n", "test": "3\n"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("folders")
    (folder / "caco2").mkdir()
    (folder / "caco2" / "train_val.csv").write_text(TRAIN_VAL)
    (folder / "caco2" / "test.csv").write_text(TEST)
    (folder / "ogbg_molx" / "mapping").mkdir(parents=True)
    (folder / "ogbg_molx" / "mapping" / "mol.csv.gz").write_bytes(gzip.compress(MOL.encode()))
    (folder / "ogbg_molx" / "split" / "scaffold").mkdir(parents=True)
    for part, rows in LISTS.items():
        file = folder / "ogbg_molx" / "split" / "scaffold" / f"{part}.csv.gz"
        file.write_bytes(gzip.compress(rows.encode()))
    prepare_experiment(experiment(folder), folder / "root", workers=1)
    return folder


def experiment(folder):
    return Experiment.model_validate(
        {
            "name": "t",
            "datasets": {
                "tdc": {"table": str(folder / "caco2")},
                "ogb": {"table": str(folder / "ogbg_molx")},
            },
            "features": {"encodings": {"random_walk": None, "laplacian": None}},
            "tasks": {
                "y": {"dataset": "tdc", "labels": ["Y"], "loss": "mae"},
                "active": {"dataset": "ogb", "labels": ["active"], "loss": "bce"},
            },
        }
    )


def test_each_folder_is_divided_by_its_own_split_and_then_reconciled_with_counts(folder):
    report = open_mix(experiment(folder), folder / "root").report

    moved = {(one.dataset, one.origin, one.target): one.count for one in report.moved}
    assert moved["ogb", "train", "test"] == 1  # ethylamine is in TDC's test.csv
    assert {target for dataset, _, target in moved if dataset == "tdc"} == {"test"}
    assert report.datasets["tdc"].conflicting == 1  # ethanol of train_val.csv is in test.csv, too
    assert report.datasets["tdc"].parts["test"] == 3  # and cyclopropane in OGB's test list
    assert report.datasets["tdc"].parts["val"] >= 1
    assert report.datasets["ogb"].parts == {"train": 1, "val": 1, "test": 2}
    lines = report.lines()
    assert "divided by its folder (TDC: test.csv is test, 0.125 of train_val.csv" in lines[0]
    assert "divided by its folder (OGB: split/scaffold/train.csv.gz," in lines[1]


def test_rows_of_folders_are_counted_inside_their_files(folder):
    plan = open_store(store_path(experiment(folder).datasets["tdc"], folder / "root")).record.plan

    assert plan.source == "caco2"
    assert plan.row_words(9) == "row 1 of test.csv"


def test_an_opened_mix_is_that_of_the_lists_of_the_folder(folder):
    config = experiment(folder)
    datasets = []
    for name, dataset in config.datasets.items():
        store = open_store(store_path(dataset, folder / "root"))
        datasets.append(Dataset(name, dataset, store, store.source_rows()))

    def kept():
        return kept_path(folder / "root", config, datasets, None)

    before = kept()
    lists = folder / "ogbg_molx" / "split" / "scaffold"
    (lists / "valid.csv.gz").write_bytes(gzip.compress(b"2\n0\n"))
    assert kept() != before
    (lists / "valid.csv.gz").write_bytes(gzip.compress(b"2\n", mtime=0))
    among_parts = kept()
    (folder / "caco2" / "train_val.csv").rename(folder / "caco2" / "train.csv")
    (folder / "caco2" / "valid.csv").write_text("Drug_ID,Drug,Y\n")
    assert kept() != among_parts
