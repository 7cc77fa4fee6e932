"""Loss curves of training and validation."""

from collections.abc import Callable, Sequence

import pandas as pd
from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from graphium.apply.figures.svg import BLUE, GREY, ORANGE, draw_panels

MAX_PANELS = 24


def loss_curves(history: pd.DataFrame, tasks: Sequence[str], best_epoch: int | None) -> Markup:
    """Draw the total loss and the loss of each task against epochs.

    Args:
        history: ``metrics.csv``; lines with metric ``loss`` and no label are drawn.
        tasks: Tasks in the order of panels; the first ``MAX_PANELS`` of them.
        best_epoch: Marked by a vertical line.
    """
    losses = history[(history["metric"] == "loss") & (history["label"] == "")]
    losses = losses[losses["part"].isin(["train", "val"])]
    panels = [
        _panel(losses[losses["task"] == task], task or "total", best_epoch)
        for task in ["", *tasks][: MAX_PANELS + 1]
        if (losses["task"] == task).any()
    ]
    if not panels:
        return Markup("")
    alt = "Loss of each task by epoch, training and validation"
    return draw_panels("losses", alt, panels, columns=4 if len(panels) in (4, 7, 8) else 3)


def _panel(rows: pd.DataFrame, title: str, best_epoch: int | None) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        if best_epoch is not None:
            axes.axvline(best_epoch, color=GREY, linewidth=0.8, linestyle=":")
        for part, color in (("train", BLUE), ("val", ORANGE)):
            curve = rows[(rows["part"] == part) & rows["value"].notna()].sort_values("epoch")
            if len(curve):
                marker = "o" if len(curve) < 3 else ""
                axes.plot(
                    curve["epoch"], curve["value"], color=color, label=part, marker=marker, ms=4
                )
        axes.set_title(title, loc="left")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        if len(rows) and rows["epoch"].min() == rows["epoch"].max():
            axes.set_xlim(rows["epoch"].min() - 1, rows["epoch"].max() + 1)
        axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        if axes.lines:
            axes.legend(loc="upper right")

    return paint
