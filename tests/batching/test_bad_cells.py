"""One cell that is no number: the user is told which, and what to do."""

import re

import pytest

from graphium.batching.mix import open_mix
from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.errors import DataError
from graphium.store.prepare import prepare_dataset, prepare_experiment

ROWS = {"few": 20, "many": 1_100}


def experiment(folder, dataset, label):
    task = {"dataset": dataset, "labels": [label], "loss": "mae"}
    tables = {name: {"table": str(folder / f"{name}.csv")} for name in ROWS}
    return Experiment.model_validate({"name": "t", "datasets": tables, "tasks": {"t": task}})


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Prepare two tables in which row 7 of ``b-bad`` is '>10' and all other labels are numbers."""
    folder = tmp_path_factory.mktemp("bad")
    for name, count in ROWS.items():
        rows = [f"{'C' * (i % 5 + 1)},{i},{'>10' if i == 7 else i / 8}" for i in range(count)]
        (folder / f"{name}.csv").write_text("\n".join(["smiles,b-good,b-bad", *rows]))
    prepare_experiment(experiment(folder, "few", "b-good"), folder / "root", workers=1)
    return folder


@pytest.mark.parametrize(("name", "reason"), [
    ("few", r"holds text, not numbers; row 7 is '>10'\."),
    ("many", r"cannot be used: not every cell is a number \(row 7 is '>10'\), and more than 1000 "
             r"distinct strings are too many for classes\."),
])  # fmt: skip
def test_a_task_on_a_column_with_one_bad_cell_names_file_row_cell_and_remedy(folder, name, reason):
    with pytest.raises(DataError, match=(
        rf"'b-bad' of dataset '{name}' \({name}\.csv\) {reason} Rows count from 0 below the "
        r"header: row 0 is line 2 .* Mend .*cells \(an empty one means that the label is not known"
    )):  # fmt: skip
        open_mix(experiment(folder, name, "b-bad"), folder / "root")


@pytest.mark.parametrize("name", ROWS)
def test_a_column_that_a_pattern_meant_is_not_left_out_silently(folder, name):
    mix = open_mix(experiment(folder, name, "b-*"), folder / "root")

    assert mix.tasks["t"].spec.labels == ["b-good"]
    (warning,) = [line for line in mix.report.warnings if "left out" in line]
    assert f"task 't': column 'b-bad' of dataset '{name}' matches 'b-*' and is left" in warning
    assert "row 7 is '>10'" in warning


@pytest.mark.parametrize("label", ["charge", "ch*"])
def test_a_task_on_lists_with_one_bad_cell_names_that_cell(tmp_path, label):
    lists = ["[1, oops" if i == 7 else [0.5] * (i % 5 + 1) for i in range(20)]
    rows = [f'{"C" * (i % 5 + 1)},"{cell}"' for i, cell in enumerate(lists)]
    (tmp_path / "lists.csv").write_text("\n".join(["smiles,charge", *rows]))
    task = {"dataset": "lists", "level": "node", "labels": [label], "loss": "mae"}
    tables = {"lists": {"table": str(tmp_path / "lists.csv")}}
    experiment = {"name": "t", "datasets": tables, "tasks": {"t": task}}
    prepare_experiment(Experiment.model_validate(experiment), tmp_path / "root", workers=1)

    with pytest.raises(DataError, match=(
        r"'charge' of dataset 'lists' \(lists\.csv\) cannot be used: row 7 is '\[1, oops', no list"
    )):  # fmt: skip
        open_mix(Experiment.model_validate(experiment), tmp_path / "root")


@pytest.mark.parametrize("cell", ["oops", "[1,2,3", "1 2 3", '[0.1,""a"",3]', "7"])
@pytest.mark.parametrize("row", [0, 145])
def test_a_declared_column_of_lists_names_the_one_bad_cell(tmp_path, cell, row):
    rows = [f'CC,"{cell if i == row else "[0.5, -0.28]"}"' for i in range(160)]
    (tmp_path / "lists.csv").write_text("\n".join(["smiles,crippen", *rows]))
    config = DatasetConfig(table=str(tmp_path / "lists.csv"), levels={"crippen": "node"})

    found = cell.replace('""', '"')
    with pytest.raises(DataError, match=(
        rf"'crippen' of datasets.d.levels .*: row {row} is '{re.escape(found)}', "
        r"no list of numbers as in other rows\. Rows count .* Mend such cells, or leave them empty"
    )):  # fmt: skip
        prepare_dataset("d", config, tmp_path, workers=1)
