"""Datasets trained together: distinct molecules, their labels by task, and who is held out."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from graphium.batching.columns import (
    Dataset,
    build_spec,
    label_pieces,
    labelled_rows,
    passed_over,
    read_weights,
    refuse_duplicates,
)
from graphium.batching.device_memory import require_gpu
from graphium.batching.division import Division, divide
from graphium.batching.join import Join, JoinedLabels, join_labels, join_rows
from graphium.batching.kept import (
    is_worth_keeping,
    keep,
    keep_if_possible,
    kept_path,
    read_kept,
)
from graphium.batching.mix_data import Mix, SourceRows, smiles_reader
from graphium.batching.pack import pack_block
from graphium.batching.stored_encodings import KeptEncodings, encode_mix, look_up
from graphium.batching.summary import summarize
from graphium.batching.thinning import is_kept
from graphium.batching.turns import turn
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import DataError, StoreError
from graphium.graphs.mol_block import offsets
from graphium.labels.splits import UNUSED
from graphium.store.blocks import merge_blocks, select_molecules
from graphium.store.keys import load_keys
from graphium.store.planning import check_declared
from graphium.store.prepare import store_path
from graphium.store.read import open_store

_ATTEMPTS = 3
"""To map a mix that is written."""


def open_mix(
    experiment: Experiment,
    root: Path,
    *,
    specs: Sequence[TaskSpec] | None = None,
    to: Literal["ram", "mmap", "cuda"] = "ram",
) -> Mix:
    """Open the prepared stores of an experiment and join them into one mix.

    A large mix is kept on disk (``kept.py``) and opens in a moment the next time.

    Args:
        experiment: Datasets, tasks and features.
        root: Folder of all stores, usually ``store.prepare.cache_root()``.
        specs: Tasks of a trained model, whose label statistics are kept instead of being computed;
            labels in train are then not required.
        to: Where the arrays are: in the memory of this process, or in a file that all processes of
            a machine map (``mmap``); batches are the same. Those of ``cuda`` are mapped too, to be
            copied to a GPU (``device.py``).

    Raises:
        UsageError: A GPU should hold the arrays, and there is none.
        StoreError: A store or the key index is absent or damaged, or the file to map cannot be
            written.
        DataError: A column, a label, a weight or a split cannot be used as the experiment asks, a
            task has no label in train, or rows are one molecule where ``duplicates`` is error.
    """
    if to == "cuda":
        require_gpu()
    datasets = open_datasets(experiment, root)
    kept = look_up({one.name: one.store for one in datasets}, experiment.features)
    folder = kept_path(root, experiment, datasets, specs, kept)
    mix = read_kept(folder, datasets, mapped=to != "ram")
    if mix is not None:
        return mix
    if to != "ram":
        # One process of a machine joins and writes; the others wait and map.
        with turn(folder.with_suffix(".lock"), f"joins the stores and writes {folder}"):
            mix = read_kept(folder, datasets, mapped=True)
            if mix is not None:
                return mix
            return _map(folder, _join(experiment, datasets, root, specs, kept), datasets)
    joined = _join(experiment, datasets, root, specs, kept)
    if is_worth_keeping(joined):
        keep_if_possible(folder, joined)
    return joined


def open_datasets(experiment: Experiment, root: Path) -> list[Dataset]:
    """Open the prepared stores of an experiment.

    Raises:
        StoreError: A store is absent, not finished or damaged.
        DataError: A store is not what the experiment declares.
    """
    datasets = []
    for name, config in experiment.datasets.items():
        store = open_store(store_path(config, root))
        check_declared(name, config, store.record.plan)
        datasets.append(Dataset(name, config, store, store.source_rows()))
    return datasets


def _map(folder: Path, joined: Mix, datasets: Sequence[Dataset]) -> Mix:
    """Write a mix and map what was written, also where others make room or mend meanwhile."""
    for _ in range(_ATTEMPTS):
        keep(folder, joined)
        mix = read_kept(folder, datasets, mapped=True)
        if mix is not None:
            return mix
    raise StoreError(f"{folder} was removed or damaged {_ATTEMPTS} times as soon as it was written")


def _join(
    experiment: Experiment,
    datasets: Sequence[Dataset],
    root: Path,
    specs: Sequence[TaskSpec] | None,
    kept: Sequence[KeptEncodings],
) -> Mix:
    """Read the stores and join them."""
    keys = load_keys([dataset.store for dataset in datasets], root, experiment.keys)
    reads_3d = experiment.features.reads_conformers
    block = merge_blocks(
        [dataset.store.graphs(positions=reads_3d, hashes=False) for dataset in datasets]
    )
    starts = offsets(np.array([dataset.store.num_molecules for dataset in datasets]))

    resolved = _resolve_specs(experiment, datasets, specs)
    of_dataset = {dataset.name: i for i, dataset in enumerate(datasets)}
    dataset_of = {spec.name: of_dataset[spec.dataset] for spec in resolved}
    rows = {s.name: labelled_rows(datasets[dataset_of[s.name]], s) for s in resolved}
    first_row = {name: int(starts[number]) for name, number in dataset_of.items()}

    division = divide(datasets, keys)
    thinned = {}
    for name, first in first_row.items():
        share, whole = experiment.tasks[name].label_fraction, rows[name]
        rows[name] = whole[is_kept(whole, share, keys.group_hash, division.part, first)]
        thinned[name] = len(whole) - len(rows[name])
    has_label, has_atom_label = _labelled_rows(block.num_molecules, resolved, rows, first_row)
    used = has_label & (division.part != UNUSED)
    conflicting = division.conflicts(keys.molecule, used)
    for dataset, first, last in zip(datasets, starts[:-1], starts[1:], strict=True):
        if dataset.config.duplicates == "error":
            refuse_duplicates(dataset, keys.molecule[first:last], used[first:last])
    used &= ~conflicting
    join = join_rows(block, keys.molecule, used, has_atom_label)
    part = division.part[join.taken_from]
    joined = {}
    for spec in resolved:
        dataset = datasets[dataset_of[spec.name]]
        joined[spec.name] = join_labels(
            join,
            spec,
            rows[spec.name],
            label_pieces(dataset, spec),
            first_row=first_row[spec.name],
            weight=read_weights(dataset),
            source_row=dataset.source_row,
            part=part,
            duplicates=dataset.config.duplicates,
        )
    return _assemble(
        experiment,
        datasets,
        division,
        join,
        joined,
        thinned,
        conflicting,
        part,
        kept,
        fitted=specs is not None,
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
    num_rows: int,
    specs: Sequence[TaskSpec],
    rows: Mapping[str, NDArray[np.int64]],
    first_row: Mapping[str, int],
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of all rows have a label of any task, and which one of a part of it."""
    labelled, atom_labelled = np.zeros((2, num_rows), bool)
    for spec in specs:
        labelled[first_row[spec.name] + rows[spec.name]] = True
        if spec.level != "graph":
            atom_labelled[first_row[spec.name] + rows[spec.name]] = True
    return labelled, atom_labelled


