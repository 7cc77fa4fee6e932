"""Several runs on one page: what is marked, what differs, and what must not be compared."""

import json

import pytest
from fabricated_run import fabricate_run

from graphium.apply.compare_page import render_comparison, write_comparison
from graphium.apply.contenders import (
    config_differences,
    metric_rows,
    read_contenders,
)
from graphium.apply.fairness import data_differences
from graphium.cli.main import main
from graphium.errors import DataError, UsageError


def change(run, **values):
    """Change results of a fabricated run: ``energy={"mae": 1.0}`` on both parts."""
    path = run / "results.json"
    results = json.loads(path.read_text())
    results |= values.pop("results", {})
    for task, metrics in values.items():
        for part in ("val", "test"):
            results["tasks"][task][part] = results["tasks"][task][part] | metrics
    path.write_text(json.dumps(results))
    return run


@pytest.fixture
def two(tmp_path):
    a, b = fabricate_run(tmp_path / "a", rows=9), fabricate_run(tmp_path / "b", rows=9)
    change(b, energy={"mae": 0.3}, toxicity={"auroc": 0.7}, results={"parameters": 99_000})
    config = (b / "config.yaml").read_text()
    (b / "config.yaml").write_text(config.replace("max_epochs: 3", "max_epochs: 5, threads: 2"))
    return [a, b]


def row(rows, task, metric):
    names = []
    for one in rows:
        names.append(one.task or names[-1])
    return next(
        one for one, name in zip(rows, names, strict=True) if (name, one.metric) == (task, metric)
    )


def test_the_best_of_each_line_is_marked_by_the_direction_of_its_metric(two):
    rows = metric_rows(read_contenders(two))
    mae = row(rows, "energy", "mae")
    assert [(cell.text, cell.kind) for cell in mae.cells["test"]] == [
        ("0.410", ""),
        ("0.300", "best"),
    ]
    assert mae.unit == "kcal/mol"
    auroc = row(rows, "toxicity", "auroc")
    assert [cell.kind for cell in auroc.cells["val"]] == ["best", ""]
    undefined = row(rows, "solubility", "auroc")
    assert [cell.text for cell in undefined.cells["test"]] == ["undefined"] * 2


def test_only_options_that_differ_are_shown(two):
    found = config_differences(read_contenders(two))
    assert found == {"trainer.max_epochs": ["3", "5"], "trainer.threads": ["null", "2"]}
    with (two[1] / "config.yaml").open("a") as file:
        file.write("wandb: {mode: offline}\n")
    found = config_differences(read_contenders(two))
    assert found["wandb.mode"] == [None, '"offline"']
    assert "wandb" not in found  # the section itself, which is null in the other run
    assert "wandb.entity" not in found


def test_a_folder_of_seeds_is_one_run_with_mean_and_spread(two, tmp_path):
    folder = tmp_path / "seeds"
    for seed, mae in ((1, 0.2), (2, 0.4), (3, 0.6)):
        run = fabricate_run(folder / f"seed-{seed}", rows=9)
        change(run, energy={"mae": mae}, results={"seed": seed})
    contenders = read_contenders([two[0], folder])
    assert [len(one.runs) for one in contenders] == [1, 3]
    cells = row(metric_rows(contenders), "energy", "mae").cells["test"]
    assert [cell.text for cell in cells] == ["0.410", "0.400 ± 0.200"]
    assert [cell.kind for cell in cells] == ["", "best"]
    assert config_differences(contenders) == {"seed": ["7", "[1, 2, 3]"]}

    (folder / "seed-2" / "results.json").unlink()
    with pytest.raises(DataError, match="seed-2 of 3 seeds not finished"):
        read_contenders([two[0], folder])


def test_other_labels_and_other_splits_are_pointed_out(two):
    assert data_differences(read_contenders(two)) == []
    results = json.loads((two[1] / "results.json").read_text())
    results["tasks"]["energy"]["coverage"]["test"]["expt"] = 4
    (two[1] / "results.json").write_text(json.dumps(results))
    for run, rows in zip(two, ([1, 2], [1, 3]), strict=True):
        splits = json.loads((run / "splits.json").read_text())
        splits["datasets"] = {"alcohols": {"train": rows, "val": [], "test": []}}
        (run / "splits.json").write_text(json.dumps(splits))
    first, second = data_differences(read_contenders(two))
    assert first == "A and B divide alcohols into other train, val and test parts"
    assert second == "A and B are measured on other labels of energy: test 10 and 4, val 10 and 10"


