"""The molecules that a model gets most wrong, with their worst label, atom, bond or pair."""

import itertools
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from graphium.apply.comparison import format_number
from graphium.apply.figures.parity import Points
from graphium.apply.finished_run import TaskResult
from graphium.config.tasks import MULTICLASS_LOSSES


@dataclass(frozen=True, slots=True)
class Worst:
    """One molecule and what is wrong with its predictions."""

    smiles: str
    where: str
    """Dataset and row (0-based) of its table."""
    label: str
    """The label that is furthest off."""
    measured: str
    predicted: str
    atom: int | None
    """The atom that is furthest off (node level), in the order of the SMILES."""
    bond: int | None
    """The bond that is furthest off (edge level)."""
    pair: tuple[int, int] | None
    """The two atoms whose label is furthest off (nodepair level)."""

    @property
    def is_part(self) -> bool:
        """Whether an atom, a bond or a pair of them is meant, not the whole molecule."""
        return any(one is not None for one in (self.atom, self.bond, self.pair))


def label_points(table: pd.DataFrame, task: TaskResult) -> list[Points]:
    """Return known labels beside predictions, column by column."""
    columns = []
    for label in task.labels:
        both = table[[label, f"{label}_predicted"]].to_numpy(np.float64)
        both = both[np.isfinite(both).all(1)]
        columns.append(Points(label, both[:, 0], both[:, 1]))
    return columns


def probability_columns(table: pd.DataFrame, label: str) -> list[str]:
    """Return the columns ``<label>_p0``, ``<label>_p1``, ... of a label's classes, in order."""
    names = (f"{label}_p{number}" for number in itertools.count())
    return list(itertools.takewhile(lambda name: name in table.columns, names))


def worst_molecules(table: pd.DataFrame, task: TaskResult, count: int) -> list[Worst]:
    """Return the molecules of one part with the largest errors, worst first.

    A molecule's error is that of its worst label (atom, bond, pair): for numbers the absolute error
    in standard deviations of the label, for classes minus the log probability of the true one.

    Args:
        table: Predictions of one part, one line for each molecule, atom, bond or pair of atoms.
        task: Says what the columns are.
        count: At most so many.
    """
    errors = np.stack([_errors(table, label, task) for label in task.labels], axis=1)
    if not np.isfinite(errors).any():
        return []
    row_error = np.where(np.isfinite(errors), errors, -1).max(1)
    order = np.argsort(-row_error, kind="stable")
    keys = table["dataset"].astype(str) + "\t" + table["row"].astype(str)
    first = ~keys.iloc[order].duplicated().to_numpy()  # the worst line of each molecule
    chosen = order[first][:count]
    return [_describe(table, task, int(i), errors[i]) for i in chosen if row_error[i] >= 0]


def _errors(table: pd.DataFrame, label: str, task: TaskResult) -> NDArray[np.float64]:
    measured = table[label].to_numpy(np.float64)
    if task.loss in MULTICLASS_LOSSES:
        probabilities = table[probability_columns(table, label)].to_numpy(np.float64)
        known = np.isfinite(measured)
        true = np.where(known, measured, 0).astype(np.int64)
        right = probabilities[np.arange(len(table)), true]
        return np.where(known, -np.log(np.maximum(right, 1e-12)), np.nan)
    predicted = table[f"{label}_predicted"].to_numpy(np.float64)
    if task.loss == "bce":
        right = np.where(measured > 0.5, predicted, 1 - predicted)
        return np.where(np.isfinite(measured), -np.log(np.maximum(right, 1e-12)), np.nan)
    known_values = measured[np.isfinite(measured)]
    scale = known_values.std() if len(known_values) else 1.0
    error: NDArray[np.float64] = np.abs(predicted - measured) / (scale or 1.0)
    return error


def _describe(
    table: pd.DataFrame, task: TaskResult, row: int, errors: NDArray[np.float64]
) -> Worst:
    line = table.iloc[row]
    label = task.labels[int(np.nanargmax(errors))]
    measured, predicted = float(line[label]), float(line[f"{label}_predicted"])
    return Worst(
        smiles=str(line["smiles"]),
        where=f"{line['dataset']}, row {line['row']}",
        label=label,
        measured=_measured(measured, task),
        predicted=_class_name(predicted, task)
        if task.loss in MULTICLASS_LOSSES
        else format_number(predicted),
        atom=int(line["atom"]) if task.level == "node" else None,
        bond=int(line["bond"]) if task.level == "edge" else None,
        pair=(int(line["begin"]), int(line["end"])) if task.level == "nodepair" else None,
    )


def _measured(value: float, task: TaskResult) -> str:
    if task.loss in MULTICLASS_LOSSES:
        return _class_name(value, task)
    return f"{value:.0f}" if task.loss == "bce" else format_number(value)


def _class_name(value: float, task: TaskResult) -> str:
    return task.class_names[int(value)] if task.class_names else f"class {int(value)}"
