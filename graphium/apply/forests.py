"""Baselines as plain functions of arrays: means, class shares, and random forests.

Labels are [R, L] with NaN where missing. Predictions are [R, L], or [R, L, C] for classes, as
``training.metrics.compute_metrics`` reads them.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from graphium.config.tasks import TaskSpec

MIN_TREES = 50
ROW_TREES = 1_500_000
"""Largest number of training rows times trees of a forest of regression trees; of more rows fewer
trees are grown, because rows improve a forest more than its trees after the first hundred do."""
CLASSIFIER_ROW_TREES = 4 * ROW_TREES
"""The same for classification trees, which look at fewer columns in each split."""
MAX_FITS = 100
"""Largest number of forests of a task: label columns that are missing in different rows need one
each. A task that needs more gets none."""

_SEED = 0


@dataclass(frozen=True, slots=True)
class Forest:
    """Predictions of a forest and how it was grown."""

    predictions: NDArray[np.float64]
    trees: int


def targets(spec: TaskSpec, labels: NDArray[np.floating]) -> NDArray[np.float64]:
    """Return labels as numbers whose mean predicts: [R, L], or [R, L * C] of ones and zeros."""
    values: NDArray[np.float64] = labels.astype(np.float64)
    if spec.num_classes is None:
        return values
    hot: NDArray[np.float64] = (values[:, :, None] == np.arange(spec.num_classes)).astype(
        np.float64
    )  # [R, L, C]
    hot[np.isnan(values)] = np.nan
    return hot.reshape(len(values), -1)


def group_means(
    spec: TaskSpec,
    labels: NDArray[np.floating],
    groups: Sequence[NDArray[np.int64]],
    wanted: Sequence[NDArray[np.int64]],
) -> NDArray[np.float64]:
    """Predict the mean of the finest group that has a label, else the mean of all.

    Args:
        spec: The task.
        labels: [R, L] of the training part.
        groups: Group [R] of each row of the training part, from fine to coarse; may be empty.
        wanted: Group [Q] of each row that is predicted, in the same order; one at least, because
            it says how many rows there are.
    """
    values = targets(spec, labels)
    num_wanted = len(wanted[0])
    out = np.full((num_wanted, values.shape[1]), np.nan)
    everything = np.zeros(len(labels), np.int64), np.zeros(num_wanted, np.int64)
    for known, asked in [*zip(groups, wanted, strict=False), everything]:
        found = _means_of(values, known, asked)
        out = np.where(np.isnan(out), found, out)
    return _shaped(spec, out)


def _means_of(
    values: NDArray[np.float64], known: NDArray[np.int64], asked: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean of the rows of each asked group; NaN where it has none."""
    names, index = np.unique(known, return_inverse=True)
    present = ~np.isnan(values)
    sums, counts = np.zeros((2, len(names) + 1, values.shape[1]))
    np.add.at(sums, index, np.where(present, values, 0))
    np.add.at(counts, index, present)
    place = np.searchsorted(names, asked)
    place[place == len(names)] = 0
    if len(names):
        place = np.where(names[place] == asked, place, len(names))  # the last row is empty
    means = np.full_like(sums, np.nan)
    np.divide(sums, counts, out=means, where=counts > 0)
    return means[place]


