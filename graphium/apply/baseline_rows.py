"""The labelled rows of a task with what the baselines see of them, and how their pages name it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.batching.compact import CompactLabels, is_known, take
from graphium.batching.mix_data import Mix
from graphium.batching.task_data import TaskData
from graphium.config.data import Hydrogens, Level
from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_block import offsets, ragged_index
from graphium.labels.splits import PARTS
from graphium.molecules.environments import Environments, atom_environments, bond_environments
from graphium.molecules.fingerprints import morgan
from graphium.molecules.pair_environments import pair_environments, pair_kinds

MAX_TRAIN_MOLECULES_OF_PAIRS = 20_000
"""Largest number of training molecules whose pairs of atoms the baselines see; more are thinned at
random, and it says so."""

Features = Callable[[NDArray[np.int64]], NDArray[np.generic]]
"""Rows -> [rows, D] input of the forest."""


@dataclass(frozen=True, slots=True)
class TaskRows:
    """The labelled molecules, atoms, bonds or pairs of one task, as the baselines see them."""

    spec: TaskSpec
    part: NDArray[np.uint8]
    """[R] place of the part in ``PARTS``."""
    labels: NDArray[np.float32]
    """[R, L] NaN where missing."""
    groups: list[NDArray[np.int64]]
    """Kind [R] of each row, from fine to coarse; none for molecules."""
    features: Features
    note: str = ""
    """What was left out of the training part, in words."""


def task_rows(mix: Mix, name: str) -> TaskRows:
    """Return the labelled rows of one task with the inputs of its baselines."""
    task = mix.tasks[name]
    smiles = mix.smiles()
    texts = [smiles[molecule] for molecule in task.molecule]
    part = mix.part[task.molecule]
    match task.spec.level:
        case "graph":
            return _rows_of_molecules(task, texts, part)
        case "node":
            return _rows_of_pieces(task, atom_environments(texts, hydrogens=mix.hydrogens), part)
        case "edge":
            return _rows_of_pieces(task, bond_environments(texts, hydrogens=mix.hydrogens), part)
        case "nodepair":
            return _rows_of_pairs(task, texts, part, mix.hydrogens)
        case _:
            assert_never(task.spec.level)


def kind_words(level: Level) -> str:
    """Return the training rows whose mean is the first baseline, in words."""
    match level:
        case "graph":
            return "training labels"
        case "node":
            return "training atoms of the same element, degree and hybridisation"
        case "edge":
            return "training bonds of the same type between the same elements"
        case "nodepair":
            return "training pairs of the same elements, as many bonds apart"
        case _:
            assert_never(level)


def input_words(level: Level) -> str:
    """Return what a forest reads, in words."""
    match level:
        case "graph":
            return "Morgan fingerprints (radius 2, 2,048 bits)"
        case "node":
            return "the environment of the atom"
        case "edge":
            return "the environment of the bond"
        case "nodepair":
            return "the environments of both atoms and the bonds between them"
        case _:
            assert_never(level)


def _rows_of_molecules(task: TaskData, texts: list[str], part: NDArray[np.uint8]) -> TaskRows:
    labelled = _labelled(task.stored, part)

    def features(rows: NDArray[np.int64]) -> NDArray[np.generic]:
        return morgan([texts[row] for row in labelled[rows]])

    return TaskRows(task.spec, part[labelled], take(task.stored, labelled), [], features)


def _rows_of_pieces(
    task: TaskData, environments: Environments, part: NDArray[np.uint8]
) -> TaskRows:
    assert len(environments.groups) == len(task.stored), "labels and molecules do not agree"
    part = np.repeat(part, np.diff(task.offset))
    labelled = _labelled(task.stored, part)

    def features(rows: NDArray[np.int64]) -> NDArray[np.generic]:
        return environments.values[labelled[rows]]

    groups = _coarser(environments.groups[labelled])
    labels = take(task.stored, labelled)
    return TaskRows(task.spec, part[labelled], labels, groups, features)


def _rows_of_pairs(
    task: TaskData, texts: list[str], part: NDArray[np.uint8], hydrogens: Hydrogens
) -> TaskRows:
    """Describe the labelled pairs of all held-out and of not too many training molecules."""
    kept, note = _thinned(part)
    texts = [texts[molecule] for molecule in kept]
    sizes = np.diff(task.offset)[kept]
    values = take(task.stored, ragged_index(task.offset[kept], sizes))
    part, owner = np.repeat(part[kept], sizes), np.repeat(np.arange(len(kept)), sizes)
    labelled = _labelled(values, part)
    kinds = pair_kinds(texts, hydrogens)
    assert len(kinds) == len(values), "labels and molecules do not agree"
    place = np.arange(len(values)) - offsets(sizes)[owner]

    def features(rows: NDArray[np.int64]) -> NDArray[np.generic]:
        molecules, molecule = np.unique(owner[labelled[rows]], return_inverse=True)
        chosen = [texts[one] for one in molecules]
        return pair_environments(chosen, molecule, place[labelled[rows]], hydrogens=hydrogens)

    groups = _coarser(kinds[labelled])
    return TaskRows(task.spec, part[labelled], values[labelled], groups, features, note)


def _thinned(part: NDArray[np.uint8]) -> tuple[NDArray[np.int64], str]:
    """Return the molecules to describe, and what was left out."""
    train = np.flatnonzero(part == PARTS.index("train"))
    if len(train) <= MAX_TRAIN_MOLECULES_OF_PAIRS:
        return np.arange(len(part)), ""
    random = np.random.default_rng(0)
    chosen = random.choice(train, MAX_TRAIN_MOLECULES_OF_PAIRS, replace=False)
    others = np.flatnonzero(part != PARTS.index("train"))
    note = f"pairs of {len(chosen):,} of {len(train):,} training molecules"
    return np.sort(np.concatenate([others, chosen])), note


def _labelled(labels: CompactLabels, part: NDArray[np.uint8]) -> NDArray[np.int64]:
    return np.flatnonzero(is_known(labels).any(1) & (part < len(PARTS)))


def _coarser(kinds: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return kinds from fine to coarse: three numbers of 16 bits; without the last; the first."""
    return [kinds >> shift for shift in (0, 16, 32)]
