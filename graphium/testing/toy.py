"""A small mix of real molecules, made in milliseconds without files: for tests and first trials.

It has what makes life hard for a network: a single atom, salts, charges, labels at every level,
missing labels, sample weights, and a task that only a few molecules know.
"""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.batching.compact import compact
from graphium.batching.coverage import describe_tasks
from graphium.batching.mix_data import Mix, SourceRows
from graphium.batching.pack import pack_block
from graphium.batching.report import DatasetReport, MixReport
from graphium.batching.task_data import TaskData
from graphium.config.experiment import Experiment
from graphium.config.tasks import DEFAULT_THRESHOLD, TaskSpec
from graphium.graphs.levels import level_sizes
from graphium.graphs.mol_block import MolBlock, offsets, ragged_index
from graphium.graphs.properties import ATOM_PROPERTIES
from graphium.labels.seeded_hash import seeded_hash
from graphium.labels.splits import PARTS
from graphium.molecules.featurize import featurize_chunk

TOY_SMILES = (
    "C", "O", "CCO", "CC(=O)O", "CC(C)C", "C1CCCCC1", "c1ccccc1", "Cc1ccccc1", "Oc1ccccc1",
    "Nc1ccccc1", "c1ccncc1", "c1ccc2ccccc2c1", "CC(=O)Nc1ccc(O)cc1", "CC(=O)Oc1ccccc1C(=O)O",
    "Cn1cnc2c1c(=O)n(C)c(=O)n2C", "CC(C)Cc1ccc(cc1)[C@@H](C)C(=O)O", "C[C@H](N)C(=O)O",
    "NCC(=O)O", "[NH3+]CC(=O)[O-]", "CC(=O)[O-].[Na+]", "C[N+](C)(C)C.[Cl-]", "CCCCCCCC", "C=CC=C",
    "C#N", "CS(C)=O", "ClC(Cl)Cl", "FC(F)(F)c1ccccc1", "Brc1ccccc1", "CCOC(=O)C", "CCN(CC)CC",
    "O=C1CCCN1", "c1ccsc1", "c1cc[nH]c1", "CP(=O)(OC)OC", "F/C=C/F", "O=[N+]([O-])c1ccccc1",
)  # fmt: skip
"""The molecules of ``toy_mix``."""

TOY_TASKS: Mapping[str, Any] = {
    "toy_size": {"labels": ["heavy", "polar"], "loss": "mae", "unit": "atoms"},
    "toy_active": {"labels": ["has_nitrogen", "has_ring"], "loss": "bce"},
    "toy_class": {"labels": ["size_class"], "loss": "ce", "num_classes": 3},
    "toy_rare": {"labels": ["rare"], "loss": "mse"},
    "toy_atoms": {"level": "node", "labels": ["charge"], "loss": "huber", "unit": "e"},
    "toy_bonds": {"level": "edge", "labels": ["length", "order"], "loss": "mse"},
    "toy_pairs": {"level": "nodepair", "labels": ["distance"], "loss": "mae", "unit": "bonds"},
}
"""The tasks of ``toy_experiment``, as its YAML would have them; their dataset is ``toy``."""


def toy_experiment(**changes: Any) -> Experiment:
    """Return an experiment that fits ``toy_mix``.

    Args:
        changes: Sections to change, merged into the defaults: ``trainer={"max_epochs": 2}``.
    """
    options: dict[str, Any] = {
        "name": "toy",
        "datasets": {"toy": {"table": "toy.csv"}},
        "features": {"encodings": {"random_walk": {"steps": 4}, "laplacian": {"k": 3}}},
        "tasks": {name: {"dataset": "toy", **task} for name, task in TOY_TASKS.items()},
        "model": {"trunk": {"kind": "gine", "depth": 2, "width": 16, "dropout": 0.0}},
        "batch": {"size": 8, "eval_size": 8},
        "trainer": {"max_epochs": 3, "accelerator": "cpu"},
    }
    return Experiment.model_validate(_merged(options, changes))


