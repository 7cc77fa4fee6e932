"""Static batches of a size that the user gives: how many molecules fit into them."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from graphium.batching.balanced import BalancedSampler
from graphium.batching.mix_data import Mix
from graphium.batching.static import MoleculeCounts, static_shape
from graphium.batching.strata import Stratum
from graphium.config.training import BudgetConfig
from graphium.errors import DataError, quoted
from graphium.graphs.mol_batch import BatchShape


def fit_budget(
    budget: BudgetConfig,
    mix: Mix,
    counts: MoleculeCounts,
    sampler_of: Callable[[int], BalancedSampler],
    strata: Mapping[str, Stratum] | None = None,
) -> tuple[BalancedSampler, BatchShape]:
    """Return the division with the most molecules in a step whose micro-batches fit, and the shape.

    Args:
        budget: The section ``batch.budget``.
        mix: The data.
        counts: Of all its molecules.
        sampler_of: Makes the division into steps of so many molecules at most.
        strata: Where epochs visit different molecules.

    Raises:
        DataError: A molecule is larger than the budget, or the budget is too small for the
            differences between molecules.
    """
    given = budget.model_dump(exclude_none=True)
    of_molecules = {
        "atoms": counts.atoms,
        "bonds": counts.bonds,
        "molecules": np.ones_like(counts.atoms),
    }
    one = sampler_of(1)
    visits, shares = one.order(0), one.shares
    size = len(visits)
    for name, limit in given.items():
        _refuse_larger(name, limit, of_molecules[name], mix)
        mean = max(float(of_molecules[name][visits].mean()), 1e-9) if len(visits) else 1.0
        size = min(size, int((limit - _PADDING[name]) * shares / mean))
    fewer = max(size // 200, 1)
    shape = None
    while size > 0:
        sampler = sampler_of(size)
        shape = static_shape(sampler, counts, strata)
        if all(getattr(shape, name) <= limit for name, limit in given.items()):
            return sampler, replace(shape, **given)
        size, fewer = size - fewer, 2 * fewer
    needed = (
        "" if shape is None else ", ".join(f"{name} {getattr(shape, name):,}" for name in given)
    )
    raise DataError(
        f"batch.budget is too small for molecules as different as these: even micro-batches of few "
        f"may need {needed}; raise it, or leave it out"
    )


_PADDING = {"atoms": 1, "bonds": 0, "molecules": 1}


def _refuse_larger(name: str, limit: int, of_molecules: NDArray[np.int64], mix: Mix) -> None:
    """Refuse a budget that is smaller than one molecule to train on, with its padding."""
    train = mix.molecules("train")
    if not len(train):
        return
    worst = int(train[np.argmax(of_molecules[train])])
    needed = int(of_molecules[worst]) + _PADDING[name]
    if needed > limit:
        raise DataError(
            f"batch.budget.{name} is {limit:,}, and row {mix.source_row[worst]} (from 0) of "
            f"dataset '{list(mix.sources)[mix.dataset[worst]]}', {quoted(mix.smiles()[worst])}, "
            f"needs {needed:,}; give at least so many"
        )
