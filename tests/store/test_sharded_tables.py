"""Stores of tables in several files."""

import csv
import logging

import pytest

from graphium.batching.mix import open_mix
from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.errors import DataError
from graphium.store.layout import REJECTS
from graphium.store.prepare import prepare_dataset, prepare_experiment, store_path
from graphium.store.read import open_store


@pytest.fixture
def folder(tmp_path):
    folder = tmp_path / "parts"
    folder.mkdir()
    for number in (1, 2, 10):
        lines = [f"{'C' * k}N,{number + k}\n" for k in range(1, 8)]
        lines[3] = f"no molecule,{number}\n"
        (folder / f"part-{number}.csv").write_text("smiles,y\n" + "".join(lines))
    return folder


def digests(path):
    return {name: array.sha256 for name, array in open_store(path).record.arrays.items()}


def test_files_give_the_arrays_of_one_file_with_all_rows(folder, tmp_path):
    parts = [folder / f"part-{number}.csv" for number in (1, 2, 10)]
    body = "".join(path.read_text().partition("\n")[2] for path in parts)
    (tmp_path / "whole.csv").write_text("smiles,y\n" + body)

    whole = DatasetConfig(table=str(tmp_path / "whole.csv"))
    pattern = DatasetConfig(table=str(folder / "part-*.csv"))
    one, many = (
        prepare_dataset("x", config, tmp_path, workers=1, segment_rows=5)
        for config in (whole, pattern)
    )

    assert digests(one) == digests(many)
    assert many.name.startswith("part-")
    assert [(one.name, one.rows) for one in open_store(many).record.plan.files] == [
        ("part-1.csv", 7),
        ("part-2.csv", 7),
        ("part-10.csv", 7),
    ]


def test_rejected_rows_are_named_by_file_and_row_inside_it(folder, tmp_path, caplog):
    config = DatasetConfig(table=str(folder / "*.csv"))

    with caplog.at_level(logging.WARNING):
        store = prepare_dataset("x", config, tmp_path, workers=1)

    assert "row 3 of part-2.csv 'no molecule': syntax" in caplog.text
    assert store.name.startswith("parts-")
    with (store / REJECTS).open(newline="") as file:
        lines = list(csv.DictReader(file))
    assert [(line["row"], line["file"], line["row of file"]) for line in lines] == [
        ("3", "part-1.csv", "3"),
        ("10", "part-2.csv", "3"),
        ("17", "part-10.csv", "3"),
    ]


def test_a_label_that_cannot_be_is_named_by_file_and_row_inside_it(folder, tmp_path):
    (folder / "part-2.csv").write_text("smiles,y\nCO,1\nCCO,-2\n")
    experiment = Experiment.model_validate(
        {
            "name": "e",
            "datasets": {"x": {"table": str(folder / "part-*.csv"), "weights": "y"}},
            "tasks": {"t": {"dataset": "x", "labels": ["y"], "loss": "mae"}},
        }
    )
    prepare_experiment(experiment, tmp_path, workers=1)

    with pytest.raises(DataError, match=r"row 1 of part-2\.csv"):
        open_mix(experiment, tmp_path)


def test_a_part_that_is_none_is_named_by_file_and_row_inside_it(tmp_path):
    for number, last in ((1, "test"), (2, "tset")):
        text = f"smiles,y,split\n{'C' * number}O,1,train\n{'C' * number}N,2,{last}\n"
        (tmp_path / f"part-{number}.csv").write_text(text)
    table = {"table": str(tmp_path / "part-*.csv"), "split": {"kind": "column"}}
    experiment = Experiment.model_validate(
        {
            "name": "e",
            "datasets": {"x": table},
            "tasks": {"t": {"dataset": "x", "labels": ["y"], "loss": "mae"}},
        }
    )
    prepare_experiment(experiment, tmp_path, workers=1)

    with pytest.raises(DataError, match=r"column 'split', row 1 of part-2\.csv: 'tset' names no"):
        open_mix(experiment, tmp_path)


def test_any_byte_of_any_file_and_their_order_change_the_store_name(folder, tmp_path):
    config = DatasetConfig(table=str(folder / "part-*.csv"))
    names = [store_path(config, tmp_path).name]
    path = folder / "part-10.csv"
    path.write_text(path.read_text().replace("CN", "CO", 1))
    names.append(store_path(config, tmp_path).name)
    path.rename(folder / "part-0.csv")
    names.append(store_path(config, tmp_path).name)

    assert len(set(names)) == 3


def test_where_the_files_lie_does_not_change_the_store_name(folder, tmp_path):
    before = store_path(DatasetConfig(table=str(folder / "part-*.csv")), tmp_path).name
    moved = folder.rename(tmp_path / "elsewhere")

    assert store_path(DatasetConfig(table=str(moved / "part-*.csv")), tmp_path).name == before


def test_the_same_bytes_in_another_format_are_another_store(tmp_path):
    for name in ("a.csv", "a.smi"):
        (tmp_path / name).write_text("smiles\nCCO\nCC\n")

    stores = [
        prepare_dataset("x", DatasetConfig(table=str(tmp_path / name)), tmp_path, workers=1)
        for name in ("a.csv", "a.smi")
    ]

    assert stores[0] != stores[1]
    assert open_store(stores[1]).num_molecules == 2
