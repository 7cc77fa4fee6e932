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
                (found.suggestion, 1),
                xycoords=("data", "axes fraction"),
                xytext=(4, -12),
                textcoords="offset points",
                color=ink(),
            )
        low, high = float(found.smoothed.min()), float(np.max(found.smoothed[: len(found.rates)]))
        log_axis(axes)
        axes.set(xlabel="learning rate", ylabel="loss")
        axes.set_ylim(low - 0.1 * (high - low), high + 0.1 * (high - low))
        axes.legend(loc="lower left")

    alt = "Loss of a short training in which the learning rate rises with each step"
    return str(draw_figure("learning-rates", alt, (5.5, 3.4), paint))
