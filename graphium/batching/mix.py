"""Datasets trained together: distinct molecules, their labels by task, and who is held out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import (
    Dataset,
    build_spec,
    passed_over,
    read_labels,
    read_weights,
    refuse_duplicates,
)
from graphium.batching.division import Division, divide
from graphium.batching.duplicates import Contradictions
from graphium.batching.join import Join, JoinedLabels, join_labels, join_rows
from graphium.batching.pack import PackedGraphs, pack_block
from graphium.batching.report import MixReport
from graphium.batching.summary import summarize
from graphium.batching.task_data import TaskData
from graphium.config.data import Hydrogens, Part
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import DataError
from graphium.graphs.mol_block import offsets
from graphium.labels.splits import PARTS, UNUSED
from graphium.store.blocks import merge_blocks, select_molecules
from graphium.store.keys import load_keys
from graphium.store.planning import check_declared
from graphium.store.prepare import store_path
from graphium.store.read import LabelTable, open_store


@dataclass(frozen=True, slots=True)
class SourceRows:
    """The molecules of one dataset, and where they are in the mix."""

    row: NDArray[np.int64]
    """[S] row (0-based) of the table."""
    molecule: NDArray[np.int64]
    """[S] position in the mix; -1 where the row is not used."""


@dataclass(frozen=True, slots=True)
class Mix:
    """M distinct molecules of one or several datasets."""

    graphs: PackedGraphs
    """The molecules."""
    tasks: dict[str, TaskData]
    """Labels by task, in the order of the experiment."""
    part: NDArray[np.uint8]
    """[M] 0 train, 1 val, 2 test, 255 unused."""
    dataset: NDArray[np.int16]
    """[M] dataset (by its place in ``sources``) that the molecule's atoms are taken from."""
    source_row: NDArray[np.int64]
    """[M] row of that dataset's table."""
    sources: dict[str, SourceRows]
    """Every row with a molecule, by dataset."""
    report: MixReport
    """What was joined, moved, merged and left out."""
    contradictions: dict[str, Contradictions]
    """Labels whose merged rows contradict each other, by task."""
    read_smiles: Callable[[], list[str]]
    """Reads the M SMILES; use ``smiles``."""
    hydrogens: Hydrogens = "implicit"
    """Which hydrogens of the SMILES are atoms of the graphs."""

    @property
    def specs(self) -> list[TaskSpec]:
        """The tasks."""
        return [task.spec for task in self.tasks.values()]

    def molecules(self, part: Part) -> NDArray[np.int64]:
        """Return the positions of the molecules of one part, increasing."""
        return np.flatnonzero(self.part == PARTS.index(part))

    def smiles(self) -> list[str]:
        """Return the M SMILES, as their tables have them, in the atom order of the graphs."""
        return self.read_smiles()

    def splits(self) -> dict[str, dict[Part, list[int]]]:
        """Return the rows of each part for each dataset, as a ``file`` split reads them."""
        out: dict[str, dict[Part, list[int]]] = {}
        for name, source in self.sources.items():
            part = np.full(len(source.row), UNUSED, np.uint8)
            used = source.molecule >= 0
            part[used] = self.part[source.molecule[used]]
            out[name] = {p: source.row[part == i].tolist() for i, p in enumerate(PARTS)}
        return out


