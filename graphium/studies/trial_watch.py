"""What a trial tells the sweep after each epoch, and when it ends early."""

import time
from dataclasses import dataclass
from typing import Literal

import pytorch_lightning as pl
from optuna.trial import Trial
from pytorch_lightning.callbacks import Callback

from graphium.config.experiment import Experiment
from graphium.config.metrics import LOWER_IS_BETTER
from graphium.config.suggest import did_you_mean
from graphium.errors import DataError, UsageError
from graphium.studies.claims import Claim
from graphium.training.module import Evaluation, TrainingModule


@dataclass(frozen=True, slots=True)
class Objective:
    """The number that a sweep makes as good as it can, on the val part."""

    task: str | None
    """None: the validation loss of all tasks."""
    metric: str
    direction: Literal["minimize", "maximize"]

    def __str__(self) -> str:
        return "val loss" if self.task is None else f"val {self.task}/{self.metric}"

    def value(self, evaluation: Evaluation) -> float | None:
        """Return the number of one validation; None where it is not defined."""
        if self.task is None:
            return evaluation.losses[""]
        metrics = evaluation.metrics[self.task].task
        return {str(name): value for name, value in metrics.items()}.get(self.metric)


def read_objective(
    metric: str | None, direction: Literal["minimize", "maximize"] | None, experiment: Experiment
) -> Objective:
    """Return what ``--metric TASK/METRIC`` and ``--direction`` ask for.

    Raises:
        UsageError: There is no such task, or the task does not report the metric.
    """
    if metric is None:
        if direction == "maximize":
            raise UsageError("a loss is minimised; --direction maximize needs a --metric")
        return Objective(None, "loss", "minimize")
    task, slash, name = metric.rpartition("/")
    if not slash:
        raise UsageError(f"--metric should be TASK/METRIC, got '{metric}'")
    if task not in experiment.tasks:
        tasks = ", ".join(experiment.tasks)
        near = did_you_mean(task, experiment.tasks)
        raise UsageError(f"--metric: there is no task '{task}'{near}; tasks has {tasks}")
    known = experiment.tasks[task].reported_metrics
    if name not in known:
        near = did_you_mean(name, known)
        raise UsageError(
            f"--metric: task '{task}' does not report '{name}'{near}; it reports "
            f"{', '.join(known)} (tasks.{task}.metrics)"
        )
    natural: Literal["minimize", "maximize"] = "minimize" if name in LOWER_IS_BETTER else "maximize"
    return Objective(task, name, direction or natural)


class PrunedError(Exception):
    """The trial is not worth going on with."""


class TimeIsUpError(Exception):
    """The sweep's time is over; what the trial has reached is in its last checkpoint."""


class TakenOverError(Exception):
    """Another process took this one for dead and goes on with the trial."""


class TrialWatch(Callback):
    """Reports each validation to the study.

    A trial that is resumed reports an epoch again only if it died before that was written down.

    Args:
        trial: The trial.
        objective: What is reported.
        held: The claim of the trial.
        deadline: ``time.monotonic()`` after which no epoch begins; None is never.
    """

    def __init__(
        self, trial: Trial, objective: Objective, held: Claim, deadline: float | None
    ) -> None:
        self._trial = trial
        self._objective = objective
        self._held = held
        self._deadline = deadline
        self._has_trained = False
        self.values: dict[int, float | None] = {}
        """The objective after each epoch of this process that was validated."""

    def on_fit_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Make sure that there is something to choose by.

        Raises:
            DataError: Nothing of val has a label.
        """
        if trainer.limit_val_batches == 0:
            raise DataError(
                "a sweep chooses by the val part, and no molecule of val has a label; give val a "
                "share in the split"
            )

    def on_train_epoch_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End between epochs when time is up; one epoch is always made.

        Raises:
            TimeIsUpError: Time is up.
        """
        is_late = self._deadline is not None and time.monotonic() > self._deadline
        if is_late and self._has_trained:
            raise TimeIsUpError

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Report, before the checkpoint of this epoch is written.

        Raises:
            PrunedError: The trial should end here.
            TakenOverError: The trial is another process's now.
        """
        assert isinstance(pl_module, TrainingModule)
        self._has_trained = True
        if not self._held.is_ours():
            raise TakenOverError
        epoch = trainer.current_epoch + 1
        if epoch % (trainer.check_val_every_n_epoch or 1) != 0:
            return
        assert pl_module.evaluation is not None, "val has labels"
        value = self._objective.value(pl_module.evaluation)
        self.values[epoch] = value
        if value is None:
            return
        known = self._trial.study.get_trials(deepcopy=False)[self._trial.number]
        if epoch not in known.intermediate_values:
            self._trial.report(value, epoch)
        if epoch != trainer.max_epochs and self._trial.should_prune():
            raise PrunedError(f"{self._objective} {value:.4g} after epoch {epoch}")
