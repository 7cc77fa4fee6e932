"""``report.html``: one page that says what a run reached; no network, no script.

The page is made from the files of the run alone. Everything that comes from data or config is
escaped by the template; only our own drawings are put in as they are.
"""

import math
import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import pandas as pd
from markupsafe import Markup

from graphium.apply.comparison import (
    RIVALS,
    Comparison,
    compare,
    format_number,
    has_one_unit,
    main_metric,
    reported_metrics,
)
from graphium.apply.figures.classes import confusion_matrices, roc_and_pr
from graphium.apply.figures.losses import loss_curves
from graphium.apply.figures.parity import parity_plot
from graphium.apply.finished_run import FinishedRun, Rival, TaskResult, read_run
from graphium.apply.page import page_templates
from graphium.apply.worst import Worst, label_points, probability_columns, worst_molecules
from graphium.config.data import Hydrogens, Part
from graphium.config.metrics import IN_UNITS, LOWER_IS_BETTER
from graphium.config.tasks import MULTICLASS_LOSSES
from graphium.graphs.levels import level_words
from graphium.labels.splits import PARTS
from graphium.molecules.draw import draw_svg

MAX_DRAWINGS = 90
"""Molecules drawn on the whole page; a drawing takes some 10 kB."""
MAX_LABELS = 40
"""Labels of a task whose metrics are shown: the best and the worst half of them, if there are
more."""


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a table: a metric on test and on val."""

    title: str
    """Task or label; empty where the line above has said it."""
    test: Comparison
    val: Comparison


@dataclass(frozen=True, slots=True)
class Card:
    """A drawn molecule and what was measured and predicted."""

    drawing: Markup
    worst: Worst


@dataclass(frozen=True, slots=True)
class TaskSection:
    """What the page shows of one task."""

    name: str
    anchor: str
    result: TaskResult
    metrics: list[Row]
    labels: list[Row]
    """Metrics of each label, or of the best and the worst; empty where there is only one."""
    classes: list[list[str]]
    """Label, class, number of labels, precision, recall and f1 of each class of these labels."""
    num_shown: int
    """Labels among them."""
    rows_left_out: tuple[int, int] | None
    """Rows that figure and drawings are made of and all there are, where those are more."""
    methods: dict[Rival, str]
    figure: Markup
    cards: list[Card]
    part: Part
    """The part that figure and cards show."""


def write_report(run_dir: Path, *, baselines: bool = True) -> Path:
    """Write ``report.html`` into the directory of a finished run.

    Args:
        run_dir: The run.
        baselines: Fit the baselines first where ``baselines.json`` is absent or of another
            split; otherwise the page shows those that are there. Runs whose data were streamed have
            none: baselines need all molecules at hand.

    Returns:
        Path of the page.

    Raises:
        DataError: If this is no finished run, or baselines are asked for and its tables or stores
            are gone or changed.
    """
    run = read_run(run_dir)
    if baselines and run.experiment().batch.held_in != "stream":
        from graphium.apply.baselines import write_baselines  # needs the stores and scikit-learn

        write_baselines(run_dir)
        run = read_run(run_dir)
    target = run_dir / "report.html"
    temporary = run_dir / f".report.{os.getpid()}.html"
    temporary.write_text(render_report(run), encoding="utf-8")
    temporary.replace(target)
    return target


def render_report(run: FinishedRun) -> str:
    """Return the page of a run as HTML."""
    environment = page_templates()
    environment.filters |= {"duration": format_duration, "words": level_words}
    experiment = run.experiment()
    per_task = min(experiment.report.worst, MAX_DRAWINGS // len(run.results.tasks))
    sections = [
        _task_section(run, name, task, i, per_task, experiment.hydrogens)
        for i, (name, task) in enumerate(run.results.tasks.items())
    ]
    written = datetime.fromtimestamp((run.path / "results.json").stat().st_mtime).astimezone()
    return environment.get_template("report.html.j2").render(
        results=run.results,
        experiment=experiment,
        date=written.strftime("%Y-%m-%d %H:%M %Z"),
        environment=run.environment(),
        rivals=RIVALS if run.baselines else (),
        lines=[
            Row(name, *(compare(run, name, part, main_metric(task)) for part in ("test", "val")))
            for name, task in run.results.tasks.items()
        ],
        losses=loss_curves(run.history(), list(run.results.tasks), run.results.best_epoch),
        sections=sections,
        parts=PARTS,
        coverage=_coverage(run),
        split_lines=run.split_lines(),
        config_text=run.config_text(),
    )


def format_duration(seconds: float) -> str:
    """Return seconds as a person says them: ``1 h 02 min``, ``3 min 20 s``, ``12.3 s``."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min {rest:02d} s"
    return f"{minutes // 60} h {minutes % 60:02d} min"