def open_mix(experiment: Experiment, root: Path, *, specs: Sequence[TaskSpec] | None = None) -> Mix:
    """Open the prepared stores of an experiment and join them into one mix.

    Args:
        experiment: Datasets, tasks and features.
        root: Folder of all stores, usually ``store.prepare.cache_root()``.
        specs: Tasks of a trained model, whose label statistics are kept instead of being computed;
            labels in train are then not required.

    Raises:
        StoreError: A store or the key index is absent or damaged.
        DataError: A column, a label, a weight or a split cannot be used as the experiment asks, a
            task has no label in train, or rows are one molecule where ``duplicates`` is error.
    """
    datasets = []
    for name, config in experiment.datasets.items():
        store = open_store(store_path(config, root))
        check_declared(name, config, store.record.plan)
        datasets.append(Dataset(name, config, store, store.source_rows()))
    keys = load_keys([dataset.store for dataset in datasets], root, experiment.keys)
    reads_3d = experiment.features.reads_conformers
    block = merge_blocks([dataset.store.graphs(positions=reads_3d) for dataset in datasets])
    starts = offsets(np.array([dataset.store.num_molecules for dataset in datasets]))

    resolved = _resolve_specs(experiment, datasets, specs)
    of_dataset = {dataset.name: i for i, dataset in enumerate(datasets)}
    tables = {s.name: read_labels(datasets[of_dataset[s.dataset]], s) for s in resolved}
    first_row = {s.name: int(starts[of_dataset[s.dataset]]) for s in resolved}

    division = divide(datasets, keys)
    has_label, has_atom_label = _labelled_rows(block.num_molecules, tables, first_row)
    used = has_label & (division.part != UNUSED)
    conflicting = division.conflicts(keys.molecule, used)
    for dataset, first, last in zip(datasets, starts[:-1], starts[1:], strict=True):
        if dataset.config.duplicates == "error":
            refuse_duplicates(dataset, keys.molecule[first:last], used[first:last])
    used &= ~conflicting
    join = join_rows(block, keys.molecule, used, has_atom_label)
    part = division.part[join.taken_from]
    joined = {
        spec.name: join_labels(
            join,
            spec,
            tables[spec.name],
            first_row=first_row[spec.name],
            weight=read_weights(datasets[of_dataset[spec.dataset]]),
            source_row=datasets[of_dataset[spec.dataset]].source_row,
            part=part,
            duplicates=experiment.datasets[spec.dataset].duplicates,
        )
        for spec in resolved
    }
    return _assemble(
        experiment, datasets, division, join, joined, conflicting, part, fitted=specs is not None
    )


def _resolve_specs(
    experiment: Experiment, datasets: Sequence[Dataset], given: Sequence[TaskSpec] | None
) -> list[TaskSpec]:
    by_name = {dataset.name: dataset for dataset in datasets}
    specs = [
        build_spec(by_name[task.dataset], name, task) for name, task in experiment.tasks.items()
    ]
    if given is None:
        return specs
    known = {spec.name: spec for spec in given}
    out = []
    for spec in specs:
        model = known.get(spec.name)
        if model is None or (model.level, model.labels, model.width) != (
            spec.level,
            spec.labels,
            spec.width,
        ):
            raise DataError(
                f"task '{spec.name}' of the experiment is not one that the model has learned: it "
                f"needs equal level, labels and classes; the model has {', '.join(known)}"
            )
        out.append(spec.model_copy(update={"mean": model.mean, "std": model.std}))
    return out


def _labelled_rows(
    num_rows: int, tables: Mapping[str, LabelTable], first_row: Mapping[str, int]
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of all rows have a label of any task, and which one of a part of it."""
    labelled, atom_labelled = np.zeros((2, num_rows), bool)
    for name, table in tables.items():
        labelled[first_row[name] + table.rows] = True
        if table.level != "graph":
            atom_labelled[first_row[name] + table.rows] = True
    return labelled, atom_labelled


def _assemble(
    experiment: Experiment,
    datasets: Sequence[Dataset],
    division: Division,
    join: Join,
    joined: Mapping[str, JoinedLabels],
    conflicting: NDArray[np.bool_],
    part: NDArray[np.uint8],
    *,
    fitted: bool,
) -> Mix:
    tasks = {name: labels.task for name, labels in joined.items()}
    if not fitted:
        for name, task in tasks.items():
            if experiment.tasks[name].is_normalized:
                tasks[name] = task.normalized(part)
    report = summarize(
        datasets,
        experiment.keys,
        division,
        join,
        joined,
        part,
        conflicting,
        need_training=not fitted,
    )
    by_name = {one.name: one for one in datasets}
    ignored = [
        warning
        for name, config in experiment.tasks.items()
        for warning in passed_over(by_name[config.dataset], name, config)
    ]
    report = report.model_copy(update={"warnings": [*report.warnings, *ignored]})
    starts = division.starts
    dataset = np.searchsorted(starts, join.taken_from, side="right") - 1
    rows = np.concatenate([one.source_row for one in datasets])

    def read_smiles() -> list[str]:
        smiles = [text for one in datasets for text in one.store.smiles()]
        return [smiles[row] for row in join.taken_from.tolist()]

    return Mix(
        graphs=pack_block(
            select_molecules(join.block, join.taken_from),
            experiment.features,
            with_encodings=experiment.features.encodings.compute == "ahead",
        ),
        tasks=tasks,
        part=part,
        dataset=dataset.astype(np.int16),
        source_row=rows[join.taken_from],
        sources={
            one.name: SourceRows(one.source_row, join.molecule[starts[i] : starts[i + 1]])
            for i, one in enumerate(datasets)
        },
        report=report,
        contradictions={name: labels.contradictions for name, labels in joined.items()},
        read_smiles=read_smiles,
        hydrogens=experiment.hydrogens,
    )
