"""``sweep.html``: what a sweep tried, what it reached and which options matter."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.importance import FanovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from graphium.apply.comparison import format_number
from graphium.apply.figures.sweeps import TrialPoint, curves, history, importances, slices
from graphium.apply.page import page_templates
from graphium.store.files import write_atomic
from graphium.studies.journal import Journal
from graphium.studies.space import Dimension, Space, shown
from graphium.studies.sweep_files import STATES, writer
from graphium.studies.trial_watch import Objective

LEAST_FOR_IMPORTANCES = 4


@dataclass(frozen=True, slots=True)
class OptionLine:
    """One option of the table of the best."""

    key: str
    best: str
    tried: str


@dataclass(frozen=True, slots=True)
class TrialLine:
    """One trial of the table of all."""

    number: int
    state: str
    value: str
    epochs: int
    options: list[str]
    reason: str


def write_page(
    folder: Path, name: str, journal: Journal, space: Space, objective: Objective
) -> Path:
    """Write ``sweep.html`` from the journal; returns its path."""
    target = folder / "sweep.html"
    page = render_page(name, journal, space, objective)
    write_atomic(target, page.encode(), writer())
    return target


def render_page(name: str, journal: Journal, space: Space, objective: Objective) -> str:
    """Return the page as HTML."""
    trials = [one for one in journal.trials() if one.state != TrialState.WAITING]
    best = journal.best()
    params: Mapping[str, Any] = {} if best is None else best.params
    facts = {
        "name": name,
        "objective": str(objective),
        "lower_is_better": objective.direction == "minimize",
        "counts": Counter(STATES[one.state] for one in journal.trials()),
        "best": None if best is None else _best(best),
        "options": [
            OptionLine(one.key, _text(params.get(one.key)), _tried(one)) for one in space.dimensions
        ],
        "rows": [_line(one, space) for one in trials],
        "conditional": any(one.when for one in space.dimensions),
        "least": LEAST_FOR_IMPORTANCES,
    }
    if best is not None:
        facts |= _figures(trials, best, journal, space, objective)
    return page_templates().get_template("sweep.html.j2").render(facts)


def find_importances(study: optuna.Study) -> dict[str, float]:
    """Return the importance of each option that all finished trials have, the largest first.

    Nothing where there are too few trials, or all reached the same.
    """
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < LEAST_FOR_IMPORTANCES or len({one.value for one in done}) == 1:
        return {}
    return get_param_importances(study, evaluator=FanovaImportanceEvaluator(seed=0))


def _figures(
    trials: Sequence[FrozenTrial],
    best: FrozenTrial,
    journal: Journal,
    space: Space,
    objective: Objective,
) -> dict[str, Any]:
    points = [_point(one, space) for one in trials if one.state.is_finished()]
    tried = {one.key: one.is_log for one in space.dimensions if _was_tried(one, points)}
    shares = find_importances(journal.study)
    title = str(objective)
    return {
        "history": history(points, title, lower_is_better=objective.direction == "minimize"),
        "curves": curves(points, best.number, title),
        "importances": importances(shares) if shares else "",
        "slices": slices(points, tried, best.number, title),
    }


def _was_tried(dimension: Dimension, points: Sequence[TrialPoint]) -> bool:
    return any(dimension.key in one.values and one.value is not None for one in points)


def _point(trial: FrozenTrial, space: Space) -> TrialPoint:
    values = {
        one.key: shown(trial.params[one.key]) if one.choices else float(trial.params[one.key])
        for one in space.dimensions
        if one.key in trial.params
    }
    value = trial.value if trial.state == TrialState.COMPLETE else None
    return TrialPoint(trial.number, value, trial.intermediate_values, values)


def _best(trial: FrozenTrial) -> dict[str, Any]:
    epoch = trial.user_attrs["best_epoch"]
    return {"number": trial.number, "value": format_number(trial.value), "epoch": epoch}


def _line(trial: FrozenTrial, space: Space) -> TrialLine:
    is_done = trial.state == TrialState.COMPLETE
    return TrialLine(
        number=trial.number,
        state=STATES[trial.state],
        value=format_number(trial.value) if is_done else "",
        epochs=trial.last_step or 0,
        options=[_text(trial.params.get(one.key)) for one in space.dimensions],
        reason=trial.user_attrs.get("reason", ""),
    )


def _text(value: int | float | str | None) -> str:
    return "" if value is None else shown(value)


def _tried(dimension: Dimension) -> str:
    if dimension.choices:
        text = ", ".join(map(shown, dimension.choices))
    else:
        text = f"{dimension.low:g} to {dimension.high:g}"
        text += ", logarithmic" if dimension.is_log else ""
        has_step = dimension.step is not None and dimension.step != 1
        text += f", step {dimension.step:g}" if has_step else ""
    if dimension.when:
        conditions = (f"{k} is {' or '.join(map(shown, v))}" for k, v in dimension.when.items())
        text += f"; where {' and '.join(conditions)}"
    return text
