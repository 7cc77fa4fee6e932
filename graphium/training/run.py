"""One training, from open stores to ``results.json``: everything it does, in order.

``cli/train.py`` stands around it: stores are prepared before, the report is written after. One
optimiser step is in ``module.py`` (``training_step``); Lightning repeats it inside ``trainer.fit``.
"""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from rich.console import Console

import graphium
from graphium.batching.device_arrays import needed_bytes
from graphium.batching.mix_data import Mix
from graphium.batching.opened import DataModule, Opened, data_module, open_data
from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.load import read_model
from graphium.config.data import Part
from graphium.config.dump import dump_yaml
from graphium.config.experiment import Experiment
from graphium.errors import DataError
from graphium.training.averaging import WeightAverage
from graphium.training.checkpoints import CheckpointKeeper
from graphium.training.clock import peak_memory
from graphium.training.initial import initial_network
from graphium.training.kept_rows import TaskPredictions
from graphium.training.metric_tables import write_metric_tables
from graphium.training.metrics import TaskMetrics, chosen_thresholds
from graphium.training.module import TrainingModule
from graphium.training.preemption import StopWhenAsked
from graphium.training.progress import EpochReporter, evaluation_entries
from graphium.training.randomness import StepSeed
from graphium.training.ranks import Ranks, wait_for_all
from graphium.training.run_files import (
    check_same_data,
    describe_data,
    environment,
    metrics_summary,
    write_duplicates,
    write_json,
    write_predictions,
)
from graphium.training.sharding import load_weights
from graphium.training.signals import StopSignals
from graphium.training.stopping import PatientStopping
from graphium.training.task_gradients import TaskGradients
from graphium.training.tracking import CsvTracker, Tracker, WandbTracker
from graphium.training.trainer import build_trainer, quiet_lightning, refuse_missing_ranks

log = logging.getLogger("graphium")


@dataclass(frozen=True, slots=True)
class RunResult:
    """What a finished run reached; the same as its ``results.json``."""

    run_dir: Path
    """Where everything is."""
    results: dict[str, Any]
    """Content of ``results.json``."""


def train(
    experiment: Experiment,
    run_dir: Path,
    *,
    store_root: Path,
    resume: bool = False,
    console: Console | None = None,
    watchers: Sequence[Callback] = (),
    evaluate: Sequence[Part] = ("val", "test"),
    ranks: Ranks | None = None,
    asked: StopSignals | None = None,
) -> RunResult:
    """Train from prepared stores to checkpoint, predictions and ``results.json``.

    Open the mix, build the network (or load the backbone to fine-tune), fit, load the best
    checkpoint, evaluate val and test, write the results.

    Args:
        experiment: What to train.
        run_dir: An existing directory for this run alone.
        store_root: Where the stores were prepared.
        resume: Go on from ``run_dir/checkpoints/last``.
        console: Where to show progress; None is silent.
        watchers: Callbacks of Lightning that watch the steps. At the end of an epoch they come
            after its validation and before its checkpoint; one that raises ends the run there.
        evaluate: Parts that the trained model is evaluated on.
        ranks: The processes of the run, if there are several; the first one writes ``run_dir``.
        asked: Says whether to stop after the next step; the caller lets signals be answered.

    Raises:
        DataError: The schedule or early stopping follows a validation loss, and there is nothing to
            validate on.
        KeyboardInterrupt: The user stopped the run; the last checkpoint is complete.
        StoppedError: The run was asked to stop; if it was between its first and its last step, the
            step is kept.
    """
    started = time.perf_counter()
    quiet_lightning()
    refuse_missing_ranks(experiment, ranks)
    if experiment.trainer.threads is not None:
        torch.set_num_threads(experiment.trainer.threads)
    mix = open_data(experiment, store_root)
    has_val = _can_validate(experiment, mix)
    data = data_module(mix, experiment)
    network = initial_network(experiment, mix.specs, pretrained=not resume)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"),
        tasks=mix.specs,
        graphium_version=graphium.__version__,
    )
    checkpoints = run_dir / "checkpoints"
    if resume:
        check_same_data(run_dir, record, mix)
    trackers: list[Tracker] = []
    every = experiment.trainer.checkpoint_every_steps
    keeper = CheckpointKeeper(checkpoints, every, has_val=has_val)
    gradients = TaskGradients()
    reporter = EpochReporter(
        trackers,
        console,
        labels_per_molecule=mix.report.labels_per_molecule("train"),
        task_gradients=gradients,
    )
    signals = asked or StopSignals()
    stop = StopWhenAsked(signals, ranks, keeper)
    learning = _learning(experiment)
    callbacks = [gradients, *learning, reporter, *watchers, keeper, stop]
    trainer = build_trainer(experiment, callbacks, ranks, has_val=has_val)
    steps_per_epoch = data.steps_per_epoch(trainer.world_size)
    module = TrainingModule(network, record, experiment, steps_per_epoch)
    if trainer.is_global_zero:
        trackers += _trackers(experiment, run_dir, _step_of(checkpoints / "last") if resume else 0)
        _write_inputs(experiment, run_dir, mix)
        _announce(experiment, mix, data, network, trainer.world_size, console)
    wait_for_all(ranks)

    with _ctrl_c():
        last = str(checkpoints / "last") if resume else None
        with signals.noted():
            trainer.fit(module, datamodule=data, ckpt_path=last)
            trainer.strategy.barrier()
            reporter.say_why_stopped(trainer)
            stop.stop_between("training")
        load_weights(network, read_model(checkpoints / "best")[1])
        metrics, left_out = _evaluate(trainer, module, data, mix, run_dir, evaluate, ranks)
    _log_test(module, trackers, keeper, checkpoints)
    work = reporter.clock.total
    results = {
        "name": experiment.name,
        "seed": experiment.seed,
        "epochs": trainer.current_epoch,
        "best_epoch": keeper.best_epoch,
        "parameters": sum(p.numel() for p in network.parameters()),
        "wall_seconds": round(time.perf_counter() - started, 3),
        "train_seconds": round(work.seconds, 3),
        "molecules_per_second": round(work.molecules_per_second, 1),
        "waiting_share": round(work.waiting, 4),
        **{name: round(value, 1) for name, value in peak_memory().items()},
        "molecules": mix.report.molecules,
        "rows_left_out": left_out,
        "tasks": metrics_summary(metrics, mix),
    }
    if trainer.is_global_zero:
        write_json(run_dir / "results.json", results)
    for tracker in trackers:
        tracker.close()
    return RunResult(run_dir, results)


