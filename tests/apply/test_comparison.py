import io
import json
from pathlib import Path

import pytest
from fabricated_run import fabricate_baselines, fabricate_run
from rich.console import Console

from graphium.apply.comparison import (
    Comparison,
    compare,
    format_number,
    format_spread,
    main_metric,
)
from graphium.apply.finished_run import FinishedRun, read_run
from graphium.apply.summary import summarize_run, summarize_seeds


@pytest.fixture
def run(tmp_path: Path) -> FinishedRun:
    path = fabricate_run(tmp_path / "run")
    fabricate_baselines(path, mean=1.5, forest=0.3)
    return read_run(path)


def _text(table: object) -> str:
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(table)
    return console.export_text()


def test_the_metric_nearest_to_the_loss_speaks_for_a_task(run: FinishedRun) -> None:
    tasks = run.results.tasks

    assert [main_metric(tasks[name]) for name in ("energy", "toxicity", "solubility")] == [
        "mae",
        "auroc",
        "accuracy",
    ]


def test_labels_without_a_common_unit_are_averaged_in_deviations(run: FinishedRun) -> None:
    one = run.results.tasks["energy"]
    metrics = {"mae": 30.0, "mae_scaled": 0.2}
    update = {"labels": ["mu", "gap"], "unit": None, "test": metrics}

    several = one.model_copy(update=update)
    same_unit = one.model_copy(update={**update, "unit": "eV"})

    assert main_metric(several) == "mae_scaled"
    assert main_metric(same_unit) == "mae"


def test_lower_errors_and_higher_scores_are_the_best() -> None:
    error = Comparison("mae", None, 1, 0.5, {"mean": 1.0, "forest": 0.2})
    score = Comparison("auroc", None, 1, 0.9, {"mean": 0.5, "forest": None})

    assert [cell.kind for cell in error.cells()] == ["", "", "best"]
    assert [cell.kind for cell in score.cells()] == ["best", "", "undefined"]


def test_nothing_is_best_without_a_rival() -> None:
    alone = Comparison("mae", None, 1, 0.5, {})

    assert [cell.kind for cell in alone.cells()] == ["", "absent", "absent"]


def test_labels_of_a_task_are_compared_one_by_one(run: FinishedRun) -> None:
    line = compare(run, "energy", "test", "rmse", "expt")

    assert (line.model, line.rivals) == (0.62, {"mean": 1.5, "forest": 0.3})
    assert line.num_labels == 10
    assert line.unit == "kcal/mol"
    assert compare(run, "toxicity", "test", "auroc").num_labels == 20
    assert compare(run, "toxicity", "test", "auroc").unit is None


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "undefined"),
        (float("nan"), "undefined"),
        (0.0, "0.000"),
        (0.41, "0.410"),
        (0.002422, "0.00242"),
        (-0.004, "-0.00400"),
        (123.456, "123.5"),
        (1234567.0, "1.235e+06"),
        (1e-9, "1e-09"),
    ],
)
def test_numbers_are_short(value: float | None, text: str) -> None:
    assert format_number(value) == text


def test_the_terminal_shows_a_line_for_each_task(run: FinishedRun) -> None:
    text = _text(summarize_run(run.path))

    energy = next(line for line in text.splitlines() if "energy" in line)
    assert "mae (kcal/mol)" in energy
    assert [c.strip() for c in energy.split("│")[4:7]] == ["0.410", "1.500", "0.300"]
    assert "solubility" in text


def test_seeds_are_summarised_by_mean_and_spread(tmp_path: Path) -> None:
    runs = [fabricate_run(tmp_path / f"seed-{seed}") for seed in (1, 2, 3)]
    for seed, (path, mae) in enumerate(zip(runs, (0.3, 0.4, 0.5), strict=True)):
        content = json.loads((path / "results.json").read_text())
        content["tasks"]["energy"]["test"]["mae"] = mae
        content["seed"] = seed
        (path / "results.json").write_text(json.dumps(content))

    text = _text(summarize_seeds(tmp_path, runs))

    assert "0.400 ± 0.100" in text
    record = json.loads((tmp_path / "seeds.json").read_text())
    assert record["seeds"] == [0, 1, 2]
    assert record["tasks"]["energy"]["model"] == [0.3, 0.4, 0.5]


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ([0.5], "0.500"),
        ([0.5, 0.5], "0.500 ± 0.000"),
        ([2.398, 2.436], "2.417 ± 0.027"),
        ([0.50001, 0.50003], "0.500 ± 1.4e-05"),
        ([120.0, 130.0], "125 ± 7"),
        ([0.0790, 0.0864], "0.0827 ± 0.0052"),
        ([2e-7, 4e-7], "3e-07 ± 1.4e-07"),
    ],
)
def test_a_spread_has_the_decimals_of_its_mean(values: list[float], text: str) -> None:
    assert format_spread(values) == text


def test_a_mean_over_some_labels_and_a_binned_value_say_so(run: FinishedRun) -> None:
    content = json.loads((run.path / "results.json").read_text())
    content["tasks"]["toxicity"] |= {
        "defined": {"test": {"auroc": 1}},
        "binned": {"test": ["auroc"]},
    }
    (run.path / "results.json").write_text(json.dumps(content))
    run = read_run(run.path)

    assert compare(run, "toxicity", "test", "auroc").cells()[0].note == "1 of 2 labels, binned"
    assert compare(run, "toxicity", "test", "auroc", "NR-AR").cells()[0].note == "binned"
    assert compare(run, "toxicity", "val", "auroc").cells()[0].note == ""
    assert "0.800 (1 of 2 labels, binned)" in _text(summarize_run(run.path))


def test_squared_errors_have_a_squared_unit(run: FinishedRun) -> None:
    assert compare(run, "energy", "test", "mse").unit == "(kcal/mol)²"
