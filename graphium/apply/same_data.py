"""Whether the stores still hold what a run was trained on; its table may have changed since."""

import numpy as np
from numpy.typing import NDArray

from graphium.apply.finished_run import FinishedRun
from graphium.batching.mix_data import Mix
from graphium.errors import DataError
from graphium.labels.splits import PARTS


def check_same_data(run: FinishedRun, mix: Mix) -> None:
    """Refuse data that changed since the run, because its model was not trained on them.

    Compared are the rows of each part, the number of labels of each column and part, and the
    labels of val and test that the run kept beside its predictions: all, or of molecules drawn at
    random where they were too many.

    Raises:
        DataError: Something differs; the message names the datasets or tasks.
    """
    then, now = run.parts(), mix.splits()
    changed = [f"the parts of dataset '{name}'" for name in now if then.get(name) != now[name]]
    # Where rows moved, labels differ as a matter of course.
    changed = changed or [
        f"the labels of task '{name}'" for name in mix.tasks if not _has_same_labels(run, mix, name)
    ]
    if changed:
        raise DataError(
            f"{' and '.join(changed)} changed since {run.path} was trained, so that baselines on "
            "the tables of today would not be comparable with its model. Put the old tables back, "
            "train again, or leave the baselines out with --no-baselines"
        )


def _has_same_labels(run: FinishedRun, mix: Mix, name: str) -> bool:
    task, result = mix.tasks[name], run.results.tasks.get(name)
    if result is None or result.coverage != mix.report.tasks[name].labels:
        return False
    for part in ("val", "test"):
        table = run.predictions(part, name)
        if table is None:
            continue
        are_some = name in run.results.rows_left_out.get(part, {})
        values = task.values_of(mix.part, PARTS.index(part))
        for label, column in zip(task.spec.labels, values.T, strict=True):
            # Sorted, because ranks and joins may order rows in another way; written to 7 digits.
            before = np.sort(table[label].dropna().to_numpy(np.float64))
            known = np.sort(column[~np.isnan(column)]).astype(np.float64)
            if are_some and len(before) <= len(known):
                known = _nearest(known, before)
            if before.shape != known.shape or not np.allclose(before, known, rtol=1e-5, atol=0):
                return False
    return True


def _nearest(known: NDArray[np.float64], to: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return of ``known``, sorted, what is nearest to each of other numbers."""
    if not len(to):
        return to
    after = np.searchsorted(known, to).clip(max=len(known) - 1)
    before = (after - 1).clip(min=0)
    is_before = np.abs(known[before] - to) < np.abs(known[after] - to)
    return known[np.where(is_before, before, after)]
