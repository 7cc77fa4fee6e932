"""The loss against the learning rate."""

import numpy as np
from matplotlib.figure import Figure

from graphium.apply.figures.svg import BLUE, GREY, ORANGE, draw_figure, ink, log_axis
from graphium.training.lr_finder import LearningRates


def learning_rate_curve(found: LearningRates) -> str:
    """Return a figure of a search for a learning rate as an SVG file."""

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        axes.plot(found.rates, found.losses, color=GREY, lw=0.8, alpha=0.7, label="each step")
        axes.plot(found.rates, found.smoothed, color=BLUE, label="smoothed")
        if found.suggestion is not None:
            axes.axvline(found.suggestion, color=ORANGE, ls="--", lw=1)
            axes.annotate(
                f"{found.suggestion:.1e}",
                (found.suggestion, 0),
                xycoords=("data", "axes fraction"),
                xytext=(4, 4),
                textcoords="offset points",
                color=ink(),
            )
        log_axis(axes)
        axes.set(xlabel="learning rate", ylabel="loss")
        axes.set_ylim(*_limits(found))
        axes.legend(loc="upper left")

    alt = "Loss of a short training in which the learning rate rises with each step"
    return str(draw_figure("learning-rates", alt, (5.5, 3.4), paint))


def _limits(found: LearningRates) -> tuple[float, float]:
    """Return what the loss axis shows: the steps until it is lowest, and some of the rise after."""
    low, high = np.percentile(found.losses[: found.lowest + 1], [2, 98])
    spread = max(float(high - low), 1e-3 * abs(float(low)), 1e-9)
    return float(low) - 0.15 * spread, float(high) + 0.5 * spread
