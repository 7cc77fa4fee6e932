"""From a task's label names to columns of a store, checked numbers and a ``TaskSpec``."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

import numpy as np
from numpy.typing import NDArray

from graphium.config.data import DatasetConfig
from graphium.config.suggest import did_you_mean
from graphium.config.tasks import (
    DEFAULT_CE_SHARE,
    DEFAULT_THRESHOLD,
    TaskConfig,
    TaskSpec,
    class_words,
)
from graphium.errors import DataError, counted
from graphium.graphs.levels import PREDICTION_COLUMNS, level_sizes, level_words, place_columns
from graphium.labels.columns import ROWS_COUNT
from graphium.labels.header import shorten
from graphium.store.read import LabelColumn, LabelTable, Store


@dataclass(frozen=True, slots=True)
class Dataset:
    """One dataset of a mix with its open store."""

    name: str
    config: DatasetConfig
    store: Store
    source_row: NDArray[np.int64]
    """[S] row of the table of each molecule of the store."""

    def where(self, molecule: int) -> str:
        """Return words for the row of one molecule."""
        row = int(self.source_row[molecule])
        return f"dataset '{self.name}', {self.store.record.plan.row_words(row)}"


def build_spec(dataset: Dataset, name: str, task: TaskConfig) -> TaskSpec:
    """Resolve the label columns and classes of a task; label statistics come later.

    Raises:
        DataError: A column does not exist, is of another level, or is text without categories.
    """
    columns = _resolve(dataset, name, task)
    units = {column.unit for column in columns}
    class_names, num_classes = _classes(dataset, name, task, [column.name for column in columns])
    return TaskSpec(
        name=name,
        dataset=dataset.name,
        level=task.level,
        labels=[column.name for column in columns],
        loss=task.loss,
        num_classes=num_classes,
        ce_share=DEFAULT_CE_SHARE if task.ce_share is None else task.ce_share,
        bins=task.bins,
        class_names=class_names,
        metrics=task.reported_metrics,
        threshold=DEFAULT_THRESHOLD if task.threshold is None else task.threshold,
        threshold_for=task.threshold_for,
        weight=task.weight,
        unit=task.unit or (units.pop() if len(units) == 1 else None),
    )


def read_labels(dataset: Dataset, spec: TaskSpec) -> LabelTable:
    """Read the labels of a task; text becomes the position of its class.

    Raises:
        DataError: A label is not what the loss needs: 0/1 (bce) or 0..C-1 (ce, hybrid_ce).
    """
    pieces = list(checked_pieces(dataset, spec))
    rows, values = ([getattr(one, name) for one in pieces] for name in ("rows", "values"))
    return LabelTable(spec.level, np.concatenate(rows), np.concatenate(values))


def labelled_rows(dataset: Dataset, spec: TaskSpec) -> NDArray[np.int64]:
    """Return the molecules of a store that have a label of a task, increasing; check all labels.

    Raises:
        DataError: As ``read_labels``.
    """
    return np.concatenate([piece.rows for piece in checked_pieces(dataset, spec)])


def checked_pieces(dataset: Dataset, spec: TaskSpec) -> Iterator[LabelTable]:
    """Yield what ``label_pieces`` does, and look at all labels.

    Raises:
        DataError: After the last piece, as ``read_labels``.
    """
    wrong = _WrongClasses(dataset, spec)
    for piece in label_pieces(dataset, spec):
        if spec.is_class:
            wrong.look_at(piece)
        yield piece
    wrong.refuse()


def label_pieces(dataset: Dataset, spec: TaskSpec) -> Iterator[LabelTable]:
    """Yield the labels of a task, some molecules after others; text becomes the class's position.

    Raises:
        DataError: Text is none of the categories of its column.
    """
    for piece in _stored_pieces(dataset, spec):
        if spec.bins:
            yield replace(piece, values=cut_into_classes(piece.values, spec.bins))
        else:
            yield piece


def _stored_pieces(dataset: Dataset, spec: TaskSpec) -> Iterator[LabelTable]:
    categories = dataset.config.categories
    text = [label for label in spec.labels if label in categories]
    if not text:
        yield from dataset.store.label_pieces(spec.labels)
        return
    values = np.full((dataset.store.num_molecules, len(spec.labels)), np.nan, np.float32)
    numbers = [label for label in spec.labels if label not in categories]
    if numbers:
        found = dataset.store.labels(numbers)
        places = np.array([spec.labels.index(label) for label in numbers])
        values[found.rows[:, None], places] = found.values
    for label in text:
        values[:, spec.labels.index(label)] = _class_positions(dataset, label)
    rows = np.flatnonzero(~np.isnan(values).all(1))
    yield LabelTable("graph", rows, values[rows])


def cut_into_classes(values: NDArray[np.float32], bins: Sequence[float]) -> NDArray[np.float32]:
    """Return the class of each number: how many cut points are not above it; NaN stays NaN.

    Args:
        values: Of any shape.
        bins: Cut points, rising; they are taken as float32, as the values are.
    """
    classes = np.searchsorted(np.array(bins, np.float32), values, side="right")
    return np.where(np.isnan(values), values, classes.astype(np.float32))


def read_weights(dataset: Dataset) -> NDArray[np.float32]:
    """Return [S] sample weight of each molecule, 1 where the dataset has none.

    Raises:
        DataError: A weight is missing or negative.
    """
    column = dataset.config.weights
    weights = np.ones(dataset.store.num_molecules, np.float32)
    if column is None:
        return weights
    table = dataset.store.labels([column])
    weights[:] = np.nan
    weights[table.rows] = table.values[:, 0]
    wrong = np.flatnonzero(~(weights >= 0))
    if len(wrong):
        found = "missing" if np.isnan(weights[wrong[0]]) else f"{weights[wrong[0]]:g}"
        raise DataError(
            f"{dataset.where(int(wrong[0]))}: the sample weight in column '{column}' is {found}; "
            f"every row needs a weight of 0 or more ({counted(len(wrong), 'row')} without)"
        )
    return weights


def refuse_duplicates(
    dataset: Dataset, molecule: NDArray[np.int64], used: NDArray[np.bool_]
) -> None:
    """Make sure that no two rows are one molecule.

    Args:
        dataset: The dataset.
        molecule: [S] equal numbers for equal molecules.
        used: [S] rows that matter.

    Raises:
        DataError: Some are; the first of them are named.
    """
    rows = np.flatnonzero(used)
    rows = rows[np.argsort(molecule[rows], kind="stable")]
    same = molecule[rows][1:] == molecule[rows][:-1]
    if not same.any():
        return
    numbers = dataset.source_row
    pairs = sorted(
        (int(numbers[a]), int(numbers[b]))
        for a, b in zip(rows[:-1][same], rows[1:][same], strict=True)
    )
    first = ", ".join(f"{a} and {b}" for a, b in pairs[:5])
    raise DataError(
        f"dataset '{dataset.name}' has {len(pairs):,} rows that are the molecule of an earlier row "
        f"(rows {first}{', ...' if len(pairs) > 5 else ''}), and its option duplicates is error; "
        "remove them, or use duplicates: merge"
    )


def _resolve(dataset: Dataset, name: str, task: TaskConfig) -> list[LabelColumn]:
    """Return the columns that the task's names and wildcards stand for, each once, in order."""
    by_name = {column.name: column for column in dataset.store.columns}
    usable = [
        column.name
        for column in dataset.store.columns
        if column.level == task.level
        and (column.kind == "number" or column.name in dataset.config.categories)
        and column.name != dataset.config.weights
    ]
    found: dict[str, LabelColumn] = {}
    for label in task.labels:
        if label in by_name:
            found[label] = _checked(dataset, name, task, by_name[label])
            continue
        matches = [column for column in usable if fnmatchcase(column, label)]
        if not matches:
            raise DataError(f"task '{name}': {_why_absent(dataset, label, usable)}")
        found.update((column, by_name[column]) for column in matches)
    for column in found:
        if column in (*PREDICTION_COLUMNS, *place_columns(task.level)):
            raise DataError(
                f"task '{name}': label column '{column}' of dataset '{dataset.name}' has the name "
                "of a column that every file of predictions has; rename it in the table, or leave "
                "it out of the task's labels"
            )
    return list(found.values())