def _coverage(run: FinishedRun) -> dict[str, dict[Part, tuple[int, float]]]:
    """Return number of labels and depth of colour (0 to 1, by logarithm) of each task and part."""
    counts = {name: {p: task.count(p) for p in PARTS} for name, task in run.results.tasks.items()}
    largest = max((n for row in counts.values() for n in row.values()), default=0)
    top = math.log1p(largest) or 1.0
    return {
        name: {p: (n, round(math.log1p(n) / top, 3)) for p, n in row.items()}
        for name, row in counts.items()
    }


def _task_section(
    run: FinishedRun,
    name: str,
    task: TaskResult,
    index: int,
    num_worst: int,
    hydrogens: Hydrogens,
) -> TaskSection:
    found = run.baselines.tasks.get(name, {}) if run.baselines else {}
    tables = {part: run.predictions(part, name) for part in ("test", "val")}
    part: Part = "val" if tables["test"] is None and tables["val"] is not None else "test"
    table = tables[part]
    prefix = f"t{index}"
    shown = _shown_labels(task, part)
    return TaskSection(
        name=name,
        anchor=f"task-{index}",
        result=task,
        metrics=_rows(run, name),
        labels=[row for label in shown for row in _rows(run, name, label)],
        classes=_classes(run, name, part, shown or task.labels),
        num_shown=len(shown),
        rows_left_out=run.results.rows_left_out.get(part, {}).get(name),
        methods={rival: found[rival].method for rival in RIVALS if rival in found},
        figure=Markup("") if table is None else _figure(table, task, prefix),
        cards=[] if table is None else _cards(worst_molecules(table, task, num_worst), hydrogens),
        part=part,
    )


def _rows(run: FinishedRun, name: str, label: str | None = None) -> list[Row]:
    """Return all metrics of a task that have a meaning, or of one of its labels."""
    task = run.results.tasks[name]
    metrics = reported_metrics(task)
    if label is None and not has_one_unit(task) and any(m not in IN_UNITS for m in metrics):
        metrics = [metric for metric in metrics if metric not in IN_UNITS]
    return [
        Row(
            (label or name) if i == 0 else "",
            compare(run, name, "test", metric, label),
            compare(run, name, "val", metric, label),
        )
        for i, metric in enumerate(metrics)
    ]


def _classes(run: FinishedRun, name: str, part: Part, labels: Sequence[str]) -> list[list[str]]:
    table = run.classes(part, name)
    if table is None:
        return []
    numbers = ["precision", "recall", "f1"]
    return [
        [row["label"], row["name"], f"{row['labels']:,}", *(format_number(row[n]) for n in numbers)]
        for _, row in table[table["label"].isin(labels)].iterrows()
    ]


def _shown_labels(task: TaskResult, part: Part) -> list[str]:
    """Return the labels whose metrics are shown.

    Of many they are those where the main metric is best and worst, best first.
    """
    if len(task.labels) <= 1:
        return []
    if len(task.labels) <= MAX_LABELS:
        return task.labels
    metric = main_metric(task)
    values = {label: of.get(part, {}).get(metric) for label, of in task.per_label.items()}
    known = {label: value for label, value in values.items() if value is not None}
    ranked = sorted(known, key=lambda label: known[label], reverse=metric not in LOWER_IS_BETTER)
    half = MAX_LABELS // 2
    return [*ranked[:half], *ranked[half:][-half:]]


def _figure(table: pd.DataFrame, task: TaskResult, prefix: str) -> Markup:
    columns = label_points(table, task)
    if task.loss == "bce":
        return roc_and_pr(f"{prefix}-roc", columns)
    if task.loss in MULTICLASS_LOSSES:
        num_classes = len(probability_columns(table, task.labels[0]))
        names = task.class_names or [str(c) for c in range(num_classes)]
        return confusion_matrices(f"{prefix}-classes", columns, names)
    return parity_plot(f"{prefix}-parity", columns, task.unit)


def _cards(worst: Sequence[Worst], hydrogens: Hydrogens) -> list[Card]:
    cards = []
    for each in worst:
        svg = draw_svg(
            each.smiles,
            atoms=each.pair or ([] if each.atom is None else [each.atom]),
            bonds=[] if each.bond is None else [each.bond],
            # A molecule as a whole is clearer without the hydrogens that only its parts need.
            hydrogens=hydrogens if each.is_part else "implicit",
        )
        cards.append(Card(Markup(svg), each))  # noqa: S704  # the drawing escapes its title
    return cards
