"""Predicted against measured numbers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from markupsafe import Markup
from matplotlib.axes import Axes
from numpy.typing import NDArray

from graphium.apply.figures.svg import BLUE, draw_panels, ink

MAX_PANELS = 6
"""Tasks with more labels share one panel, in standard deviations of each label."""
MAX_POINTS = 20_000
_DENSE = 800  # from here on points are coloured by density and drawn as an image
_BINS = 60


@dataclass(frozen=True, slots=True)
class Points:
    """Known labels of one column beside their predictions."""

    label: str
    measured: NDArray[np.float64]
    predicted: NDArray[np.float64]


def parity_plot(name: str, columns: Sequence[Points], unit: str | None) -> Markup:
    """Draw predicted against measured with the line y = x.

    Args:
        name: Unique on the page.
        columns: Label columns; those without labels are left out.
        unit: Unit of the axes.
    """
    columns = [column for column in columns if len(column.measured)]
    if not columns:
        return Markup("")
    if len(columns) > MAX_PANELS:
        columns = [_pooled(columns)]
        unit = "standard deviations"
    panels = [_panel(column, unit) for column in columns]
    alt = f"Predicted against measured: {', '.join(column.label for column in columns)}"
    return draw_panels(name, alt, panels, size=(3.1, 2.9))


def _pooled(columns: Sequence[Points]) -> Points:
    """Put all columns on one scale: distance from each column's mean in its deviations."""
    measured, predicted = [], []
    for column in columns:
        center, scale = column.measured.mean(), column.measured.std() or 1.0
        measured.append((column.measured - center) / scale)
        predicted.append((column.predicted - center) / scale)
    return Points(f"all {len(columns)} labels", np.concatenate(measured), np.concatenate(predicted))


def _panel(points: Points, unit: str | None) -> Callable[[Axes], None]:
    x, y = points.measured, points.predicted
    note = f"{points.label} (n = {len(x):,})"
    if len(x) > MAX_POINTS:
        keep = np.random.default_rng(0).choice(len(x), MAX_POINTS, replace=False)
        x, y = x[keep], y[keep]
    suffix = f" ({unit})" if unit else ""

    def paint(axes: Axes) -> None:
        low, high = float(min(x.min(), y.min())), float(max(x.max(), y.max()))
        margin = 0.04 * (high - low) or 0.5
        limits = (low - margin, high + margin)
        if len(x) > _DENSE:
            density = _density(x, y, limits)
            order = np.argsort(density)
            axes.scatter(
                x[order], y[order], c=density[order], s=4, cmap="viridis", lw=0, rasterized=True
            )
        else:
            axes.scatter(x, y, color=BLUE, s=11, alpha=0.55, linewidths=0)
        axes.plot(limits, limits, color=ink(), linewidth=0.8, linestyle="--", alpha=0.6)
        axes.set(xlim=limits, ylim=limits, aspect="equal")
        axes.set_title(note, loc="left")
        axes.set_xlabel(f"measured{suffix}")
        axes.set_ylabel("predicted")

    return paint


def _density(
    x: NDArray[np.float64], y: NDArray[np.float64], limits: tuple[float, float]
) -> NDArray[np.float64]:
    """Return log of the number of points in the square around each point."""
    counts, edges, _ = np.histogram2d(x, y, bins=_BINS, range=(limits, limits))
    column = np.clip(np.digitize(x, edges) - 1, 0, _BINS - 1)
    row = np.clip(np.digitize(y, edges) - 1, 0, _BINS - 1)
    density: NDArray[np.float64] = np.log(counts[column, row])
    return density