def passed_over(dataset: Dataset, name: str, task: TaskConfig) -> list[str]:
    """Return a warning for each column that a pattern of a task matches and that is not learned.

    One bad cell makes a column of numbers text, and a pattern does not say which columns it means.
    """
    plan = dataset.store.record.plan
    notes = {one.name: one.note for one in plan.columns if one.kind == "text"} | plan.skipped
    split = dataset.config.split
    known = {*dataset.config.categories, split.column if split.kind == "column" else None}
    return [
        f"task '{name}': column '{column}' of dataset '{dataset.name}' matches '{pattern}' and is "
        f"left out, because it is no column of numbers: {note}"
        for pattern in task.labels
        for column, note in notes.items()
        if column != pattern and column not in known and fnmatchcase(column, pattern)
    ]


def _why_absent(dataset: Dataset, label: str, usable: Sequence[str]) -> str:
    skipped = dataset.store.record.plan.skipped
    for column in (name for name in skipped if fnmatchcase(name, label) or name == label):
        return (
            f"column '{column}' of dataset '{dataset.name}' ({dataset.store.record.plan.source}) "
            f"cannot be used: {skipped[column]}. {ROWS_COUNT}. Mend its cells (an empty one means "
            "that the label is not known), or leave the column out of the task"
        )
    return (
        f"dataset '{dataset.name}' has no column '{label}'{did_you_mean(label, usable)}; "
        f"columns that the task can learn are {shorten(usable) or 'none'}"
    )


