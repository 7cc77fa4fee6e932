"""What became of the molecules and labels of a mix: for the terminal, the run's page and tests."""

from pydantic import Field

from graphium.config.base import Section
from graphium.config.data import Part
from graphium.config.keys import KeysConfig
from graphium.errors import counted
from graphium.labels.splits import PARTS as PARTS

_SHOWN_LEAKS = 12
"""Pairs of datasets in the line about leaks."""


class Move(Section):
    """Molecules of one dataset that stand in another part than its own split says."""

    dataset: str
    """The dataset."""
    origin: Part
    """Where its split put them..."""
    target: Part
    """...and where they are, because a copy of the molecule is held out there."""
    count: int
    """Rows of the dataset."""

    def __str__(self) -> str:
        return (
            f"{counted(self.count, 'row')} of {self.dataset} went from {self.origin} to "
            f"{self.target}, where a copy of the molecule is held out"
        )


class Leak(Section):
    """Molecules that one dataset holds out while another, or the same, trains on equal ones."""

    dataset: str
    """Who holds them out..."""
    part: Part
    """...in val or test."""
    source: str
    """Whose train has molecules of the same split groups."""
    count: int
    """Distinct molecules."""


class DatasetReport(Section):
    """One table."""

    rows: int
    """Rows of the table."""
    rejected: int
    """Rows left out: no usable molecule, or a list of labels that does not fit it."""
    unassigned: int
    """Molecules that the split puts in no part; they are not used."""
    unlabelled: int
    """Molecules of a part without a label of any task; they are not used."""
    conflicting: int = 0
    """Rows that are not used because the same split holds out another row of their molecule."""
    parts: dict[Part, int]
    """Rows that are used in each part."""
    split: str = ""
    """Which files of its folder divide it, where the split is that of a folder."""
    rejects: str = ""
    """File that lists these rows with the reason of each, below the folder of stores (a run's files
    name no place of the machine); empty when there are none."""


class TaskReport(Section):
    """One task."""

    molecules: dict[Part, int]
    """Molecules with at least one known label."""
    labels: dict[Part, dict[str, int]]
    """Known labels of each column."""
    thinned: int = 0
    """Rows of train whose labels are not used because ``label_fraction`` asks for fewer."""
    merged: int = 0
    """Rows whose labels were merged into an earlier row of the same molecule."""
    ties: int = 0
    """Class labels that became missing because merged rows disagreed evenly."""
    contradicting: int = 0
    """Molecules whose merged rows have labels that contradict each other."""
    examples: list[str] = Field(default_factory=list)
    """The first of these, in words."""
    unaligned: int = 0
    """Rows whose labels of atoms, bonds or pairs could not be matched with the molecule's atoms;
    not used."""


