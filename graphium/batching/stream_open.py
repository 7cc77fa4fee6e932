"""Opens prepared stores for streaming: who is held out, and one look at the labels."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import Dataset, build_spec, passed_over, refuse_duplicates
from graphium.batching.coverage import describe_counts
from graphium.batching.division import Division, divide
from graphium.batching.leaks import find_leaks
from graphium.batching.mix import open_datasets
from graphium.batching.report import MixReport
from graphium.batching.stored_encodings import look_up
from graphium.batching.stream_labels import RowLabels, look_at_labels
from graphium.batching.stream_mix import StreamedMix
from graphium.batching.stream_rows import StreamRows
from graphium.batching.stream_segments import StreamSource
from graphium.batching.summary import (
    count_parts,
    describe_rows,
    far_from_asked,
    list_moves,
    moves_from_train,
    unlisted,
)
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_block import offsets
from graphium.labels.splits import PARTS, UNUSED
from graphium.store.keys import load_keys


def open_stream(experiment: Experiment, root: Path) -> StreamedMix:
    """Open the prepared stores of an experiment, and leave graphs and labels on disk.

    Splits are reconciled over all datasets as for a mix that is held: no molecule trains one task
    and tests another. Where one table's own split holds out another row of the same molecule, a row
    is left out.

    Args:
        experiment: Datasets, tasks and features.
        root: Folder of all stores.

    Raises:
        StoreError: A store or the key index is absent or damaged.
        DataError: A column, a label, a weight or a split cannot be used as the experiment asks, a
            task has no label in train, or rows are one molecule where ``duplicates`` is error.
    """
    datasets = open_datasets(experiment, root)
    kept = look_up({one.name: one.store for one in datasets}, experiment.features)
    for one in kept:
        for encoding in one.encodings.values():
            encoding.check()
    keys = load_keys([one.store for one in datasets], root, experiment.keys)
    division = divide(datasets, keys)
    conflicting = _conflicts(division, keys.molecule)
    part = np.where(conflicting, np.uint8(UNUSED), division.part)
    by_name = {one.name: one for one in datasets}
    specs = [build_spec(by_name[t.dataset], name, t) for name, t in experiment.tasks.items()]
    first_segment = offsets(np.array([len(one.store.record.segments) for one in datasets]))
    sources = []
    for number, dataset in enumerate(datasets):
        own = slice(division.starts[number], division.starts[number + 1])
        tasks = [spec for spec in specs if spec.dataset == dataset.name]
        labels = look_at_labels(dataset, tasks, experiment.tasks, keys.group_hash[own], part[own])
        part[own][~labels.has_any(dataset.store.num_molecules)] = UNUSED
        if dataset.config.duplicates == "error":
            refuse_duplicates(dataset, keys.molecule[own], part[own] != UNUSED)
        sources.append(
            StreamSource(
                dataset=replace(dataset, source_row=np.zeros(0, np.int64)),
                first_row=int(division.starts[number]),
                first_segment=int(first_segment[number]),
                specs=[
                    _normalized(spec, labels) if experiment.tasks[spec.name].is_normalized else spec
                    for spec in tasks
                ],
                labels=labels,
                kept=kept[number],
            )
        )
    report = _report(experiment, datasets, division, sources, conflicting, part)
    copies, shared = _count_copies(division, keys.molecule, part, list(by_name))
    resolved = {spec.name: spec for source in sources for spec in source.specs}
    return StreamedMix(
        rows=StreamRows(first_segment, _segment_starts(datasets), part),
        sources=tuple(sources),
        specs=[resolved[name] for name in experiment.tasks],
        features=experiment.features,
        report=report.model_copy(
            update={
                "unmerged": copies,
                "shared": shared,
                "encodings": [line for one in kept for line in one.lines()],
            }
        ),
    )


def _normalized(spec: TaskSpec, labels: RowLabels) -> TaskSpec:
    mean, std = labels.moments[spec.name].statistics()
    return spec.model_copy(update={"mean": mean, "std": std})


def _segment_starts(datasets: Sequence[Dataset]) -> NDArray[np.int64]:
    sizes = [one.molecules for dataset in datasets for one in dataset.store.record.segments]
    return offsets(np.array(sizes))


def _conflicts(division: Division, molecule: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return [T] rows to leave out: only molecules of which rows were moved can have any."""
    used = division.part != UNUSED
    moved = used & (division.own < division.part)
    if not moved.any():
        return np.zeros(len(used), bool)
    of_moved = np.zeros(int(molecule.max()) + 1, bool)
    of_moved[molecule[moved]] = True
    return division.conflicts(molecule, used & of_moved[molecule])


def _count_copies(
    division: Division, molecule: NDArray[np.int64], part: NDArray[np.uint8], names: Sequence[str]
) -> tuple[int, dict[str, int]]:
    """Count rows of a molecule that an earlier row is, and molecules of several datasets."""
    where = np.zeros(int(molecule.max(initial=-1)) + 1, np.int64)  # a bit for each dataset
    for number in range(len(names)):
        own = slice(division.starts[number], division.starts[number + 1])
        found = molecule[own][part[own] != UNUSED]
        where[found] |= 1 << number
    combinations, counts = np.unique(where[where > 0], return_counts=True)
    shared = {
        " + ".join(name for number, name in enumerate(names) if bits >> number & 1): count
        for bits, count in zip(combinations.tolist(), counts.tolist(), strict=True)
        if bits & (bits - 1)
    }
    return int((part != UNUSED).sum() - (where > 0).sum()), shared


def _report(
    experiment: Experiment,
    datasets: Sequence[Dataset],
    division: Division,
    sources: Sequence[StreamSource],
    conflicting: NDArray[np.bool_],
    part: NDArray[np.uint8],
) -> MixReport:
    molecules = count_parts(part)
    counts = {name: found for one in sources for name, found in one.labels.counts.items()}
    moved = list_moves(datasets, division, conflicting)
    tasks, warnings = describe_counts(
        {name: counts[name] for name in experiment.tasks},
        {p: count > 0 for p, count in molecules.items()},
        moved=moves_from_train(moved),
    )
    thinned = {name: count for one in sources for name, count in one.labels.thinned.items()}
    by_name = {one.name: one for one in datasets}
    ignored = [
        line
        for name, config in experiment.tasks.items()
        for line in passed_over(by_name[config.dataset], name, config)
    ]
    names, is_used = list(by_name), part != UNUSED
    left = find_leaks(names, division, part, is_used)
    return MixReport(
        molecules=molecules,
        keys=experiment.keys,
        datasets={
            one.name: describe_rows(one, division, part, conflicting, i)
            for i, one in enumerate(datasets)
        },
        moved=moved,
        leaks=find_leaks(names, division, division.own, is_used | conflicting),
        leaks_left=left,
        tasks={
            name: report.model_copy(update={"thinned": thinned[name]})
            for name, report in tasks.items()
        },
        warnings=[
            *(f"{p} has no molecules" for p in PARTS if not molecules[p]),
            *(f"{one.count} molecules that train knows are in {one.part}" for one in left),
            *(line for i, one in enumerate(datasets) for line in unlisted(one, division, i)),
            *(line for i, one in enumerate(datasets) for line in far_from_asked(one, division, i)),
            *warnings,
            *ignored,
        ],
    )