def _assemble(
    experiment: Experiment,
    datasets: Sequence[Dataset],
    division: Division,
    join: Join,
    joined: Mapping[str, JoinedLabels],
    thinned: Mapping[str, int],
    conflicting: NDArray[np.bool_],
    part: NDArray[np.uint8],
    kept: Sequence[KeptEncodings],
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
        thinned,
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
    is_ahead = experiment.features.encodings.compute == "ahead"
    block = select_molecules(join.block, join.taken_from)
    encoded = encode_mix(kept, join, block, experiment.features) if is_ahead else None
    report = report.model_copy(
        update={
            "warnings": [*report.warnings, *ignored],
            "encodings": [line for one in kept for line in one.lines()],
        }
    )
    starts = division.starts
    dataset = (np.searchsorted(starts, join.taken_from, side="right") - 1).astype(np.int16)
    source_row = np.concatenate([one.source_row for one in datasets])[join.taken_from]
    return Mix(
        graphs=pack_block(
            block,
            experiment.features,
            with_encodings=is_ahead,
            encoded=encoded,
        ),
        tasks=tasks,
        part=part,
        dataset=dataset,
        source_row=source_row,
        sources={
            one.name: SourceRows(one.source_row, join.molecule[starts[i] : starts[i + 1]])
            for i, one in enumerate(datasets)
        },
        report=report,
        contradictions={name: labels.contradictions for name, labels in joined.items()},
        read_smiles=smiles_reader(datasets, dataset, source_row),
        hydrogens=experiment.hydrogens,
    )
