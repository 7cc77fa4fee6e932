"""How far apart two runs of one experiment stay, epoch by epoch: curves, differences, a picture.

    graphium-train expts/toymix/gine.yaml seed=42 trainer.threads=1 --run-dir ONE
    graphium-train expts/toymix/gine.yaml seed=42 trainer.threads=1 trainer.devices=2 --run-dir TWO
    python benchmarks/same_curves.py ONE TWO --picture docs/results/two_ranks.svg

The same steps on one rank and on two differ by rounding alone, which grows: each epoch starts from
the weights that the one before has left. The line that is printed has each curve, and the largest
relative difference of each metric, so that it can be held against the spread over seeds.
"""

import argparse
import io
import json
from pathlib import Path

import matplotlib as mpl
import pandas as pd
from matplotlib.backends.backend_svg import FigureCanvasSVG
from matplotlib.figure import Figure

Curve = dict[int, float]
"""Epoch -> value."""
DIGITS = 1e-9
"""What metrics.csv writes does not tell smaller differences."""


def curves(run: Path) -> dict[tuple[str, str, str], Curve]:
    """Return the curve of each (part, task, metric) of a run: losses, and metrics of tasks."""
    table = pd.read_csv(run / "metrics.csv", keep_default_na=False)
    table = table[(table["label"] == "") & (table["value"] != "")]
    kept = table[(table["task"] != "") | (table["metric"] == "loss")]
    kept = kept[kept["metric"] != "grad_norm"]
    return {
        key: dict(zip(rows["epoch"].astype(int), rows["value"].astype(float), strict=True))
        for key, rows in kept.groupby(["part", "task", "metric"], sort=True)
    }


def relative(one: Curve, two: Curve) -> Curve:
    """Return the relative difference of each epoch.

    Raises:
        SystemExit: The runs have other epochs.
    """
    if one.keys() != two.keys():
        raise SystemExit(f"epochs {sorted(one)} of one run and {sorted(two)} of the other")
    return {epoch: abs(two[epoch] - one[epoch]) / max(abs(one[epoch]), 1e-12) for epoch in one}


def draw(runs: dict[str, dict[tuple[str, str, str], Curve]], tasks: list[str]) -> Figure:
    """Draw validation losses on top of each other, and below them how far they are apart."""
    figure = Figure(figsize=(3.1 * len(tasks), 4.6), layout="constrained")
    panels = figure.subplots(2, len(tasks), sharex=True, height_ratios=[2, 1], squeeze=False)
    styles = ({"color": "#8A8F98", "lw": 5, "alpha": 0.5}, {"color": "#1B7FBD", "lw": 1.3})
    for top, bottom, task in zip(*panels, tasks, strict=True):
        found = [one["val", task, "loss"] for one in runs.values()]
        for name, curve, style in zip(runs, found, styles, strict=True):
            top.plot(list(curve), list(curve.values()), label=name, **style)
        top.set_title(task or "all tasks", loc="left")
        apart = relative(*found)
        shown = [max(value, DIGITS) for value in apart.values()]
        bottom.semilogy(list(apart), shown, color="#D55E00", lw=1.3)
        bottom.set_ylim(DIGITS / 2, 1)
        bottom.set_xlabel("epoch")
        top.grid(alpha=0.2)
        bottom.grid(alpha=0.2)
    panels[0][0].legend(frameon=False)
    panels[0][0].set_ylabel("validation loss")
    panels[1][0].set_ylabel("relative\ndifference")
    return figure


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs=2, metavar="RUN")
    parser.add_argument("--picture", type=Path, help="SVG file of the curves")
    asked = parser.parse_args()
    found = [curves(run) for run in asked.runs]
    results = [json.loads((run / "results.json").read_text()) for run in asked.runs]
    commits = [json.loads((run / "environment.json").read_text())["commit"] for run in asked.runs]
    largest = {
        " ".join(word for word in key if word): max(relative(found[0][key], found[1][key]).values())
        for key in found[0]
    }
    for name, value in largest.items():
        print(f"{name:40} {value:9.2e}")
    losses = [one["val", "", "loss"] for one in found]
    line = {
        "runs": [one["name"] for one in results],
        "commits": commits,
        "epochs": [one["epochs"] for one in results],
        "best_epochs": [one["best_epoch"] for one in results],
        "val_loss": [list(one.values()) for one in losses],
        "largest_relative_difference": {name: float(f"{v:.3g}") for name, v in largest.items()},
        "test": [
            {name: task.get("test") for name, task in one["tasks"].items()} for one in results
        ],
    }
    print(json.dumps(line))
    if asked.picture is not None:
        tasks = ["", *results[0]["tasks"]]
        names = line["runs"] if len(set(line["runs"])) == 2 else [str(run) for run in asked.runs]
        named = dict(zip(names, found, strict=True))
        with mpl.rc_context({"svg.fonttype": "none", "svg.hashsalt": "graphium"}):
            drawn = io.StringIO()
            FigureCanvasSVG(draw(named, tasks)).print_svg(drawn, metadata={"Date": None})
        lines = [text.rstrip() for text in drawn.getvalue().splitlines()]
        asked.picture.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
