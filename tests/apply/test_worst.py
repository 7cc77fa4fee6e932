import pandas as pd

from graphium.apply.finished_run import TaskResult
from graphium.apply.worst import label_points, probability_columns, worst_molecules


def _task(**changes: object) -> TaskResult:
    content = {"level": "graph", "loss": "mae", "labels": ["y"], "coverage": {}, **changes}
    return TaskResult.model_validate(content)


def test_molecules_come_worst_first_by_their_worst_label_in_its_own_scale() -> None:
    table = pd.DataFrame(
        {
            "smiles": ["C", "N", "O", "F"],
            "dataset": "d",
            "row": [4, 5, 6, 7],
            "small": [0.0, 0.1, 0.2, 0.3],
            "small_predicted": [0.0, 0.1, 0.5, 0.3],
            "large": [0.0, 100.0, 200.0, None],
            "large_predicted": [0.0, 150.0, 200.0, 9e9],
        }
    )

    worst = worst_molecules(table, _task(labels=["small", "large"]), 10)

    assert [one.smiles for one in worst] == ["O", "N", "C", "F"]
    assert (worst[0].label, worst[0].measured, worst[0].predicted) == ("small", "0.200", "0.500")
    assert (worst[1].label, worst[1].where) == ("large", "d, row 5")
    assert worst[3].label == "small"
    assert worst_molecules(table, _task(labels=["small", "large"]), 1) == worst[:1]


def test_a_molecule_stands_once_with_its_worst_atom() -> None:
    table = pd.DataFrame(
        {
            "smiles": ["CC", "CC", "CO", "CO"],
            "dataset": "d",
            "row": [0, 0, 1, 1],
            "atom": [0, 1, 0, 1],
            "y": [1.0, 2.0, 3.0, None],
            "y_predicted": [1.5, 4.0, 3.1, 99.0],
        }
    )

    worst = worst_molecules(table, _task(level="node"), 5)

    assert [(one.smiles, one.atom) for one in worst] == [("CC", 1), ("CO", 0)]


def test_the_worst_pair_is_named_by_its_atoms() -> None:
    table = pd.DataFrame(
        {
            "smiles": ["CCO", "CCO", "CCO"],
            "dataset": "d",
            "row": 0,
            "begin": [0, 0, 1],
            "end": [1, 2, 2],
            "y": [1.0, 2.0, 3.0],
            "y_predicted": [1.1, 4.0, None],
        }
    )

    (worst,) = worst_molecules(table, _task(level="nodepair"), 5)

    assert (worst.pair, worst.atom, worst.bond) == ((0, 2), None, None)


def test_classes_are_wrong_by_the_probability_of_the_true_one() -> None:
    table = pd.DataFrame(
        {
            "smiles": ["C", "N", "O"],
            "dataset": "d",
            "row": [0, 1, 2],
            "y": [0.0, 1.0, None],
            "y_predicted": [1, 1, 0],
            "y_p0": [0.2, 0.1, 0.9],
            "y_p1": [0.8, 0.9, 0.1],
            "y_prior": [0.0, 0.0, 0.0],
        }
    )
    task = _task(loss="ce", class_names=["low", "high"])

    worst = worst_molecules(table, task, 5)

    assert [(one.smiles, one.measured, one.predicted) for one in worst] == [
        ("C", "low", "high"),
        ("N", "high", "high"),
    ]


def test_the_classes_of_a_label_are_not_those_of_one_that_begins_like_it() -> None:
    columns = [
        *("x", "x_predicted", "x_p0", "x_p1", "x_p10", "x_p\u00b2", "x_prior"),
        *("x_pos", "x_pos_predicted", "x_pos_p0", "x_pos_p1", "x_pos_p2"),
    ]
    table = pd.DataFrame(columns=columns)

    assert probability_columns(table, "x") == ["x_p0", "x_p1"]
    assert probability_columns(table, "x_pos") == ["x_pos_p0", "x_pos_p1", "x_pos_p2"]


def test_confident_mistakes_about_ones_and_zeros_come_first() -> None:
    table = pd.DataFrame(
        {
            "smiles": ["C", "N", "O"],
            "dataset": "d",
            "row": [0, 1, 2],
            "y": [1.0, 0.0, 1.0],
            "y_predicted": [0.4, 0.99, 1.0],
        }
    )

    worst = worst_molecules(table, _task(loss="bce"), 2)

    assert [(one.smiles, one.measured, one.predicted) for one in worst] == [
        ("N", "0", "0.990"),
        ("C", "1", "0.400"),
    ]


def test_only_pairs_of_a_label_and_a_prediction_are_points() -> None:
    table = pd.DataFrame({"y": [1.0, None, 3.0], "y_predicted": [1.0, 2.0, 4.0]})

    (points,) = label_points(table, _task())

    assert points.measured.tolist() == [1.0, 3.0]
    assert points.predicted.tolist() == [1.0, 4.0]
