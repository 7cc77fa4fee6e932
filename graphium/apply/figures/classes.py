"""ROC and precision-recall curves of 0/1 labels, and confusion matrices of classes."""

from collections.abc import Callable, Sequence

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from graphium.apply.figures.parity import Points
from graphium.apply.figures.svg import BLUE, draw_panels, ink

MAX_CURVES = 40
MAX_MATRICES = 6
MAX_CLASSES = 12
_CURVE_POINTS = 200

Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def roc_and_pr(name: str, columns: Sequence[Points]) -> Markup:
    """Draw one ROC and one precision-recall curve for each label that has both classes.

    Args:
        name: Unique on the page.
        columns: 0/1 labels beside probabilities; at most ``MAX_CURVES`` are drawn.
    """
    both = [c for c in columns if 0 < np.count_nonzero(c.measured > 0.5) < len(c.measured)]
    if not both:
        return Markup("")
    num, both = len(both), both[:MAX_CURVES]
    curves = [(column.label, *ranking_curves(column)) for column in both]
    rate = float(np.mean([np.mean(column.measured > 0.5) for column in both]))
    alpha = 1.0 if len(both) == 1 else 0.55

    def paint_roc(axes: Axes) -> None:
        for label, roc, _ in curves:
            axes.plot(*roc, color=BLUE, alpha=alpha, lw=1.2, label=label)
        axes.plot([0, 1], [0, 1], color=ink(), lw=0.8, ls="--", alpha=0.6)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set(xlabel="false positive rate", ylabel="true positive rate")
        of = f"{len(curves)} of {num}" if num > len(curves) else str(num)
        axes.set_title(f"ROC, {of} label{'s' * (num > 1)}", loc="left")

    def paint_pr(axes: Axes) -> None:
        for label, _, curve in curves:
            axes.plot(*curve, color=BLUE, alpha=alpha, lw=1.2, label=label)
        axes.axhline(rate, color=ink(), lw=0.8, ls="--", alpha=0.6)
        axes.set(xlim=(-0.01, 1.01), ylim=(-0.01, 1.01), aspect="equal")
        axes.set(xlabel="recall", ylabel="precision")
        axes.set_title("precision and recall", loc="left")

    alt = f"ROC and precision-recall curves of {len(curves)} labels"
    return draw_panels(name, alt, [paint_roc, paint_pr], size=(3.3, 3.0))


def ranking_curves(points: Points) -> tuple[Curve, Curve]:
    """Return (false, true positive rate) and (recall, precision), ties sharing a threshold."""
    order = np.argsort(-points.predicted, kind="stable")
    scores, positive = points.predicted[order], points.measured[order] > 0.5
    ends = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    true = np.cumsum(positive)[ends].astype(np.float64)
    false = ends + 1 - true
    if len(ends) > _CURVE_POINTS:
        keep = np.unique(np.linspace(0, len(ends) - 1, _CURVE_POINTS).astype(int))
        true, false = true[keep], false[keep]
    recall, precision = true / true[-1], true / (true + false)
    roc = np.append(0, false / false[-1]), np.append(0, recall)
    return roc, (np.append(0, recall), np.append(precision[0], precision))


def confusion_matrices(name: str, columns: Sequence[Points], class_names: Sequence[str]) -> Markup:
    """Draw rows of true classes over columns of predicted ones, coloured by share of the row.

    Args:
        name: Unique on the page.
        columns: Class positions; at most ``MAX_MATRICES`` are drawn.
        class_names: In the order of positions; with many classes nothing is drawn.
    """
    columns = [column for column in columns if len(column.measured)][:MAX_MATRICES]
    if not columns or len(class_names) > MAX_CLASSES:
        return Markup("")
    panels = [_matrix(column, class_names) for column in columns]
    side = 1.7 + 0.5 * len(class_names)
    alt = f"Confusion matrix of {', '.join(column.label for column in columns)}"
    return draw_panels(name, alt, panels, size=(side + 0.4, side))


def _matrix(points: Points, class_names: Sequence[str]) -> Callable[[Axes], None]:
    size = len(class_names)
    counts = np.zeros((size, size), np.int64)
    np.add.at(counts, (points.measured.astype(int), points.predicted.astype(int)), 1)
    shares = counts / np.maximum(counts.sum(1, keepdims=True), 1)

    def paint(axes: Axes) -> None:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, interpolation="nearest")
        for true, predicted in np.ndindex(size, size):
            color = "white" if shares[true, predicted] > 0.55 else "#20303f"
            text = f"{counts[true, predicted]:,}"
            axes.text(predicted, true, text, ha="center", va="center", color=color)
        axes.set_xticks(range(size), class_names, rotation=25 if size > 3 else 0)
        axes.set_yticks(range(size), class_names)
        axes.set(xlabel="predicted", ylabel="measured")
        axes.grid(visible=False)
        axes.set_title(f"{points.label} (n = {len(points.measured):,})", loc="left")

    return paint
