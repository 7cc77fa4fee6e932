"""A sweep: many trainings of one experiment with sampled options; the best is kept.

Any number of processes work on one folder. Each takes the first trial that is neither finished nor
held by a living process, trains it as an ordinary run, writes its number into the journal, and
takes the next. A trial whose process died goes on from its last checkpoint. Trials see train and
val; nothing is chosen on test.
"""

import json
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from optuna.trial import Trial
from rich.console import Console

from graphium.checkpoint.recover import recover
from graphium.config.experiment import Experiment
from graphium.errors import ConfigError, DivergenceError, StoppedError
from graphium.studies.claims import Claim, claim, deaths_at
from graphium.studies.journal import Journal
from graphium.studies.space import Space, as_overrides, shown
from graphium.studies.sweep_files import keep_best, trial_folder, write_best, write_csv
from graphium.studies.trial_watch import (
    Objective,
    PrunedError,
    TakenOverError,
    TimeIsUpError,
    TrialWatch,
)
from graphium.training.run import train
from graphium.training.signals import StopSignals

MAX_DEATHS = 3
"""Processes that may die, or meet an error, in a row at one trial without getting further."""
POLL = 2.0
"""Seconds between two looks at trials that other processes hold."""

log = logging.getLogger("graphium")


@dataclass(frozen=True, slots=True)
class Sweep:
    """What all processes of one sweep share, and how this one works on it."""

    folder: Path
    space: Space
    objective: Objective
    journal: Journal
    num_trials: int
    """Over all processes together, those that are finished included."""
    load: Callable[[list[str]], Experiment]
    """Reads the experiment with overrides."""
    prepare: Callable[[Experiment], None]
    """Makes the stores that a trial needs and that are missing."""
    store_root: Path
    console: Console
    deadline: float | None = None
    """``time.monotonic()`` after which no trial and no epoch begins."""
    waits: bool = True
    """Stay while others hold trials, and take over those of processes that die."""
    asked: StopSignals = field(default_factory=StopSignals)
    """Says whether to stop after the next step; the caller answers signals."""

    def work(self) -> bool:
        """Work on trials until none is left; returns whether all are finished.

        Raises:
            StoppedError: A signal asked for the end; the trial's last step is kept.
        """
        self.journal.top_up(self.num_trials)
        while self._open():
            did_something = False
            for number in self._open():
                if self._is_late():
                    return not self._open()
                did_something |= self._try(number)
            if not did_something:
                if not self.waits:
                    break
                self._stop_if_asked()
                time.sleep(POLL)
        return not self._open()

    def _stop_if_asked(self) -> None:
        if self.asked.asked:
            raise StoppedError("stopped on request between trials", requeue=self.asked.wants_more)

    def _is_late(self) -> bool:
        return self.deadline is not None and time.monotonic() > self.deadline

    def _open(self) -> list[int]:
        """Return the trials that nobody has finished."""
        trials = self.journal.trials()[: self.num_trials]
        return [one.number for one in trials if not one.state.is_finished()]

    def _try(self, number: int) -> bool:
        """Run a trial unless another process does; returns whether it did."""
        folder = trial_folder(self.folder, number)
        progress = _progress(folder)
        deaths = deaths_at(folder / "claims", progress)
        with claim(folder / "claims", progress) as held:
            if held is None or number not in self._open():  # or finished in between
                return False
            trial = self.journal.begin(number)
            if deaths >= MAX_DEATHS:
                reason = f"{deaths} processes in a row died or met an error after step {progress}"
                self.journal.fail(trial, reason)
                self._say(number, f"given up: {reason}")
            else:
                self._run(trial, held, folder, progress)
        self._tidy()
        self._stop_if_asked()
        return True

    def _run(self, trial: Trial, held: Claim, folder: Path, progress: int) -> None:
        """Train one trial and write down how it ended."""
        values = ", ".join(f"{key} {shown(value)}" for key, value in trial.params.items())
        self._say(trial.number, values + (f"; goes on after step {progress}" if progress else ""))
        try:
            experiment = self.load(as_overrides(trial.params))
        except ConfigError as error:  # one of those that were not drawn before the first trial
            self.journal.fail(trial, " ".join(str(error).split()))
            self._say(trial.number, str(error))
            return
        self.prepare(experiment)
        watch = TrialWatch(trial, self.objective, held, self.deadline)
        started = time.monotonic()
        resume = (folder / "checkpoints" / "last").is_symlink()
        for line in recover(folder / "checkpoints") if resume else ():
            self._say(trial.number, line)
        try:
            with _log_to(folder / "log.txt"):
                results = train(
                    experiment,
                    folder,
                    store_root=self.store_root,
                    resume=resume,
                    watchers=[watch],
                    evaluate=["val"],
                    asked=self.asked,
                ).results
        except PrunedError as end:
            self.journal.prune(trial, str(end))
            self._say(trial.number, f"pruned: {end}")
        except DivergenceError as error:
            self.journal.prune(trial, str(error).partition(". ")[0])
            self._say(trial.number, str(error))
        except torch.OutOfMemoryError as error:
            self.journal.fail(trial, "out of memory")
            self._say(trial.number, f"out of memory: {error}")
        except TimeIsUpError:
            self._say(trial.number, "time is up; it goes on when the sweep does")
        except TakenOverError:
            self._say(trial.number, "another process goes on with it: this one seemed dead")
        else:
            self._finish(trial, results, time.monotonic() - started)

    def _finish(self, trial: Trial, results: dict[str, Any], seconds: float) -> None:
        """Write down what a trial reached at its best epoch, whose weights are kept."""
        epoch = results["best_epoch"]
        reported = self.journal.trials()[trial.number].intermediate_values
        if epoch not in reported:
            self.journal.fail(trial, f"{self.objective} is not defined at the best epoch, {epoch}")
            self._say(trial.number, f"failed: {self.objective} is not defined")
            return
        self.journal.finish(trial, reported[epoch], epoch)
        best = self.journal.best()
        assert best is not None, "one has just finished"
        self._say(
            trial.number,
            f"{self.objective} {reported[epoch]:.4g} at epoch {epoch} of {results['epochs']}, "
            f"{seconds:.0f} s (best: {best.value:.4g} of trial {best.number})",
        )

    def _tidy(self) -> None:
        """Write the table, and keep the models of the best trial alone."""
        trials = self.journal.trials()
        best = self.journal.best()
        write_csv(self.folder / "trials.csv", trials, self.space)
        keep_best(self.folder, trials, best)
        if best is not None:
            write_best(self.folder, best.number)

    def test_best(self) -> Path | None:
        """Evaluate the best trial's model on val and test; returns its folder.

        None where no trial was finished, or another process is at it.
        """
        best = self.journal.best()
        if best is None:
            return None
        folder = trial_folder(self.folder, best.number)
        results = json.loads((folder / "results.json").read_text())
        if any("test" in task for task in results["tasks"].values()):
            return folder
        with claim(self.folder / "test-claims", best.number) as held:
            if held is None:
                return None
            experiment = self.load(as_overrides(best.params))
            train(experiment, folder, store_root=self.store_root, resume=True)
        return folder

    def _say(self, number: int, text: str) -> None:
        line = f"trial {number} of {self.num_trials}: {text}"
        self.console.print(line, highlight=False, soft_wrap=True, markup=False)


def _progress(folder: Path) -> int:
    """Return the optimiser steps of the last checkpoint of a trial."""
    last = folder / "checkpoints" / "last"
    return int(last.resolve().name.removeprefix("step-")) if last.is_symlink() else 0


@contextmanager
def _log_to(path: Path) -> Iterator[None]:
    handler = logging.FileHandler(path)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(message)s"))
    log.setLevel(logging.INFO)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        handler.close()
