import re

import numpy as np
import pandas as pd
import pytest
from sklearn.metrics import precision_recall_curve, roc_curve

from graphium.apply.figures.classes import confusion_matrices, ranking_curves, roc_and_pr
from graphium.apply.figures.losses import loss_curves
from graphium.apply.figures.parity import Points, parity_plot


def _points(measured: list[float], predicted: list[float], label: str = "y") -> Points:
    return Points(label, np.array(measured, float), np.array(predicted, float))


def test_curves_are_those_of_scikit_learn() -> None:
    random = np.random.default_rng(0)
    y = random.integers(0, 2, 60)
    p = random.integers(0, 12, 60) / 12  # with ties

    roc, curve = ranking_curves(Points("y", y.astype(float), p))

    fpr, tpr, _ = roc_curve(y, p, drop_intermediate=False)
    precision, recall, _ = precision_recall_curve(y, p)
    np.testing.assert_allclose(roc, (fpr, tpr))
    np.testing.assert_allclose(curve[0][1:], recall[-2::-1])
    np.testing.assert_allclose(curve[1][1:], precision[-2::-1])


def test_long_curves_keep_their_ends() -> None:
    random = np.random.default_rng(0)
    y = (random.random(5_000) < 0.3).astype(float)

    roc, _ = ranking_curves(Points("y", y, random.random(5_000)))

    assert len(roc[0]) <= 201
    assert (roc[0][0], roc[1][0], roc[0][-1], roc[1][-1]) == (0, 0, 1, 1)


def test_a_label_of_one_class_has_no_curve() -> None:
    one, both = _points([1, 1], [0.2, 0.3]), _points([0, 1], [0.2, 0.3])

    assert roc_and_pr("x", [one]) == ""
    assert "ROC, 1 label<" in roc_and_pr("x", [one, both])


def test_a_confusion_matrix_counts_every_label_once() -> None:
    svg = confusion_matrices("x", [_points([0, 0, 1, 2], [0, 1, 1, 2])], ["low", "mid", "high"])

    counts = [int(n) for n in re.findall(r">(\d+)</text>", svg)]
    assert sorted(counts) == [0, 0, 0, 0, 0, 1, 1, 1, 1]
    assert "high" in svg


def test_names_that_could_break_the_page_are_escaped() -> None:
    svg = parity_plot("x", [_points([0, 1], [0, 1], label="<script>&$x^$")], "m<")

    assert "<script" not in svg
    assert "&lt;script" in svg


def test_few_points_are_vectors_and_many_an_image() -> None:
    values = np.random.default_rng(0).normal(size=30_000)

    assert "image/png" not in parity_plot("x", [Points("y", values[:500], values[:500])], None)
    many = parity_plot("x", [Points("y", values, values)], None)
    assert "image/png" in many
    assert len(many) < 200_000
    assert "n = 30,000" in many


def test_constant_and_empty_columns_do_no_harm() -> None:
    assert parity_plot("x", [_points([], [])], None) == ""
    assert "n = 2" in parity_plot("x", [_points([3, 3], [3, 3])], None)


def test_many_labels_share_one_panel_in_deviations() -> None:
    columns = [_points([0, 1, 2], [0, 1, 2], label=f"y{i}") for i in range(8)]

    svg = parity_plot("x", columns, "eV")

    assert "all 8 labels (n = 24)" in svg
    assert "standard deviations" in svg


def test_ids_start_with_the_name_of_the_figure() -> None:
    svg = parity_plot("t7", [_points([0, 1], [0, 1])], None)

    ids = re.findall(r'\bid="([^"]+)"', svg)
    assert ids
    assert all(name.startswith("t7-") for name in ids)
    assert 'aria-label="Predicted against measured: y"' in svg


@pytest.mark.parametrize("epochs", [1, 20])
def test_loss_curves_have_a_panel_for_the_total_and_each_task(epochs: int) -> None:
    rows = [
        (epoch, epoch, part, task, "", "loss", 1 / epoch)
        for epoch in range(1, epochs + 1)
        for part in ("train", "val")
        for task in ("", "a", "b")
    ]
    columns = ["epoch", "step", "part", "task", "label", "metric", "value"]
    history = pd.DataFrame(rows, columns=columns)

    svg = loss_curves(history, ["a", "b", "never logged"], best_epoch=1)

    assert svg.count(">epoch<") == 3
    assert loss_curves(history[:0], ["a"], None) == ""
