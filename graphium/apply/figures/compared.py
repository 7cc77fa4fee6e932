"""Loss curves of several runs on top of each other."""

from collections.abc import Callable, Mapping, Sequence

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from graphium.apply.figures.losses import MAX_PANELS
from graphium.apply.figures.svg import draw_panels

COLOURS = ("#1B7FBD", "#E69F00", "#009E73", "#CC79A7", "#D55E00", "#56B4E9", "#8A8F98")
"""After Okabe and Ito's palette."""


def compared_losses(
    histories: Mapping[str, Sequence[pd.DataFrame]], tasks: Sequence[str]
) -> Markup:
    """Draw the validation loss of each task by epoch; the training loss, thin, beside the total.

    Args:
        histories: Name of each run -> ``metrics.csv`` of each of its seeds, whose mean is drawn,
            with a band of one standard deviation.
        tasks: Tasks in the order of panels; the first ``MAX_PANELS`` of them.
    """
    curves = {
        name: _losses(pd.concat(seeds, keys=range(len(seeds)), names=["run"]).reset_index("run"))
        for name, seeds in histories.items()
    }
    panels = [
        _panel(curves, task)
        for task in ["", *tasks][: MAX_PANELS + 1]
        if any((one["task"] == task).any() for one in curves.values())
    ]
    if not panels:
        return Markup("")
    alt = "Validation loss of each task by epoch, of all runs"
    return draw_panels("losses", alt, panels, size=(3.6, 2.8), shared_legend=True)


def _losses(history: pd.DataFrame) -> pd.DataFrame:
    """Return mean and spread over seeds of each loss after each epoch."""
    losses = history[(history["metric"] == "loss") & (history["label"] == "")]
    losses = losses[losses["part"].isin(["train", "val"]) & losses["value"].notna()]
    grouped = losses.groupby(["task", "part", "epoch"])["value"]
    return grouped.agg(["mean", "std"]).fillna({"std": 0.0}).reset_index()


def _panel(curves: Mapping[str, pd.DataFrame], task: str) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        for number, (name, losses) in enumerate(curves.items()):
            colour = COLOURS[number % len(COLOURS)]
            style = ("-", "--", ":")[number // len(COLOURS) % 3]
            for part in ("val", "train") if task == "" else ("val",):
                one = losses[(losses["task"] == task) & (losses["part"] == part)]
                if not len(one):
                    continue
                is_val = part == "val"
                axes.plot(
                    one["epoch"],
                    one["mean"],
                    color=colour,
                    linestyle=style,
                    linewidth=1.6 if is_val else 0.7,
                    alpha=1.0 if is_val else 0.7,
                    marker="o" if len(one) < 3 else "",
                    ms=4,
                    label=name if is_val else None,
                )
                if is_val and (one["std"] > 0).any():
                    low, high = one["mean"] - one["std"], one["mean"] + one["std"]
                    axes.fill_between(one["epoch"], low, high, color=colour, alpha=0.18, lw=0)
        axes.set_title(task or "total (thin: training)", loc="left")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))

    return paint
