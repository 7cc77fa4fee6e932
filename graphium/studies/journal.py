"""The memory of a sweep: an Optuna study in a journal file that any number of processes share.

Every trial is made at the start, waiting, so that the number of trials is exact whatever happens to
the processes; who runs one is decided by ``claims.py``. A trial that was begun stays ``RUNNING`` in
the journal until somebody has finished it.
"""

from pathlib import Path
from typing import Literal

import optuna
from optuna.pruners import BasePruner, HyperbandPruner, MedianPruner, NopPruner
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from graphium.errors import DataError
from graphium.studies.space import Dimension, Space
from graphium.training.randomness import derive_seed

Direction = Literal["minimize", "maximize"]
PrunerName = Literal["median", "hyperband", "none"]

JOURNAL = "journal.log"
STARTUP_TRIALS = 5
"""Finished trials before the median says anything."""
FIRST_EPOCH = 3
"""No trial is cut short by the median earlier: the first epoch is one of rising learning rates."""

_STUDY = "sweep"
_NOT_ITS_OWN = (
    ValueError, TypeError, LookupError, AttributeError, AssertionError, OverflowError,
    RecursionError, optuna.exceptions.OptunaError,
)  # fmt: skip


class Journal:
    """The study of one sweep folder.

    Args:
        folder: The sweep folder.
        space: What is sampled.
        direction: Whether a low or a high value is good.
        pruner: Which unpromising trials end early.
        max_epochs: Epochs of a trial that runs to its end.
        seed: Of the sampler; each trial's values depend on it, on its number and on what the
            journal knows when it begins.

    Attributes:
        study: For importances; trials are read with ``trials``.

    Raises:
        DataError: The journal is damaged.
    """

    def __init__(
        self,
        folder: Path,
        space: Space,
        *,
        direction: Direction,
        pruner: PrunerName,
        max_epochs: int,
        seed: int,
    ) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        path = folder / JOURNAL
        mend_journal(path)
        lock = JournalFileOpenLock(str(path))
        self._space = space
        self._seed = seed
        try:
            self._storage = JournalStorage(JournalFileBackend(str(path), lock_obj=lock))
            self.study = optuna.create_study(
                study_name=_STUDY,
                storage=self._storage,
                direction=direction,
                pruner=_pruner(pruner, max_epochs),
                load_if_exists=True,
            )
            if len(self.study.directions) != 1:
                raise ValueError("a sweep has one direction")
            _check_values(self.trials())
        # Optuna believes what it reads: a line that it did not write can lead to any of these.
        except _NOT_ITS_OWN as error:
            reason = f"{type(error).__name__} {error}".strip()
            raise DataError(
                f"{path} is damaged: it is no journal of trials ({reason}). Take the journal back "
                "from a copy, or begin anew in another folder"
            ) from error

    def top_up(self, num_trials: int) -> None:
        """Make trials until there are so many; processes at once may make more, never fewer."""
        for _ in range(num_trials - len(self.trials())):
            self.study.enqueue_trial({})

    def trials(self) -> list[FrozenTrial]:
        """Return all trials by number, as the journal has them now."""
        return self.study.get_trials(deepcopy=False)

    def begin(self, number: int) -> Trial:
        """Return a trial to work on, with its values sampled; those it has already stay.

        The caller holds the claim of the trial.
        """
        self.study.sampler = TPESampler(seed=derive_seed(self._seed, "trial", number) % 2**32)
        study_id = self._storage.get_study_id_from_name(_STUDY)
        trial_id = self._storage.get_trial_id_from_study_id_trial_number(study_id, number)
        if self.trials()[number].state == TrialState.WAITING:
            self._storage.set_trial_state_values(trial_id, state=TrialState.RUNNING)
        trial = Trial(self.study, trial_id)
        self._space.sample(lambda dimension: _suggest(trial, dimension))
        return trial

    def finish(self, trial: Trial, value: float, best_epoch: int) -> None:
        """Write down that a trial ran to its end."""
        trial.set_user_attr("best_epoch", best_epoch)
        self.study.tell(trial, value)

    def prune(self, trial: Trial, reason: str) -> None:
        """Write down that a trial is not worth going on with."""
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=TrialState.PRUNED)

    def fail(self, trial: Trial, reason: str) -> None:
        """Write down that a trial cannot be finished."""
        trial.set_user_attr("reason", reason)
        self.study.tell(trial, state=TrialState.FAIL)

    def best(self) -> FrozenTrial | None:
        """Return the best finished trial; of equal ones the first."""
        done = [one for one in self.trials() if one.state == TrialState.COMPLETE]
        sign = 1 if self.study.direction == optuna.study.StudyDirection.MINIMIZE else -1
        return min(done, key=lambda one: sign * _value(one), default=None)


def _check_values(trials: list[FrozenTrial]) -> None:
    """Check what Optuna does not when it reads a trial.

    Raises:
        TypeError: A value is of another type than those that are written.
    """
    for trial in trials:
        numbers = [*(trial.values or ()), *trial.intermediate_values.values()]
        steps = [*trial.intermediate_values, trial.user_attrs.get("best_epoch", 0)]
        is_whole = all(isinstance(one, float) for one in numbers)
        is_whole &= all(type(one) is int for one in steps)
        is_whole &= isinstance(trial.user_attrs.get("reason", ""), str)
        if not is_whole or (trial.state == TrialState.COMPLETE and len(trial.values or ()) != 1):
            raise TypeError(f"trial {trial.number} has values of another type")


def _value(trial: FrozenTrial) -> float:
    assert trial.value is not None, "a complete trial has a value"
    return trial.value


def mend_journal(path: Path) -> None:
    """Remove a last line that a machine did not finish writing; without, nothing could be added."""
    if not path.exists() or path.read_bytes()[-1:] in (b"", b"\n"):
        return
    lock = JournalFileOpenLock(str(path))
    lock.acquire()
    try:
        content = path.read_bytes()  # again: it may have been somebody's line in the making
        with path.open("r+b") as file:
            file.truncate(content.rfind(b"\n") + 1)
    finally:
        lock.release()


def _suggest(trial: Trial, dimension: Dimension) -> int | float | str:
    """Sample an option; a trial that has a value keeps it."""
    key, low, high, step = dimension.key, dimension.low, dimension.high, dimension.step
    if dimension.choices:
        return trial.suggest_categorical(key, dimension.choices)
    if dimension.is_integer:
        every = 1 if step is None else int(step)
        return trial.suggest_int(key, int(low), int(high), step=every, log=dimension.is_log)
    return trial.suggest_float(key, low, high, step=step, log=dimension.is_log)


def _pruner(name: PrunerName, max_epochs: int) -> BasePruner:
    """Return Optuna's pruner; its steps are our epochs, counted from 1."""
    if name == "median":
        first = max(FIRST_EPOCH, max_epochs // 5)
        return MedianPruner(n_startup_trials=STARTUP_TRIALS, n_warmup_steps=first)
    if name == "hyperband":
        return HyperbandPruner(min_resource=1, max_resource=max(max_epochs, 2))
    return NopPruner()
