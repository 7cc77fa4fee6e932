"""A sweep whose trainings are a formula: what a trial reaches is known, and takes no time."""

import json
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from rich.console import Console

from graphium.config.experiment import Experiment
from graphium.errors import StoppedError
from graphium.studies import sweep as module
from graphium.studies.journal import Journal
from graphium.studies.space import read_space
from graphium.studies.sweep import Sweep
from graphium.studies.trial_watch import Objective
from graphium.testing.toy import toy_experiment
from graphium.training.module import Evaluation, TrainingModule
from graphium.training.run import RunResult

SPACE = """
optimizer.lr: {low: 1e-5, high: 1e-1, log: true}
model.trunk.depth: {low: 1, high: 4}
"""
EPOCHS = 5


class FakeModule(TrainingModule):
    """Carries an evaluation, and nothing else."""

    def __init__(self) -> None:
        self.__dict__["evaluation"] = None


class FakeTraining:
    """Stands for ``train``: the loss of an epoch is what ``loss`` says of the experiment."""

    def __init__(self, loss: Callable[[Experiment, int], float]) -> None:
        self.loss = loss
        self.calls: list[tuple[str, bool, list[str]]] = []
        self.on_epoch: Callable[[Path, int], None] = lambda run_dir, epoch: None

    def __call__(
        self, experiment, run_dir, *, store_root, resume, watchers=(), evaluate=(), asked=None
    ):
        self.calls.append((run_dir.name, resume, list(evaluate)))
        (run_dir / "config.yaml").write_text("name: fake\n")
        pl_module = FakeModule()
        last = run_dir / "checkpoints" / "last"
        done = int(last.resolve().name.removeprefix("step-")) if resume else 0
        losses = {e: self.loss(experiment, e) for e in range(1, done + 1)}
        for epoch in range(done + 1, EPOCHS + 1):
            losses[epoch] = self.loss(experiment, epoch)
            pl_module.__dict__["evaluation"] = Evaluation({"": losses[epoch]}, {}, {})
            trainer: Any = SimpleNamespace(
                current_epoch=epoch - 1, check_val_every_n_epoch=1, max_epochs=EPOCHS
            )
            for watcher in watchers:
                watcher.on_train_epoch_start(trainer, pl_module)
            self.on_epoch(run_dir, epoch)
            for watcher in watchers:
                watcher.on_train_epoch_end(trainer, pl_module)
            _checkpoint(run_dir, epoch)
            if asked is not None and asked.asked:
                raise StoppedError("stopped on request", requeue=False)
        best = min(losses, key=lambda epoch: losses[epoch])
        results = {"epochs": EPOCHS, "best_epoch": best, "tasks": {}}
        (run_dir / "results.json").write_text(json.dumps(results))
        return RunResult(run_dir, results)


def _checkpoint(run_dir: Path, epoch: int) -> None:
    (run_dir / "checkpoints" / f"step-{epoch}").mkdir(parents=True)
    last = run_dir / "checkpoints" / "last"
    last.unlink(missing_ok=True)
    last.symlink_to(f"step-{epoch}")


def fake_sweep(folder: Path, monkeypatch: Any, training: FakeTraining, **changes: Any) -> Sweep:
    """Return a sweep in a folder; each call stands for a new process."""
    monkeypatch.setattr(module, "train", training)
    monkeypatch.setattr(module, "recover", lambda checkpoints: [])
    folder.mkdir(exist_ok=True)
    path = folder / "space.yaml"
    path.write_text(SPACE)
    space = read_space(path)
    options = {"direction": "minimize", "pruner": "none", "max_epochs": EPOCHS, "seed": 0}
    options |= {key: changes.pop(key) for key in tuple(changes) if key in options}

    def load(overrides: list[str]) -> Experiment:
        sections: dict[str, Any] = {"optimizer": {"kind": "adamw"}}
        for key, _, value in (override.partition("=") for override in overrides):
            *parents, last = key.split(".")
            inner = sections
            for parent in parents:
                inner = inner.setdefault(parent, {})
            inner[last] = json.loads(value)
        return toy_experiment(**sections)

    return Sweep(
        **{
            "folder": folder,
            "space": space,
            "objective": Objective(None, "loss", "minimize"),
            "journal": Journal(folder, space, **options),
            "num_trials": 6,
            "load": load,
            "prepare": lambda experiment: None,
            "store_root": folder,
            "console": Console(),
        }
        | changes
    )