class MixReport(Section):
    """The whole mix."""

    molecules: dict[Part, int]
    """Distinct molecules with at least one label; where ``unmerged`` is a number, rows."""
    unmerged: int | None = None
    """Rows that are the molecule of another row and visited all the same, because the mix is
    streamed; None where such rows are merged."""
    keys: KeysConfig = KeysConfig()
    """Which rows are one molecule, and which molecules stand in one part."""
    datasets: dict[str, DatasetReport]
    """By dataset."""
    shared: dict[str, int] = Field(default_factory=dict)
    """Distinct molecules that several datasets have, by their names (``a + b``)."""
    moved: list[Move] = Field(default_factory=list)
    """What reconciling the splits changed."""
    leaks: list[Leak] = Field(default_factory=list)
    """What would be known of held-out molecules if the splits were not reconciled."""
    leaks_left: list[Leak] = Field(default_factory=list)
    """The same, counted again in the parts as they are; nothing, or a warning says so."""
    tasks: dict[str, TaskReport]
    """By task."""
    encodings: list[str] = Field(default_factory=list)
    """Positional encodings that a store keeps: which are read, and which computed all the same."""
    warnings: list[str] = Field(default_factory=list)
    """What a reader should know before believing a number."""

    def labels_per_molecule(self, part: Part) -> float:
        """Return the mean number of known labels of a molecule of one part."""
        labels = sum(sum(task.labels[part].values()) for task in self.tasks.values())
        return labels / max(self.molecules[part], 1)

    def lines(self) -> list[str]:
        """Return the report as short lines of text."""
        lines = [_dataset_line(name, dataset) for name, dataset in self.datasets.items()]
        lines.append(
            f"mix: {_counts(self.molecules)} {self._what} (by {self.keys.join}; parts never "
            f"divide those of one {self.keys.split})"
        )
        lines += [
            f"  {counted(count, 'molecule')} {'is' if count == 1 else 'are'} in {names}"
            for names, count in self.shared.items()
        ]
        lines += [f"  {move}" for move in self.moved]
        lines.append(f"  {self._leak_line()}")
        for name, task in self.tasks.items():
            lines += _task_lines(name, task)
        lines += [f"encodings: {line}" for line in self.encodings]
        return lines + [f"warning: {warning}" for warning in self.warnings]

    @property
    def _what(self) -> str:
        if self.unmerged is None:
            return "distinct molecules"
        return (
            f"rows, streamed, each visited by itself: {self.unmerged:,} are the molecule of "
            "another and not merged with it"
        )

    def _leak_line(self) -> str:
        left = sum(leak.count for leak in self.leaks_left)
        if not self.leaks and not left:
            return f"leaks by {self.keys.split}: none, with the splits as the tables have them"
        most = sorted(self.leaks, key=lambda leak: -leak.count)
        found = "; ".join(map(_leak_words, most[:_SHOWN_LEAKS]))
        if len(most) > _SHOWN_LEAKS:
            found += f"; and {len(most) - _SHOWN_LEAKS} more pairs of datasets"
        return (
            f"leaks by {self.keys.split}, were each split taken as it is: {found or 'none'}; "
            f"counted again after reconciling: {left:,}"
        )


def _leak_words(leak: Leak) -> str:
    pair = f"{leak.dataset} {leak.part} <- {leak.source} train"
    return f"{pair}: {counted(leak.count, 'molecule')}"


def _have(number: int) -> str:
    return "has" if number == 1 else "have"


def _counts(parts: dict[Part, int]) -> str:
    return ", ".join(f"{parts[part]:,} {part}" for part in PARTS)


def _dataset_line(name: str, dataset: DatasetReport) -> str:
    line = f"dataset {name}: {counted(dataset.rows, 'row')}: {_counts(dataset.parts)}"
    if dataset.rejected:
        line += f", {dataset.rejected:,} that cannot be used"
        line += (
            f" (with reasons in stores/{dataset.rejects} of the cache)" if dataset.rejects else ""
        )
    if dataset.unassigned:
        line += f", {dataset.unassigned:,} in no part"
    if dataset.unlabelled:
        line += f", {dataset.unlabelled:,} without a label"
    if dataset.conflicting:
        line += f", {dataset.conflicting:,} left out: the split holds out a copy of their molecule"
    return f"{line}; divided by its folder ({dataset.split})" if dataset.split else line


def _task_lines(name: str, task: TaskReport) -> list[str]:
    known = {part: sum(task.labels[part].values()) for part in PARTS}
    lines = [f"task {name}: {_counts(known)} labels"]
    if task.thinned:
        lines.append(
            f"  labels of {counted(task.thinned, 'training row')} are not used (label_fraction): "
            "they count as missing"
        )
    if task.merged:
        lines.append(
            f"  {counted(task.merged, 'row')} merged into earlier rows of the same molecule"
        )
    if task.contradicting:
        lines.append(
            f"  {counted(task.contradicting, 'molecule')} {_have(task.contradicting)} merged rows "
            f"whose labels contradict each other, such as {'; '.join(task.examples)} (all are in "
            "the run's duplicates.csv)"
        )
    if task.ties:
        lines.append(
            f"  {counted(task.ties, 'class label')} became missing: merged rows disagree evenly"
        )
    if task.unaligned:
        lines.append(
            f"  {counted(task.unaligned, 'row')} left out: their atoms could not be matched with "
            "those of an equal molecule"
        )
    return lines
