"""Sorted and binned rankings agree with an independent implementation."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import kendalltau, spearmanr
from sklearn.metrics import average_precision_score, f1_score, matthews_corrcoef, roc_auc_score

from graphium.training.bins import ClassHistogram, Grid
from graphium.training.cells import PairCells, ScoreCells
from graphium.training.correlation import binned_kendall, binned_spearman
from graphium.training.ranking import order_of, pack, rank, score_of, sorted_thresholds

floats = st.floats(width=32, allow_nan=False, allow_infinity=False)
few = st.sampled_from([-1.5, -0.0, 0.0, 1e-30, 0.25, 0.5, 1.0])


@given(arrays(np.float32, st.integers(0, 30), elements=floats))
def test_integers_of_scores_have_their_order_and_give_them_back(scores):
    order = order_of(scores)
    np.testing.assert_array_equal(score_of(order), scores.astype(np.float64))
    np.testing.assert_array_equal(order[:, None] < order, scores[:, None] < scores)


@given(st.data(), st.integers(1, 40), st.sampled_from([np.float32, np.float64]))
def test_rankings_with_ties_agree_with_scikit_learn(data, size, dtype):
    scores = data.draw(arrays(dtype, size, elements=st.one_of(few, floats)))
    positive = data.draw(arrays(bool, size))
    column = data.draw(arrays(np.int64, size, elements=st.sampled_from([0, 2])))
    cells = ScoreCells(3, None)
    cells.add(column, scores, positive)
    ranking = cells.rank()
    assert np.isnan(ranking.auroc[1])
    for i in (0, 2):
        y, s = positive[column == i], scores[column == i]
        has_both = y.any() and not y.all()
        assert np.isfinite(ranking.auroc[i]) == has_both
        assert np.isfinite(ranking.ap[i]) == y.any()
        if has_both:
            assert ranking.auroc[i] == pytest.approx(roc_auc_score(y, s), abs=1e-12)
        if y.any():
            assert ranking.ap[i] == pytest.approx(average_precision_score(y, s), abs=1e-12)


@given(st.data(), st.integers(1, 40), st.integers(1, 9), st.sampled_from(["f1", "mcc"]))
def test_a_ranking_does_not_depend_on_how_many_cells_are_looked_at_together(
    data, size, stretch, metric
):
    scores = data.draw(arrays(np.float32, size, elements=few))
    positive = data.draw(arrays(bool, size))
    column = data.draw(arrays(np.int64, size, elements=st.sampled_from([0, 2])))
    keys = np.sort(pack(column, order_of(scores), positive))
    whole = rank(lambda: sorted_thresholds(keys), 3, metric)
    pieces = rank(lambda: sorted_thresholds(keys, stretch=stretch), 3, metric)
    np.testing.assert_array_equal(pieces.auroc, whole.auroc)
    np.testing.assert_allclose(pieces.ap, whole.ap, rtol=1e-12)
    np.testing.assert_array_equal(pieces.threshold, whole.threshold)
    np.testing.assert_array_equal(pieces.counts, whole.counts)


@pytest.mark.parametrize(("metric", "score"), [("f1", f1_score), ("mcc", matthews_corrcoef)])
def test_no_threshold_is_better_than_the_chosen_one(metric, score):
    rng = np.random.default_rng(0)
    y = rng.random(300) < 0.2
    p = (rng.random(300) + 0.3 * y).round(2).astype(np.float32) / 2
    cells = ScoreCells(1, None)
    cells.add(np.zeros(300, np.int64), p, y)
    ranking = cells.rank(metric)
    best = max(score(y, p > t) for t in np.unique(p) - 0.001)
    assert score(y, p > ranking.threshold[0]) == pytest.approx(best)
    called = p > ranking.threshold[0]
    expected = [
        [(~called & ~y).sum(), (called & ~y).sum()],
        [(~called & y).sum(), (called & y).sum()],
    ]
    np.testing.assert_array_equal(ranking.counts[0], expected)


def test_one_class_has_no_best_threshold_and_keeps_the_usual_one():
    cells = ScoreCells(2, None)
    cells.add(np.zeros(4, np.int64), np.array([0.1, 0.4, 0.6, 0.9], np.float32), np.ones(4, bool))
    ranking = cells.rank("f1")
    np.testing.assert_array_equal(ranking.threshold, [0.5, 0.5])
    np.testing.assert_array_equal(ranking.counts[0], [[0, 0], [2, 2]])


@given(arrays(np.float64, st.integers(1, 30), elements=st.floats(-60, 60)), st.integers(1, 29))
def test_bins_hold_all_values_whatever_came_first(values, cut):
    column = np.zeros(len(values), np.int64)
    whole = Grid(1, 8).widened_by(column, values)
    halves = Grid(1, 8).widened_by(column[cut:], values[cut:])
    halves = halves.widened_by(column[:cut], values[:cut])
    place = whole.place(column, values)
    assert ((place >= 0) & (place < 8)).all()
    assert not whole.moved(halves).any()
    assert (whole.lower_edge(column, place) <= values).all()


@given(arrays(np.float64, 20, elements=st.floats(-60, 60)), arrays(bool, 20), st.integers(0, 20))
def test_histograms_do_not_depend_on_the_order_of_the_values(values, positive, cut):
    column = np.arange(20) % 3
    whole, first, second = (ClassHistogram(3, 8) for _ in range(3))
    whole.add(column, values, positive)
    for histogram, part in ((first, slice(cut)), (second, slice(cut, None))):
        for one in zip(column[part], values[part], positive[part], strict=True):
            histogram.add(*(np.array([value]) for value in one))
    first.merge(second)
    np.testing.assert_array_equal(first.counts, whole.counts)
    assert whole.counts.sum() == 20


@given(arrays(np.uint32, (4, 4), elements=st.integers(0, 5)))
def test_rank_correlations_of_a_table_are_those_of_its_cells(counts):
    rows, columns = counts.nonzero()
    number = counts[rows, columns]
    a, b = np.repeat(rows, number), np.repeat(columns, number)
    is_defined = len(np.unique(a)) > 1 and len(np.unique(b)) > 1
    assert np.isfinite(binned_spearman(counts)) == is_defined
    assert np.isfinite(binned_kendall(counts)) == is_defined
    if is_defined:
        assert binned_spearman(counts) == pytest.approx(spearmanr(a, b).statistic, abs=1e-12)
        assert binned_kendall(counts) == pytest.approx(kendalltau(a, b).statistic, abs=1e-12)


SCORES = {
    "usual": lambda rng, y: 1 / (1 + np.exp(-rng.normal(y - 1, 1))),
    "near zero": lambda rng, y: 1e-6 * np.exp(rng.normal(y, 1)),
    "near one": lambda rng, y: 1 - 1e-3 * np.exp(-rng.normal(y, 1)),
    "all but equal": lambda rng, y: 0.3 + 1e-3 * rng.normal(y, 1),
    "saturated": lambda rng, y: (rng.normal(y, 2) > 1) * 1.0,
    "with extremes": lambda rng, y: np.where(
        rng.random(len(y)) < 0.01,
        rng.integers(0, 2, len(y)),
        1 / (1 + np.exp(-rng.normal(y, 0.5))),
    ),
}


@pytest.mark.parametrize("scores", SCORES.values(), ids=SCORES)
def test_a_binned_ranking_of_many_scores_is_near_the_exact_one(scores):
    rng = np.random.default_rng(0)
    y = rng.random(100_000) < 0.1
    p = scores(rng, y).astype(np.float32)
    wide, column = np.full(len(y), 1_327), 1_328  # as many bins as 1,328 tasks have
    exact, binned = ScoreCells(column, None), ScoreCells(column, 0)
    exact.add(wide, p, y)
    binned.add(wide, p, y)
    assert binned.is_binned
    ours, expected = binned.rank(), exact.rank()
    assert ours.auroc[-1] == pytest.approx(expected.auroc[-1], abs=0.005)
    assert ours.ap[-1] == pytest.approx(expected.ap[-1], abs=0.01)


@pytest.mark.parametrize("columns", [1, 69, 1_328])
def test_a_binned_rank_correlation_is_near_the_exact_one(columns):
    rng = np.random.default_rng(0)
    y = rng.standard_t(3, 100_000).astype(np.float32)
    p = (0.7 * y + rng.normal(0, 1, len(y))).astype(np.float32)
    column = np.full(len(y), columns - 1)
    cells = PairCells(np.zeros(columns), np.ones(columns), limit=0)
    cells.add(column, y, p)
    assert cells.is_binned
    assert cells.spearman()[-1] == pytest.approx(spearmanr(y, p).statistic, abs=0.005)
    tolerance = 0.01 if columns < 1_000 else 0.04  # what shares a bin is a tie to tau-b
    assert cells.kendall()[-1] == pytest.approx(kendalltau(y, p).statistic, abs=tolerance)


def test_a_negative_value_that_is_almost_zero_is_in_one_bin_before_and_after_widening():
    values, column = np.array([-5e-324, 60.0]), np.zeros(1, np.int64)
    together, widened = ClassHistogram(1, 8), ClassHistogram(1, 8)
    together.add(np.zeros(2, np.int64), values, np.zeros(2, bool))
    for value in values:
        widened.add(column, np.array([value]), np.zeros(1, bool))
    np.testing.assert_array_equal(widened.counts, together.counts)
