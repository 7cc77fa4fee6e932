"""Builds the report of a mix."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import Dataset
from graphium.batching.coverage import describe_tasks
from graphium.batching.division import Division
from graphium.batching.join import Join, JoinedLabels
from graphium.batching.leaks import find_leaks
from graphium.batching.report import DatasetReport, MixReport, Move
from graphium.config.data import Part, RandomSplitConfig, ScaffoldSplitConfig
from graphium.config.keys import KeysConfig
from graphium.labels.folders import describe_split, open_folder
from graphium.labels.splits import PARTS, UNUSED
from graphium.store.layout import REJECTS


def summarize(
    datasets: Sequence[Dataset],
    keys: KeysConfig,
    division: Division,
    join: Join,
    joined: Mapping[str, JoinedLabels],
    thinned: Mapping[str, int],
    part: NDArray[np.uint8],
    conflicting: NDArray[np.bool_],
    *,
    need_training: bool,
) -> MixReport:
    """Count what happened on the way from tables to a mix.

    Args:
        datasets: The datasets.
        keys: Kinds of join key and split key.
        division: Parts of all rows.
        join: Which rows are which molecules.
        joined: The labels of each task.
        thinned: Rows of each task whose labels were left out before.
        part: [M] part of each molecule.
        conflicting: [T] rows left out because another row of their molecule is held out.
        need_training: Refuse a task that has no label in train.

    Raises:
        DataError: ``need_training``, and a task has no label in train.
    """
    moved = list_moves(datasets, division, conflicting)
    tasks, warnings = describe_tasks(
        {name: labels.task for name, labels in joined.items()},
        part,
        need_training=need_training,
        moved=moves_from_train(moved),
    )
    names = [dataset.name for dataset in datasets]
    is_used = join.molecule >= 0
    left = find_leaks(names, division, division.part, is_used)
    molecules = count_parts(part)
    used = np.where(is_used, division.part, np.uint8(UNUSED))
    empty = [p for p in PARTS if not molecules[p]]
    return MixReport(
        molecules=molecules,
        keys=keys,
        datasets={
            one.name: describe_rows(one, division, used, conflicting, i)
            for i, one in enumerate(datasets)
        },
        shared=_count_shared(datasets, division, join),
        moved=moved,
        leaks=find_leaks(names, division, division.own, is_used | conflicting),
        leaks_left=left,
        tasks={
            name: report.model_copy(
                update={
                    "thinned": thinned[name],
                    "merged": joined[name].merged,
                    "ties": joined[name].ties,
                    "unaligned": joined[name].unaligned,
                    "contradicting": joined[name].contradictions.num_molecules,
                    "examples": _first_contradictions(joined[name]),
                }
            )
            for name, report in tasks.items()
        },
        warnings=[
            *(f"{p} has no molecules" for p in empty),
            *(f"{one.count} molecules that train knows are in {one.part}" for one in left),
            *(line for i, one in enumerate(datasets) for line in unlisted(one, division, i)),
            *(line for i, one in enumerate(datasets) for line in far_from_asked(one, division, i)),
            *warnings,
        ],
    )


def _first_contradictions(joined: JoinedLabels, count: int = 3) -> list[str]:
    """Return the first contradiction of the first few molecules, in words."""
    found, labels = joined.contradictions, joined.task.spec.labels
    _, first = np.unique(found.molecule, return_index=True)
    out = []
    for at in first[:count].tolist():
        copies = slice(found.offset[at], found.offset[at + 1])
        rows = ", ".join(map(str, found.row[copies].tolist()[:5]))
        values = ", ".join(f"{value:g}" for value in found.value[copies].tolist()[:5])
        out.append(f"rows {rows}: {labels[found.column[at]]} is {values}")
    return out


def far_from_asked(dataset: Dataset, division: Division, index: int) -> list[str]:
    """Return a warning for each part whose share is far from what the split was asked for.

    Groups are never divided, so a small table with few scaffolds may be dealt very unevenly.
    """
    split = dataset.config.split
    if not isinstance(split, RandomSplitConfig | ScaffoldSplitConfig):
        return []
    own = division.own[division.starts[index] : division.starts[index + 1]]
    return [
        f"dataset '{dataset.name}': {name} has {share:.0%} of the molecules, {asked:.0%} was "
        f"asked: groups of the {split.kind} split are never divided"
        for i, (name, asked) in enumerate(zip(PARTS, split.fractions, strict=True))
        if len(own) and abs((share := float((own == i).mean())) - asked) > asked / 2
    ]


def list_moves(
    datasets: Sequence[Dataset], division: Division, conflicting: NDArray[np.bool_]
) -> list[Move]:
    """Return what reconciling the splits changed.

    Args:
        datasets: The datasets.
        division: Parts of all rows.
        conflicting: [T] rows that are not used in any case.
    """
    return [
        Move(dataset=one.name, origin=PARTS[a], target=PARTS[b], count=count)
        for i, one in enumerate(datasets)
        for (a, b), count in division.moves(i, conflicting).items()
    ]


def moves_from_train(moved: Sequence[Move]) -> dict[str, str]:
    """Return words for the rows of each dataset that went from train to another part."""
    words: dict[str, list[str]] = {}
    for move in moved:
        if move.origin == "train":
            words.setdefault(move.dataset, []).append(str(move))
    return {dataset: "; ".join(lines) for dataset, lines in words.items()}


def unlisted(dataset: Dataset, division: Division, index: int) -> list[str]:
    """Return a warning where a file lists fewer rows than the table has, and nobody asked for it.

    It may be the split of another table.
    """
    split = dataset.config.split
    own = division.own[division.starts[index] : division.starts[index + 1]]
    count = int((own == UNUSED).sum())
    if split.kind != "file" or not count or "unused" in split.lists.values():
        return []
    name, listed = Path(split.file).name, len(own) - count
    return [
        f"dataset '{dataset.name}': {name} lists {listed:,} of its {len(own):,} molecules; the "
        "others are in no part. Is it the split of this table?"
    ]


def count_parts(part: NDArray[np.uint8]) -> dict[Part, int]:
    """Return how many molecules stand in each part."""
    return {p: int((part == i).sum()) for i, p in enumerate(PARTS)}


def describe_rows(
    dataset: Dataset,
    division: Division,
    used: NDArray[np.uint8],
    conflicting: NDArray[np.bool_],
    index: int,
) -> DatasetReport:
    """Count the rows of one dataset.

    Args:
        dataset: The dataset.
        division: Parts of all rows.
        used: [T] part of each row that is used; 255 of others.
        conflicting: [T] rows left out because another row of their molecule is held out.
        index: Its place among the datasets.
    """
    rows = slice(division.starts[index], division.starts[index + 1])
    part, is_left = division.part[rows], used[rows] == UNUSED
    rejected = dataset.store.num_rows - dataset.store.num_molecules
    return DatasetReport(
        rows=dataset.store.num_rows,
        rejected=rejected,
        unassigned=int((part == UNUSED).sum()),
        unlabelled=int(((part != UNUSED) & is_left & ~conflicting[rows]).sum()),
        conflicting=int(conflicting[rows].sum()),
        parts=count_parts(used[rows]),
        split=_words_of_split(dataset),
        rejects=f"{dataset.store.path.name}/{REJECTS}" if rejected else "",
    )


def _words_of_split(dataset: Dataset) -> str:
    split = dataset.config.split
    if split.kind != "folder":
        return ""
    return describe_split(open_folder(Path(dataset.config.shown_table)), split)


def _count_shared(datasets: Sequence[Dataset], division: Division, join: Join) -> dict[str, int]:
    """Count the molecules of each combination of two or more datasets."""
    has = np.zeros((len(join.taken_from), len(datasets)), bool)
    for i in range(len(datasets)):
        molecule = join.molecule[division.starts[i] : division.starts[i + 1]]
        has[molecule[molecule >= 0], i] = True
    combinations, counts = np.unique(has[has.sum(1) > 1], axis=0, return_counts=True)
    names = [dataset.name for dataset in datasets]
    return {
        " + ".join(name for name, here in zip(names, row, strict=True) if here): count
        for row, count in zip(combinations.tolist(), counts.tolist(), strict=True)
    }