def _merged(base: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in changes.items():
        nested = isinstance(value, Mapping) and isinstance(base.get(key), Mapping)
        merged[key] = _merged(base[key], value) if nested else value
    return merged


def toy_mix(seed: int = 0, experiment: Experiment | None = None) -> Mix:
    """Return the toy molecules with labels for every task of ``TOY_TASKS``.

    Labels are simple functions of the graph, so that a network can learn them.

    Args:
        seed: Chooses the split, the missing labels and the weights.
        experiment: Where features and tasks come from (only those of ``TOY_TASKS``); by default
            ``toy_experiment()``.
    """
    experiment = experiment or toy_experiment()
    block = featurize_chunk(TOY_SMILES).block
    rng = np.random.default_rng(seed)
    part = _deal(block.num_molecules, seed)
    weight = rng.choice([0.5, 1.0, 2.0], block.num_molecules).astype(np.float32)

    labels = _labels(block)
    tasks = {}
    for name, config in experiment.tasks.items():
        spec = TaskSpec(
            name=name,
            dataset=config.dataset,
            level=config.level,
            labels=config.labels,
            loss=config.loss,
            num_classes=config.num_classes,
            metrics=config.reported_metrics,
            threshold=DEFAULT_THRESHOLD if config.threshold is None else config.threshold,
            threshold_for=config.threshold_for,
            weight=config.weight,
            unit=config.unit,
        )
        values = np.stack([labels[column] for column in config.labels], axis=1)
        tasks[name] = _task(spec, block, _with_gaps(spec, values, part, rng), part, weight)
        if config.is_normalized:
            tasks[name] = tasks[name].normalized(part)

    rows = np.arange(block.num_molecules)
    counts = {p: int((part == i).sum()) for i, p in enumerate(PARTS)}
    reports, warnings = describe_tasks(tasks, part)
    return Mix(
        graphs=pack_block(
            block,
            experiment.features,
            with_encodings=experiment.features.encodings.compute == "ahead",
        ),
        tasks=tasks,
        part=part,
        dataset=np.zeros(len(rows), np.int16),
        source_row=rows,
        sources={"toy": SourceRows(rows, rows)},
        report=MixReport(
            molecules=counts,
            datasets={
                "toy": DatasetReport(
                    rows=len(rows), rejected=0, unassigned=0, unlabelled=0, parts=counts
                )
            },
            tasks=reports,
            warnings=warnings,
        ),
        contradictions={},
        read_smiles=lambda: list(TOY_SMILES),
    )


def _deal(num_molecules: int, seed: int) -> NDArray[np.uint8]:
    place = np.argsort(np.argsort(seeded_hash((seed,), np.arange(num_molecules))))
    return np.digitize(place / num_molecules, [0.7, 0.85]).astype(np.uint8)


def _labels(block: MolBlock) -> dict[str, NDArray[np.float64]]:
    """Return every label column: one number for each molecule, atom, bond or pair of atoms."""
    table = block.atom_table[block.atom_code].astype(np.float64)
    number, degree, in_ring = (
        table[:, ATOM_PROPERTIES.index(name)] for name in ("atomic_number", "degree", "num_rings")
    )
    first_atom = block.atom_offsets()[:-1]
    ends = block.bond_ends + np.repeat(first_atom, block.num_bonds)[:, None]
    neighbours = np.zeros(len(number))
    np.add.at(neighbours, ends, number[ends[:, ::-1]])

    def per_molecule(atoms: NDArray[Any]) -> NDArray[np.float64]:
        return np.add.reduceat(atoms.astype(np.float64), first_atom)

    size = per_molecule(number > 0)
    return {
        "heavy": size,
        "polar": per_molecule((number == 7) | (number == 8)),
        "has_nitrogen": np.sign(per_molecule(number == 7)),
        "has_ring": np.sign(per_molecule(in_ring > 0)),
        "size_class": np.digitize(size, [5, 8]).astype(np.float64),
        "rare": per_molecule(degree) / 10,
        "charge": (neighbours - number * degree) / 20,
        "length": 1 + number[ends].sum(1) / 40,
        "order": np.abs(degree[ends[:, 0]] - degree[ends[:, 1]]),
        "distance": _distances(block),
    }


def _distances(block: MolBlock) -> NDArray[np.float64]:
    """Return the bonds on the shortest way between the atoms of each pair; NaN where none is."""
    first_bond = block.bond_offsets()
    out = []
    for molecule, size in enumerate(block.num_atoms.tolist()):
        reached = np.eye(size, dtype=bool)
        ends = block.bond_ends[first_bond[molecule] : first_bond[molecule + 1]]
        steps = reached.copy()
        steps[ends[:, 0], ends[:, 1]] = steps[ends[:, 1], ends[:, 0]] = True
        distance = np.where(reached, 0.0, np.nan)
        for length in range(1, size):
            further = reached @ steps
            distance[further & ~reached] = length
            reached = further
        out.append(distance[np.triu_indices(size, 1)])
    return np.concatenate(out)


def _with_gaps(
    spec: TaskSpec, values: NDArray[np.float64], part: NDArray[np.uint8], rng: np.random.Generator
) -> NDArray[np.float64]:
    """Remove a fifth of all labels, and those of ``toy_rare`` from all but 6 molecules."""
    missing = rng.random(values.shape) < 0.2
    if spec.name == "toy_rare":
        missing[:] = True
        for number, count in enumerate((4, 1, 1)):
            missing[np.flatnonzero(part == number)[:count]] = False
    return np.where(missing, np.nan, values)


def _task(
    spec: TaskSpec,
    block: MolBlock,
    values: NDArray[np.float64],
    part: NDArray[np.uint8],
    weight: NDArray[np.float32],
) -> TaskData:
    """Keep the molecules that have a label."""
    lengths = level_sizes(spec.level, block.num_atoms, block.num_bonds)
    owner = np.repeat(np.arange(len(part)), lengths)
    molecule = np.unique(owner[~np.isnan(values).all(1)])
    kept = ragged_index(offsets(lengths)[molecule], lengths[molecule])
    return TaskData(
        spec=spec,
        molecule=molecule,
        offset=offsets(lengths[molecule]),
        stored=compact(spec, values[kept]),
        weight=weight[molecule],
        source_row=molecule,
    )
