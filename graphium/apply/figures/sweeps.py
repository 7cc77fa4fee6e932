"""Figures of a sweep: what trials reached, which options matter, and how."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from graphium.apply.figures.svg import (
    BLUE,
    GREY,
    ORANGE,
    draw_figure,
    draw_panels,
    ink,
    log_axis,
)

MAX_CURVES = 200


@dataclass(frozen=True, slots=True)
class TrialPoint:
    """One trial that has ended."""

    number: int
    value: float | None
    """What it reached; None where it did not run to its end."""
    curve: Mapping[int, float]
    """The objective by epoch."""
    values: Mapping[str, float | str]
    """Its options as numbers, or as text where they are choices."""


def history(points: Sequence[TrialPoint], objective: str, *, lower_is_better: bool) -> Markup:
    """Draw what each trial reached, and the best so far."""
    pick = min if lower_is_better else max

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        done = [(one.number, one.value) for one in points if one.value is not None]
        ended = [
            (one.number, one.curve[max(one.curve)])
            for one in points
            if one.value is None and one.curve
        ]
        if ended:
            axes.scatter(
                [n for n, _ in ended],
                [v for _, v in ended],
                marker="x",
                color=GREY,
                s=18,
                label="ended early",
            )
        axes.scatter([n for n, _ in done], [v for _, v in done], color=BLUE, s=18, label="finished")
        best = [pick(value for _, value in done[: i + 1]) for i in range(len(done))]
        axes.step([n for n, _ in done], best, color=ORANGE, where="post", label="best so far")
        axes.set(xlabel="trial", ylabel=objective)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _focus(axes, [value for _, value in done])
        axes.legend()

    return draw_figure("history", f"{objective} of each trial", (6.2, 3.0), paint)


def curves(points: Sequence[TrialPoint], best: int, objective: str) -> Markup:
    """Draw the objective by epoch, the best trial's on top."""
    drawn = [one for one in points if one.curve][-MAX_CURVES:]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        for one in sorted(drawn, key=lambda one: one.number == best):
            epochs = sorted(one.curve)
            is_best = one.number == best
            axes.plot(
                epochs,
                [one.curve[epoch] for epoch in epochs],
                color=ORANGE if is_best else GREY,
                lw=2.0 if is_best else 0.8,
                marker="o" if len(epochs) == 1 else "",
                ms=3,
                label=f"trial {best}, the best" if is_best else None,
            )
        axes.set(xlabel="epoch", ylabel=objective)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _focus(axes, [one.curve[max(one.curve)] for one in drawn])
        if axes.get_legend_handles_labels()[1]:
            axes.legend()

    return draw_figure("curves", f"{objective} of each trial by epoch", (6.2, 3.0), paint)


def importances(shares: Mapping[str, float]) -> Markup:
    """Draw the share of the differences between trials that each option explains."""
    names = list(shares)[::-1]

    def paint(figure: Figure) -> None:
        axes = figure.subplots()
        bars = axes.barh(names, [shares[name] for name in names], color=BLUE, height=0.6)
        axes.bar_label(bars, fmt="%.2f", padding=3, color=ink())
        axes.set(xlim=(0, 1.1), xlabel="share of what options explain")
        axes.grid(visible=False, axis="y")

    size = (6.2, 0.8 + 0.28 * len(names))
    return draw_figure("importances", "Importance of each option", size, paint)


def slices(
    points: Sequence[TrialPoint],
    options: Mapping[str, bool],
    best: int,
    objective: str,
) -> Markup:
    """Draw what was reached against each option.

    Args:
        points: The trials.
        options: The options, and whether each is drawn on a logarithmic axis.
        best: Number of the best trial, which is marked.
        objective: Name of what was reached.
    """
    done = [one for one in points if one.value is not None]
    panels = [_slice(done, key, is_log, best, objective) for key, is_log in options.items()]
    return draw_panels("slices", f"{objective} against each option", panels, columns=3)


def _slice(
    points: Sequence[TrialPoint], key: str, is_log: bool, best: int, objective: str
) -> Callable[[Axes], None]:
    def paint(axes: Axes) -> None:
        shown = [one for one in points if key in one.values]
        has_text = any(isinstance(one.values[key], str) for one in shown)
        ticks = sorted({str(one.values[key]) for one in shown}) if has_text else []

        def place(one: TrialPoint) -> float:
            value = one.values[key]
            return float(ticks.index(str(value))) if has_text else float(value)

        reached = [one.value for one in shown if one.value is not None]
        axes.scatter([place(one) for one in shown], reached, color=BLUE, s=14, alpha=0.8)
        for one in shown:
            if one.number == best and one.value is not None:
                axes.scatter(
                    place(one), one.value, facecolors="none", edgecolors=ORANGE, s=70, lw=1.6
                )
        if has_text:
            axes.set_xticks(range(len(ticks)), [tick[:14] for tick in ticks])
            axes.set_xlim(-0.5, len(ticks) - 0.5)
        elif is_log:
            log_axis(axes)
        elif all(place(one).is_integer() for one in shown):
            axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
        _focus(axes, reached)
        axes.set_xlabel(key)
        axes.set_ylabel(objective)

    return paint


def _focus(axes: Axes, values: Sequence[float]) -> None:
    """Leave out what is so far off that nothing else could be seen."""
    ordered = sorted(values)
    if len(ordered) < 5:
        return
    low, high = ordered[len(ordered) // 20], ordered[-1 - len(ordered) // 20]
    spread = (high - low) or 1.0
    bottom, top = max(ordered[0], low - 2 * spread), min(ordered[-1], high + 2 * spread)
    axes.set_ylim(bottom - 0.05 * (top - bottom), top + 0.05 * (top - bottom))
