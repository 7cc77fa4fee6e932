"""What simple methods reach on the split of a run: no model is good or bad by itself.

For molecules: the mean (or the shares of classes), and a random forest on Morgan fingerprints. For
atoms and bonds: the mean of their kind (element, degree, hybridisation; or bond type and elements
at the ends), and a forest on their environments. All are fitted on the training part alone and
scored as the model is.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.apply.finished_run import Baselines, FinishedRun, Rival, RivalResult, read_run
from graphium.apply.forests import group_means, grow_forest
from graphium.apply.same_data import check_same_data
from graphium.batching.mix import Mix, open_mix
from graphium.config.data import Part
from graphium.config.encodings import EncodingsConfig
from graphium.config.features import FeaturesConfig
from graphium.config.tasks import TaskSpec
from graphium.errors import DataError
from graphium.labels.splits import PARTS
from graphium.molecules.environments import Environments, atom_environments, bond_environments
from graphium.molecules.fingerprints import morgan
from graphium.store.prepare import cache_root, missing, store_path
from graphium.training.metrics import compute_metrics

VERSION = 1
"""Part of the key: rises when a method changes."""
MAX_TRAIN_MOLECULES = 50_000
MAX_TRAIN_ENVIRONMENTS = 20_000
"""Largest numbers of training rows of a forest; more are thinned at random, and it says so."""
MAX_ENVIRONMENT_TREES = 100
"""Largest number of trees of a forest on environments, which have many more rows."""

log = logging.getLogger("graphium")


@dataclass(frozen=True, slots=True)
class TaskRows:
    """Every labelled molecule, atom or bond of one task, with what the baselines see of it."""

    spec: TaskSpec
    part: NDArray[np.uint8]
    """[R] place of the part in ``PARTS``."""
    labels: NDArray[np.float32]
    """[R, L] NaN where missing."""
    groups: list[NDArray[np.int64]]
    """Kind [R] of each row, from fine to coarse; none for molecules."""
    features: Callable[[NDArray[np.int64]], NDArray[np.generic]]
    """Rows -> [rows, D] input of the forest."""


def write_baselines(run_dir: Path) -> Path:
    """Write ``baselines.json`` of a finished run, unless it is there for the same data and split.

    Raises:
        DataError: If this is no finished run, its tables or stores are gone, or they hold other
            data than the run had.
    """
    run = read_run(run_dir)
    key = baselines_key(run)
    target = run_dir / "baselines.json"
    if run.baselines is not None and run.baselines.key == key:
        return target
    result = _of_another_seed(run_dir, key)
    if result is None:
        mix = _open(run)
        check_same_data(run, mix)
        trees = run.experiment().report.trees
        tasks = {name: score(task_rows(mix, name), trees) for name in mix.tasks}
        result = Baselines(key=key, tasks=tasks)
    temporary = run_dir / f".baselines.{os.getpid()}.json"
    temporary.write_text(result.model_dump_json(indent=2) + "\n", encoding="utf-8")
    temporary.replace(target)
    return target


def baselines_key(run: FinishedRun) -> str:
    """Return a hash of all that the baselines depend on; the model and its seed are not in it.

    Raises:
        DataError: If a table is gone.
    """
    experiment = run.experiment()
    splits = run.path / "splits.json"
    tasks: dict[str, Any] = {
        name: task.model_dump(mode="json", exclude={"weight"})
        for name, task in experiment.tasks.items()
    }
    content = {
        "version": VERSION,
        "trees": experiment.report.trees,
        "datasets": {name: d.model_dump(mode="json") for name, d in experiment.datasets.items()},
        "stores": _store_names(run),
        "tasks": tasks,
        "coverage": {name: task.coverage for name, task in run.results.tasks.items()},
        "splits": hashlib.sha256(splits.read_bytes()).hexdigest() if splits.is_file() else None,
    }
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


def task_rows(mix: Mix, name: str) -> TaskRows:
    """Return the labelled rows of one task with the inputs of its baselines."""
    task = mix.tasks[name]
    smiles = mix.smiles()
    texts = [smiles[molecule] for molecule in task.molecule]
    part = np.repeat(mix.part[task.molecule], np.diff(task.offset))
    labelled = np.flatnonzero(~np.isnan(task.values).all(1) & (part < len(PARTS)))
    groups: list[NDArray[np.int64]] = []
    if task.spec.level == "graph":

        def features(rows: NDArray[np.int64]) -> NDArray[np.generic]:
            return morgan([texts[row] for row in labelled[rows]])

    else:
        environments = _environments(task.spec, texts, len(task.values))
        # A kind is three numbers of 16 bits: without the last, then without the last two.
        groups = [environments.groups[labelled] >> shift for shift in (0, 16, 32)]

        def features(rows: NDArray[np.int64]) -> NDArray[np.generic]:
            return environments.values[labelled[rows]]

    return TaskRows(task.spec, part[labelled], task.values[labelled], groups, features)


def score(rows: TaskRows, trees: int) -> dict[Rival, RivalResult]:
    """Fit the baselines of one task on its training rows and score them on val and test."""
    train = np.flatnonzero(rows.part == PARTS.index("train"))
    if not len(train):
        return {}
    log.info("fitting the baselines of %s", rows.spec.name)
    return {"mean": _score_mean(rows, train), "forest": _score_forest(rows, train, trees)}


def _score_mean(rows: TaskRows, train: NDArray[np.int64]) -> RivalResult:
    started = time.perf_counter()
    groups = [group[train] for group in rows.groups]
    scored = {}
    for part, places in _held_out(rows):
        wanted = [group[places] for group in rows.groups] or [places]
        scored[part] = group_means(rows.spec, rows.labels[train], groups, wanted)
    what = {"bce": "share of ones", "ce": "shares of the classes"}.get(rows.spec.loss, "mean")
    of = {
        "graph": "training labels",
        "node": "training atoms of the same element, degree and hybridisation",
        "edge": "training bonds of the same type between the same elements",
    }[rows.spec.level]
    return _result(
        rows, scored, f"{what} of the {of}" if what == "mean" else f"{what} among the {of}", started
    )


def _score_forest(rows: TaskRows, train: NDArray[np.int64], trees: int) -> RivalResult:
    started = time.perf_counter()
    is_graph = rows.spec.level == "graph"
    limit = MAX_TRAIN_MOLECULES if is_graph else MAX_TRAIN_ENVIRONMENTS
    kept = train
    if len(train) > limit:
        kept = np.sort(np.random.default_rng(0).choice(train, limit, replace=False))
    held_out = dict(_held_out(rows))
    wanted = np.concatenate([np.zeros(0, np.int64), *held_out.values()])
    forest = grow_forest(
        rows.spec,
        rows.features(kept),
        rows.labels[kept],
        rows.features(wanted),
        trees=trees if is_graph else min(trees, MAX_ENVIRONMENT_TREES),
        # A third is the usual share for fingerprints (Svetnik et al. 2003, 10.1021/ci034160g);
        # of the few columns of environments every split sees all.
        max_features=1 / 3 if is_graph else 1.0,
    )
    if isinstance(forest, str):
        return RivalResult(method=f"no random forest: {forest}")
    ends = np.cumsum([len(places) for places in held_out.values()])
    pieces = np.split(forest.predictions, ends[:-1])
    inputs = {
        "graph": "Morgan fingerprints (radius 2, 2,048 bits)",
        "node": "the environment of the atom",
        "edge": "the environment of the bond",
    }[rows.spec.level]
    method = f"random forest of {forest.trees} trees on {inputs}"
    if len(kept) < len(train):
        method += f", fitted to {len(kept):,} of {len(train):,} training rows"
    return _result(rows, dict(zip(held_out, pieces, strict=True)), method, started)


def _held_out(rows: TaskRows) -> Iterator[tuple[Part, NDArray[np.int64]]]:
    for part in ("val", "test"):
        places = np.flatnonzero(rows.part == PARTS.index(part))
        if len(places):
            yield part, places


def _result(
    rows: TaskRows, scored: dict[Part, NDArray[np.float64]], method: str, started: float
) -> RivalResult:
    result = RivalResult(method=method, per_label={label: {} for label in rows.spec.labels})
    places = dict(_held_out(rows))
    for part, predictions in scored.items():
        metrics = compute_metrics(rows.spec, rows.labels[places[part]], predictions)
        result.metrics(part).update({str(name): value for name, value in metrics.task.items()})
        for label, values in metrics.labels.items():
            result.per_label[label][part] = {str(name): value for name, value in values.items()}
    result.seconds = round(time.perf_counter() - started, 2)
    return result


def _environments(spec: TaskSpec, smiles: list[str], num_rows: int) -> Environments:
    found = atom_environments(smiles) if spec.level == "node" else bond_environments(smiles)
    assert len(found.groups) == num_rows, f"{spec.name}: labels and molecules do not agree"
    return found


def _open(run: FinishedRun) -> Mix:
    experiment, root = run.experiment(), cache_root()
    absent = missing(experiment, root)
    if absent:
        raise DataError(
            f"the stores of {', '.join(absent)} are not in {root}, and the baselines need them. "
            f"Prepare them with 'graphium data prepare {run.path / 'config.yaml'}', or leave the "
            "baselines out with --no-baselines"
        )
    # Encodings are for networks alone.
    features = FeaturesConfig(encodings=EncodingsConfig(random_walk=None, laplacian=None))
    return open_mix(experiment.model_copy(update={"features": features}), root)


def _store_names(run: FinishedRun) -> dict[str, str]:
    """Return the name of each dataset's store, which changes with the content of the table."""
    root = cache_root()
    try:
        return {name: store_path(d, root).name for name, d in run.experiment().datasets.items()}
    except DataError as error:
        raise DataError(
            f"the baselines need the tables of the run. {error} Put the table back, or leave the "
            "baselines out with --no-baselines"
        ) from error


def _of_another_seed(run_dir: Path, key: str) -> Baselines | None:
    """Return the baselines of a run that differs in its seed alone, where ``--seeds`` made one."""
    if not run_dir.name.startswith("seed-"):
        return None
    for other in sorted(run_dir.parent.glob("seed-*/results.json")):
        found = read_run(other.parent).baselines
        if found is not None and found.key == key:
            return found
    return None
