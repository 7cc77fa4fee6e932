"""What simple methods reach on the split of a run: no model is good or bad by itself.

For molecules: the mean (or the shares of classes), and a random forest on Morgan fingerprints. For
atoms, bonds and pairs of atoms: the mean of their kind (element, degree, hybridisation; bond type
and elements at the ends; elements and bonds between them), and a forest on their environments. All
are fitted on the training part alone and scored as the model is.
"""

import hashlib
import json
import logging
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.apply.baseline_rows import TaskRows, input_words, kind_words, task_rows
from graphium.apply.finished_run import Baselines, FinishedRun, Rival, RivalResult, read_run
from graphium.apply.forests import group_means, grow_forest
from graphium.apply.same_data import check_same_data
from graphium.batching.mix import open_mix
from graphium.batching.mix_data import Mix
from graphium.config.data import Part
from graphium.config.encodings import EncodingsConfig
from graphium.config.features import FeaturesConfig
from graphium.errors import DataError
from graphium.labels.splits import PARTS
from graphium.store.prepare import cache_root, missing, store_path
from graphium.training.metrics import TaskMetrics, chosen_thresholds, compute_metrics

VERSION = 1
"""Part of the key: rises when a method changes."""
MAX_TRAIN_MOLECULES = 50_000
MAX_TRAIN_ENVIRONMENTS = 20_000
"""Largest numbers of training rows of a forest; more are thinned at random, and it says so."""
MAX_ENVIRONMENT_TREES = 100
"""Largest number of trees of a forest on environments, which have many more rows."""
MAX_HELD_OUT_PAIRS = 200_000
"""Largest number of pairs of atoms in val and test that a forest is asked about."""

log = logging.getLogger("graphium")


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
    what = "mean"
    if rows.spec.is_class:
        what = "shares of the classes" if rows.spec.is_multiclass else "share of ones"
    of = kind_words(rows.spec.level)
    method = f"{what} of the {of}" if what == "mean" else f"{what} among the {of}"
    return _result(rows, scored, method + _noted(rows), started)


def _score_forest(rows: TaskRows, train: NDArray[np.int64], trees: int) -> RivalResult:
    started = time.perf_counter()
    held_out = dict(_held_out(rows))
    wanted = np.concatenate([np.zeros(0, np.int64), *held_out.values()])
    if rows.spec.level == "nodepair" and len(wanted) > MAX_HELD_OUT_PAIRS:
        return RivalResult(
            method=f"no random forest: {len(wanted):,} pairs of atoms are held out; at most "
            f"{MAX_HELD_OUT_PAIRS:,} are described"
        )
    is_graph = rows.spec.level == "graph"
    limit = MAX_TRAIN_MOLECULES if is_graph else MAX_TRAIN_ENVIRONMENTS
    kept = train
    if len(train) > limit:
        kept = np.sort(np.random.default_rng(0).choice(train, limit, replace=False))
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
    method = f"random forest of {forest.trees} trees on {input_words(rows.spec.level)}"
    if len(kept) < len(train):
        method += f", fitted to {len(kept):,} of {len(train):,} training rows"
    method += _noted(rows)
    return _result(rows, dict(zip(held_out, pieces, strict=True)), method, started)


def _noted(rows: TaskRows) -> str:
    return f" ({rows.note})" if rows.note else ""


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
    found: dict[Part, dict[str, TaskMetrics]] = {}
    for part, predictions in scored.items():  # val first
        chosen = {} if part == "val" else chosen_thresholds([rows.spec], found)
        labels, thresholds = rows.labels[places[part]], chosen.get(rows.spec.name)
        metrics = compute_metrics(rows.spec, labels, predictions, thresholds)
        found[part] = {rows.spec.name: metrics}
        result.metrics(part).update({str(name): value for name, value in metrics.task.items()})
        for label, values in metrics.labels.items():
            result.per_label[label][part] = {str(name): value for name, value in values.items()}
    result.seconds = round(time.perf_counter() - started, 2)
    return result


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