def grow_forest(
    spec: TaskSpec,
    features: NDArray[np.generic],
    labels: NDArray[np.floating],
    wanted: NDArray[np.generic],
    *,
    trees: int,
    max_features: float,
) -> Forest | str:
    """Fit random forests to the training part and predict other rows.

    Columns of labels with the same gaps are fitted by one forest (numbers in standard deviations),
    the others by one each, to the rows that have them. The result depends on the seed
    alone, to the rounding of sums over trees.

    Args:
        spec: The task.
        features: [R, D] of the training part.
        labels: [R, L] of the training part.
        wanted: [Q, D] of the rows that are predicted.
        trees: Trees of each forest, if ``ROW_TREES`` allows them.
        max_features: Share of columns that a split of a regression tree looks at; classification
            trees look at the square root of their number.

    Returns:
        The forest, or why none was grown: no labels, nothing held out, or too many columns with
        gaps of their own.
    """
    fits = list(_same_gaps(~np.isnan(labels)))
    if not fits:
        return "no training row has a label"
    if not len(wanted):
        return "nothing is held out to predict"
    if len(fits) > MAX_FITS:
        return (
            f"the {len(labels[0]):,} label columns are missing in {len(fits):,} different sets of "
            f"training rows, each of which needs a forest of its own; at most {MAX_FITS} are grown"
        )
    is_numeric = not spec.is_class
    budget = ROW_TREES if is_numeric else CLASSIFIER_ROW_TREES
    num_rows = sum(int(rows.sum()) for rows, _ in fits)
    num_trees = min(trees, max(MIN_TREES, budget // num_rows))
    width = spec.num_classes or 1
    out = np.full((len(wanted), len(spec.labels), width), np.nan)
    x, query = features.astype(np.float32), wanted.astype(np.float32)
    for rows, columns in fits:
        fit = _Fit(x[rows], labels[rows][:, columns].astype(np.float64), query, num_trees)
        if is_numeric:
            out[:, columns, 0] = _fit_numbers(fit, max_features)
        else:
            out[:, columns] = _fit_classes(fit, spec)
    return Forest(_shaped(spec, out.reshape(len(wanted), -1)), num_trees)


def _same_gaps(known: NDArray[np.bool_]) -> Iterator[tuple[NDArray[np.bool_], list[int]]]:
    """Yield labelled rows and the columns that have exactly these; empty columns are left out."""
    columns: dict[bytes, list[int]] = {}
    for i in range(known.shape[1]):
        if known[:, i].any():
            columns.setdefault(known[:, i].tobytes(), []).append(i)
    for same in columns.values():
        yield known[:, same[0]], same


@dataclass(frozen=True, slots=True)
class _Fit:
    """Columns of labels with the same gaps, in the rows that have them."""

    x: NDArray[np.float32]
    """[R, D]"""
    y: NDArray[np.float64]
    """[R, columns]"""
    query: NDArray[np.float32]
    """[Q, D] what is predicted."""
    trees: int


def _fit_numbers(fit: _Fit, max_features: float) -> NDArray[np.float64]:
    """Return [Q, columns]."""
    from sklearn.ensemble import RandomForestRegressor

    center, scale = fit.y.mean(0), fit.y.std(0)
    scale[scale == 0] = 1
    y = (fit.y - center) / scale
    forest = RandomForestRegressor(
        fit.trees, max_features=max_features, n_jobs=-1, random_state=_SEED
    )
    forest.fit(fit.x, y.squeeze(1) if y.shape[1] == 1 else y)
    scaled: NDArray[np.float64] = forest.predict(fit.query).reshape(len(fit.query), -1)
    predicted: NDArray[np.float64] = scaled * scale + center
    return predicted


def _fit_classes(fit: _Fit, spec: TaskSpec) -> NDArray[np.float64]:
    """Return [Q, columns, C] probabilities of classes, or [Q, columns, 1] of the label 1."""
    from sklearn.ensemble import RandomForestClassifier

    out = np.zeros((len(fit.query), fit.y.shape[1], max(spec.num_classes or 2, 2)))
    for i in range(fit.y.shape[1]):
        forest = RandomForestClassifier(fit.trees, n_jobs=-1, random_state=_SEED)
        forest.fit(fit.x, fit.y[:, i].astype(np.int64))
        out[:, i, forest.classes_] = forest.predict_proba(fit.query)
    return out if spec.num_classes else out[:, :, 1:]


def _shaped(spec: TaskSpec, flat: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shape as metrics read it; a label without a training row has even odds, or no number."""
    if spec.is_class:
        flat = np.where(np.isnan(flat), 1 / (spec.num_classes or 2), flat)
    if spec.num_classes is None:
        return flat
    return flat.reshape(len(flat), len(spec.labels), spec.num_classes)
