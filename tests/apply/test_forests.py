import numpy as np
import pytest

from graphium.apply import forests
from graphium.apply.forests import Forest, group_means, grow_forest
from graphium.config.tasks import TaskSpec

NAN = np.nan


def _spec(loss: str = "mae", labels: int = 1, classes: int | None = None) -> TaskSpec:
    return TaskSpec(
        name="task",
        dataset="table",
        level="graph",
        labels=[f"y{i}" for i in range(labels)],
        loss=loss,
        num_classes=classes,
        metrics=[],
    )


def test_the_mean_of_a_label_leaves_missing_ones_out() -> None:
    labels = np.array([[1.0, NAN], [3.0, 10.0], [NAN, 20.0]], np.float32)

    means = group_means(_spec(labels=2), labels, [], [np.arange(4)])

    np.testing.assert_array_equal(means, [[2.0, 15.0]] * 4)


def test_a_row_gets_the_mean_of_its_finest_group_that_has_a_label() -> None:
    labels = np.array([[1.0], [3.0], [NAN], [8.0]], np.float32)
    fine, coarse = np.array([11, 11, 12, 21]), np.array([1, 1, 1, 2])

    means = group_means(
        _spec(), labels, [fine, coarse], [np.array([11, 12, 13, 22, 31]), np.array([1, 1, 1, 2, 3])]
    )

    np.testing.assert_array_equal(means[:, 0], [2.0, 2.0, 2.0, 8.0, 4.0])


def test_classes_get_their_shares() -> None:
    labels = np.array([[0.0], [2.0], [2.0], [2.0], [NAN]], np.float32)

    shares = group_means(_spec("ce", classes=3), labels, [], [np.arange(2)])

    assert shares.shape == (2, 1, 3)
    np.testing.assert_allclose(shares[0, 0], [0.25, 0, 0.75])


def test_a_label_without_training_rows_has_even_odds_or_no_number() -> None:
    labels = np.array([[NAN, 1.0]], np.float32)

    odds = group_means(_spec("bce", 2), labels, [], [np.arange(1)])
    number = group_means(_spec("mae", 2), labels, [], [np.arange(1)])

    np.testing.assert_array_equal(odds, [[0.5, 1.0]])
    np.testing.assert_array_equal(number, [[NAN, 1.0]])


def _bits(rows: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, 2, (rows, 8)).astype(np.uint8)


def test_a_forest_learns_numbers_in_their_own_scale_with_gaps() -> None:
    x, query = _bits(300), _bits(50, seed=1)
    labels = np.stack([1e4 * x[:, 0], 1e-3 * x[:, 1], 5.0 + x[:, 2]], 1).astype(np.float32)
    labels[:100, 1] = NAN

    forest = grow_forest(_spec(labels=3), x, labels, query, trees=20, max_features=1.0)

    assert isinstance(forest, Forest)
    truth = np.stack([1e4 * query[:, 0], 1e-3 * query[:, 1], 5.0 + query[:, 2]], 1)
    np.testing.assert_allclose(forest.predictions, truth, atol=1e-9, rtol=1e-4)


def test_a_forest_gives_probabilities_of_all_classes_also_of_those_it_never_saw() -> None:
    x, query = _bits(200), _bits(20, seed=1)
    labels = (2.0 * x[:, :1]).astype(np.float32)

    forest = grow_forest(_spec("ce", classes=4), x, labels, query, trees=20, max_features=1.0)

    assert isinstance(forest, Forest)
    assert forest.predictions.shape == (20, 1, 4)
    np.testing.assert_allclose(forest.predictions.sum(2), 1)
    np.testing.assert_array_equal(forest.predictions[:, 0].argmax(1), 2 * query[:, 0])
    assert (forest.predictions[:, 0, [1, 3]] == 0).all()


def test_a_forest_gives_the_probability_of_one_for_labels_of_zero_and_one() -> None:
    x, query = _bits(200), _bits(20, seed=1)
    labels = np.stack([x[:, 3], np.ones(200), x[:, 0]], 1).astype(np.float32)
    labels[::2, 2] = NAN

    forest = grow_forest(_spec("bce", 3), x, labels, query, trees=20, max_features=1.0)

    assert isinstance(forest, Forest)
    np.testing.assert_array_equal(forest.predictions[:, 0] > 0.5, query[:, 3] == 1)
    np.testing.assert_array_equal(forest.predictions[:, 1], 1)
    np.testing.assert_array_equal(forest.predictions[:, 2] > 0.5, query[:, 0] == 1)


def test_many_rows_get_fewer_trees(monkeypatch: pytest.MonkeyPatch) -> None:
    x = _bits(100)
    labels = x[:, :1].astype(np.float32)
    monkeypatch.setattr(forests, "MIN_TREES", 5)
    monkeypatch.setattr(forests, "ROW_TREES", 1_000)

    few = grow_forest(_spec(), x[:20], labels[:20], x, trees=40, max_features=1.0)
    many = grow_forest(_spec(), x, labels, x, trees=40, max_features=1.0)

    assert isinstance(few, Forest)
    assert isinstance(many, Forest)
    assert (few.trees, many.trees) == (40, 10)


def test_where_nothing_is_held_out_no_forest_is_grown() -> None:
    features, labels = np.ones((4, 3)), np.array([[1.0], [2.0], [3.0], [4.0]], np.float32)

    for spec in (_spec(), _spec("bce"), _spec("ce", classes=5)):
        forest = grow_forest(spec, features, labels, np.ones((0, 3)), trees=5, max_features=1.0)
        assert forest == "nothing is held out to predict"


def test_why_no_forest_is_grown_is_said() -> None:
    x = _bits(200)
    nothing = np.full((200, 1), NAN, np.float32)
    patchy = np.where(np.random.default_rng(0).random((200, 101)) < 0.5, NAN, 1).astype(np.float32)

    unlabelled = grow_forest(_spec(), x, nothing, x, trees=5, max_features=1.0)
    many = grow_forest(_spec(labels=101), x, patchy, x, trees=5, max_features=1.0)

    assert unlabelled == "no training row has a label"
    assert many == (
        "the 101 label columns are missing in 101 different sets of training rows, each of which "
        "needs a forest of its own; at most 100 are grown"
    )


def test_many_columns_with_few_patterns_of_gaps_get_a_forest() -> None:
    x = _bits(60)
    labels = np.repeat(x[:, :1], 150, axis=1).astype(np.float32)
    labels[:20, 75:] = NAN

    forest = grow_forest(_spec(labels=150), x, labels, x, trees=5, max_features=1.0)

    assert isinstance(forest, Forest)
    assert np.isfinite(forest.predictions).all()