def _learning(experiment: Experiment) -> list[Callback]:
    """Return what learning itself needs between steps."""
    patience, decay = experiment.trainer.early_stopping, experiment.optimizer.ema_decay
    callbacks: list[Callback] = []
    if patience is not None:
        callbacks.append(PatientStopping(patience))
    callbacks.append(StepSeed(experiment.seed))
    if decay is not None:
        callbacks.append(WeightAverage(decay))
    return callbacks


def _log_test(
    module: TrainingModule, trackers: list[Tracker], keeper: CheckpointKeeper, checkpoints: Path
) -> None:
    """Keep the numbers of the test part, if there is one."""
    if module.evaluation is not None:
        best_step = _step_of(checkpoints / "best")
        entries = evaluation_entries(module.evaluation, "test", keeper.best_epoch or 0, best_step)
        for tracker in trackers:
            tracker.log(entries)


@contextmanager
def _ctrl_c() -> Iterator[None]:
    """Undo Lightning's answer to Ctrl-C, which would be exit code 1."""
    try:
        yield
    except SystemExit as stop:
        raise KeyboardInterrupt from stop


def _can_validate(experiment: Experiment, mix: Opened) -> bool:
    """Return whether the val part has labels with weight.

    Raises:
        DataError: It has not, and the schedule or early stopping follows its loss.
    """
    has_val = any(mix.label_totals(mix.molecules("val")).values())
    nothing = "no molecule of val has a label to validate on"
    if experiment.optimizer.schedule == "plateau" and not has_val:
        raise DataError(
            f"optimizer.schedule is plateau, but {nothing}; choose another schedule, or give val a "
            "share in the split"
        )
    if experiment.trainer.early_stopping is not None and not has_val:
        raise DataError(
            f"trainer.early_stopping waits for a validation loss, but {nothing}; set it to null, "
            "or give val a share in the split"
        )
    return has_val