def _checked(dataset: Dataset, name: str, task: TaskConfig, column: LabelColumn) -> LabelColumn:
    if column.kind == "text" and column.name not in dataset.config.categories:
        raise DataError(
            f"task '{name}': column '{column.name}' of dataset '{dataset.name}' "
            f"({dataset.store.record.plan.source}) holds text, not numbers; "
            f"{dataset.store.note(column.name)}. {ROWS_COUNT}. Mend such cells (an empty one means "
            "that the label is not known); if the strings are classes, list them under "
            f"datasets.{dataset.name}.categories.{column.name}"
        )
    if column.level != task.level:
        raise DataError(
            f"task '{name}': column '{column.name}' of dataset '{dataset.name}' describes "
            f"{level_words(column.level)} (level {column.level}), the task "
            f"{level_words(task.level)} (level {task.level}); change the task's level or its labels"
        )
    return column


def _classes(
    dataset: Dataset, name: str, task: TaskConfig, labels: Sequence[str]
) -> tuple[list[str] | None, int | None]:
    """Return class names and number of classes of a task; None where they do not apply."""
    classes = [label for label in labels if label in dataset.config.categories]
    declared = [dataset.config.categories[label] for label in classes]
    if task.is_regression and classes:
        raise DataError(
            f"task '{name}': '{classes[0]}' has categories, which loss '{task.loss}' cannot learn; "
            "use loss ce (or bce for two classes)"
        )
    if task.bins and classes:
        raise DataError(
            f"task '{name}': '{classes[0]}' has categories, and bins cut numbers; remove either, "
            "or leave the label out of the task"
        )
    if not task.is_multiclass:
        return None, None
    if task.bins:
        return class_words(task.bins), len(task.bins) + 1
    num_classes = task.num_classes or max((len(names) for names in declared), default=0)
    if any(len(names) != num_classes for names in declared):
        sizes = ", ".join(str(len(names)) for names in declared)
        raise DataError(
            f"task '{name}' has {num_classes} classes, but the categories of its labels list "
            f"{sizes}; labels of one task need the same number, others a task of their own"
        )
    same = declared and len(declared) == len(labels) and all(x == declared[0] for x in declared)
    return (declared[0] if same else None), num_classes


def _class_positions(dataset: Dataset, column: str) -> NDArray[np.float32]:
    names = dataset.config.categories[column]
    position = {text: float(i) for i, text in enumerate(names)}
    out = np.full(dataset.store.num_molecules, np.nan, np.float32)
    for molecule, text in enumerate(dataset.store.text(column)):
        if text is None:
            continue
        if text not in position:
            raise DataError(
                f"{dataset.where(molecule)}: '{text}' in column '{column}' is none of its "
                f"categories{did_you_mean(text, names)}; they are {shorten(names)}"
            )
        out[molecule] = position[text]
    return out


class _WrongClasses:
    """Counts labels that are no class of a task."""

    def __init__(self, dataset: Dataset, spec: TaskSpec) -> None:
        self._dataset = dataset
        self._spec = spec
        self._num_classes = (spec.num_classes or 2) if spec.is_class else 0
        self._count = 0
        self._first = ""

    def look_at(self, table: LabelTable) -> None:
        """Count those of some molecules."""
        values = table.values
        # Written so that NaN, a missing label, is never wrong.
        wrong = (values < 0) | (values >= self._num_classes) | (np.floor(values) < values)
        if not wrong.any():
            return
        if not self._count:
            at, column = (int(index[0]) for index in np.nonzero(wrong))
            where = self._dataset.where(_owner(self._dataset, table, at))
            self._first = f"{where}: '{self._spec.labels[column]}' is {values[at, column]:g}"
        self._count += int(wrong.sum())

    def refuse(self) -> None:
        """Raise ``DataError`` if there are any."""
        if not self._count:
            return
        last = self._num_classes - 1
        wanted = "0 or 1" if last == 1 else f"whole numbers from 0 to {last}"
        raise DataError(
            f"task '{self._spec.name}': {self._first}, but labels of loss '{self._spec.loss}' must "
            f"be {wanted} ({self._count:,} are not)"
        )


def _owner(dataset: Dataset, table: LabelTable, value_row: int) -> int:
    """Return the molecule of the store that one row of ``table.values`` belongs to."""
    graphs = dataset.store.graphs()
    sizes = level_sizes(table.level, graphs.num_atoms[table.rows], graphs.num_bonds[table.rows])
    return int(table.rows[np.searchsorted(np.cumsum(sizes), value_row, side="right")])