def test_other_splits_of_streamed_runs_are_pointed_out(two):
    for run, digest in zip(two, ("1f", "2e"), strict=True):
        splits = {"datasets": {}, "streamed": {"alcohols": {"parts_sha256": digest}}}
        (run / "splits.json").write_text(json.dumps(splits))
    found = data_differences(read_contenders(two))
    assert found == ["A and B divide alcohols into other train, val and test parts"]


def test_as_many_labels_with_other_values_are_pointed_out(two):
    path = two[1] / "predictions" / "test" / "charge.csv"
    lines = path.read_text().splitlines()
    columns = lines[0].split(",")
    cells = lines[3].split(",")
    cells[columns.index("row")] = "77"  # another molecule of the table
    lines[3] = ",".join(cells)
    cells = lines[7].split(",")
    cells[columns.index("q")] = "99.5"
    lines[7] = ",".join(cells)
    path.write_text("\n".join(lines) + "\n")
    (said,) = data_differences(read_contenders(two))
    num = len(lines) - 1
    assert said == (
        f"A and B are measured on other labels of charge: 2 of {num} rows of test are others, or "
        "have other values"
    )


def test_neither_the_order_of_rows_nor_how_a_molecule_is_written_matters(two):
    for path in (two[1] / "predictions").rglob("*.csv"):
        header, *lines = path.read_text().replace("CCO,", "OCC,").splitlines()
        path.write_text("\n".join([header, *lines[::-1]]) + "\n")
    assert data_differences(read_contenders(two)) == []


def test_runs_that_the_first_has_nothing_in_common_with_are_compared_with_each_other(two, tmp_path):
    third = fabricate_run(tmp_path / "c", rows=9)
    first = json.loads((two[0] / "results.json").read_text())
    del first["tasks"]["energy"]
    (two[0] / "results.json").write_text(json.dumps(first))
    results = json.loads((third / "results.json").read_text())
    results["tasks"]["energy"]["coverage"]["val"]["expt"] = 7
    (third / "results.json").write_text(json.dumps(results))
    assert data_differences(read_contenders([*two, third])) == [
        "B and C are measured on other labels of energy: test 10 and 10, val 10 and 7"
    ]


def test_a_task_of_one_run_leaves_the_other_cell_empty(two):
    results = json.loads((two[1] / "results.json").read_text())
    del results["tasks"]["charge"]
    (two[1] / "results.json").write_text(json.dumps(results))
    cells = row(metric_rows(read_contenders(two)), "charge", "mae").cells["test"]
    assert [(cell.text, cell.kind) for cell in cells] == [("0.410", ""), ("", "absent")]


def test_the_page_is_whole_and_escapes_what_comes_from_runs(two):
    change(two[1], results={"name": "b <script>"})
    page = render_comparison(read_contenders(two))
    assert page.count("<svg") == 1
    assert "99,000" in page
    assert "trainer.max_epochs" in page
    assert ">test</th>" in page
    assert "<script" not in page
    assert "b &lt;script&gt;" in page


def test_a_part_that_nobody_was_measured_on_is_left_out(two):
    for run in two:
        results = json.loads((run / "results.json").read_text())
        for task in results["tasks"].values():
            del task["test"]
        (run / "results.json").write_text(json.dumps(results))
    page = render_comparison(read_contenders(two))
    assert ">test</th>" not in page
    assert ">val</th>" in page


def test_one_run_is_not_compared_with_itself(two, tmp_path):
    with pytest.raises(UsageError, match="two runs"):
        write_comparison(two[:1], tmp_path / "page.html")
    with pytest.raises(DataError, match="not itself"):
        write_comparison([two[0], two[0]], tmp_path / "page.html")


def test_a_folder_is_no_page(two):
    with pytest.raises(UsageError, match="is a folder; name the page"):
        write_comparison(two, two[0])


def run(*words):
    with pytest.raises(SystemExit) as ended:
        main([str(word) for word in words])
    return ended.value.code or 0


def test_the_command_writes_the_page_where_it_is_told(two, tmp_path, capsys):
    assert run("report", "--compare", *two, "-o", tmp_path / "pages" / "ab.html") == 0
    assert (tmp_path / "pages" / "ab.html").read_text().startswith("<!doctype html>")
    assert "ab.html" in capsys.readouterr().out
    assert run("report", *two) == 2
    assert "--compare" in capsys.readouterr().err