def _evaluate(
    trainer: pl.Trainer,
    module: TrainingModule,
    data: DataModule,
    mix: Opened,
    run_dir: Path,
    parts: Sequence[Part],
    ranks: Ranks | None,
) -> tuple[dict[Part, dict[str, TaskMetrics]], dict[Part, dict[str, tuple[int, int]]]]:
    """Evaluate parts with the weights that are loaded, and write tables and predictions.

    Returns:
        Metrics of each part and task; rows written and rows in all, of tasks with too many.
    """
    trainer.limit_val_batches = 1.0  # was 0 if there was nothing to validate on
    metrics: dict[Part, dict[str, TaskMetrics]] = {}
    left_out: dict[Part, dict[str, tuple[int, int]]] = {}
    shown, smiles = np.zeros(0, np.int64), np.zeros(0, object)
    if trainer.is_global_zero:
        shown = np.sort(np.concatenate([mix.molecules("val"), mix.molecules("test")]))
        smiles = np.array(mix.smiles_of(shown), object)
    loaders: dict[Part, Any] = {"val": data.val_dataloader(), "test": data.test_dataloader()}
    for part, loader in loaders.items():
        module.expect_evaluation({} if part == "val" else chosen_thresholds(mix.specs, metrics))
        if part not in parts or not mix.report.molecules[part]:
            continue
        trainer.validate(module, dataloaders=loader, verbose=False)
        assert module.evaluation is not None
        metrics[part] = module.evaluation.metrics
        if trainer.is_global_zero:
            for name, rows in module.evaluation.predictions.items():
                path = run_dir / "predictions" / part / f"{name}.csv"
                texts = smiles[np.searchsorted(shown, rows.molecule)].tolist()
                write_predictions(path, rows, texts, mix.source_rows_of(name, rows.molecule))
                if len(rows.molecule) < rows.num_rows:
                    left_out.setdefault(part, {})[name] = len(rows.molecule), rows.num_rows
                    _tell_rows_left_out(part, rows)
            for spec in mix.specs:
                write_metric_tables(run_dir / "metrics" / part, spec, metrics[part][spec.name])
        wait_for_all(ranks)
    return metrics, left_out


def _tell_rows_left_out(part: Part, rows: TaskPredictions) -> None:
    log.warning(
        "predictions/%s/%s.csv has %s of %s rows, of molecules drawn at random: all would take "
        "more than trainer.evaluation_memory_mb. Metrics are of all rows",
        part,
        rows.spec.name,
        f"{len(rows.molecule):,}",
        f"{rows.num_rows:,}",
    )


def _trackers(experiment: Experiment, run_dir: Path, step: int) -> list[Tracker]:
    trackers: list[Tracker] = [CsvTracker(run_dir / "metrics.csv", step)]
    if experiment.wandb is not None:
        config = experiment.model_dump(mode="json")
        trackers.append(WandbTracker(experiment.wandb, run_dir, experiment.name, config))
    return trackers


def _step_of(checkpoint: Path) -> int:
    """Return the optimiser steps a checkpoint of a run was written after."""
    return int(checkpoint.resolve().name.removeprefix("step-"))


def _write_inputs(experiment: Experiment, run_dir: Path, mix: Opened) -> None:
    """Keep what the run started from, before it starts."""
    (run_dir / "config.yaml").write_text(dump_yaml(experiment))
    write_json(run_dir / "environment.json", environment())
    write_json(run_dir / "splits.json", describe_data(mix))
    if isinstance(mix, Mix):
        write_duplicates(run_dir / "duplicates.csv", mix)


def _announce(
    experiment: Experiment,
    mix: Opened,
    data: DataModule,
    network: torch.nn.Module,
    ranks: int,
    console: Console | None,
) -> None:
    """Say what is about to be trained."""
    size, accumulate = data.molecules_per_step(ranks), experiment.batch.accumulate
    labels = size * mix.report.labels_per_molecule("train")
    lines = [
        *mix.report.lines(),
        f"{sum(p.numel() for p in network.parameters()):,} parameters; a step is {size:g} "
        f"molecules = {ranks} rank(s) x {accumulate} micro-batch(es) x "
        f"{size / ranks / accumulate:g}, with {labels:,.4g} labels on average",
    ]
    if experiment.trainer.parallel == "fsdp":
        lines.append(
            f"each rank keeps one share in {ranks} of weights, gradients and optimiser "
            "(trainer.parallel: fsdp, which is experimental)"
        )
    if (shape := data.static_shape(ranks)) is not None:
        lines.append(
            f"each micro-batch has {shape.atoms:,} atoms, {shape.bonds:,} bonds and "
            f"{shape.molecules:,} molecules, padding among them"
        )
    if data.strata is not None:
        shares = (
            f"{name} {one.visits:,} of {len(one.molecules):,}" for name, one in data.strata.items()
        )
        lines.append(f"an epoch visits molecules of {', '.join(shares)}")
    if experiment.batch.held_in == "cuda" and isinstance(mix, Mix):
        size_on_gpu = needed_bytes(mix.graphs, mix.tasks) / 1e9
        lines.append(f"every rank copies the mix to its GPU: {size_on_gpu:.2f} GB")
    if experiment.batch.held_in == "stream" and experiment.report.baselines:
        lines.append("streamed data are not compared with baselines, which need all rows at hand")
    if (rise := experiment.optimizer.warmup_epochs or 0) > experiment.trainer.max_epochs:
        lines.append(
            f"optimizer.warmup_epochs is {rise:g}, more than the {experiment.trainer.max_epochs} "
            f"epochs of the run: the learning rate never reaches {experiment.optimizer.lr:g}"
        )
    for line in lines:
        log.info(line)
        if console is not None:
            console.print(line, highlight=False, soft_wrap=True)
