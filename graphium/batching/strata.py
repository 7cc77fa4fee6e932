"""Which molecules of which dataset one epoch visits, as a function of seed and epoch."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from graphium.batching.mix_data import Mix
from graphium.config.sampling import SamplingConfig
from graphium.errors import DataError
from graphium.labels.seeded_hash import seeded_hash


@dataclass(frozen=True, slots=True)
class Stratum:
    """The training molecules of one dataset, and how many visits they get in an epoch."""

    molecules: NDArray[np.int64]
    """[n] positions in the mix, increasing."""
    visits: int
    """Per epoch; more than n where molecules are visited several times."""

    def visited(self, seeds: Sequence[int], epoch: int) -> NDArray[np.int64]:
        """Return [visits] the molecules of one epoch.

        All epochs together go round and round: every molecule is visited once before any is
        visited again, in an order that is new in each round.

        Args:
            seeds: Choose the orders.
            epoch: Counted from 0.
        """
        size = len(self.molecules)
        first, out, taken = epoch * self.visits, [], 0
        while taken < self.visits:
            round_, place = divmod(first + taken, size)
            order = np.argsort(seeded_hash((*seeds, round_), self.molecules), kind="stable")
            piece = self.molecules[order[place : place + self.visits - taken]]
            out.append(piece)
            taken += len(piece)
        return np.concatenate([np.zeros(0, np.int64), *out])


def strata(mix: Mix, sampling: SamplingConfig) -> dict[str, Stratum] | None:
    """Return the training molecules by dataset with their visits; None: each of them once.

    Args:
        mix: The data.
        sampling: The section ``batch.sampling``.

    Raises:
        DataError: Nothing would be visited.
    """
    train = mix.part == 0
    of_dataset = {}
    for name, source in mix.sources.items():
        members = np.unique(source.molecule[source.molecule >= 0])
        of_dataset[name] = members[train[members]]
    sizes = {name: len(members) for name, members in of_dataset.items()}
    match sampling.kind:
        case "each":
            return None
        case "fractions":
            shares = {
                name: size * sampling.fractions.get(name, 1.0) for name, size in sizes.items()
            }
            visits = {name: max(round(share), int(share > 0)) for name, share in shares.items()}
        case "weights":
            shares = {name: sampling.weights[name] * bool(size) for name, size in sizes.items()}
            visits = _divide(sampling.epoch_molecules or int(train.sum()), shares)
        case "temperature":
            shares = {name: size ** (1 / sampling.temperature) for name, size in sizes.items()}
            visits = _divide(sampling.epoch_molecules or int(train.sum()), shares)
        case _:
            assert_never(sampling.kind)
    if not sum(visits.values()):
        raise DataError(
            f"batch.sampling ({sampling.kind}) visits no molecule of {', '.join(sizes)}; give a "
            "dataset that has training molecules a larger share"
        )
    return {name: Stratum(of_dataset[name], visits[name]) for name in of_dataset if visits[name]}


def _divide(total: int, shares: Mapping[str, float]) -> dict[str, int]:
    """Divide ``total`` visits in these proportions; the rounded parts add up to it.

    Whoever has a share has one visit at least, or it would never be seen.
    """
    whole = sum(shares.values())
    if not whole:
        return dict.fromkeys(shares, 0)
    ends = np.rint(np.cumsum(list(shares.values())) / whole * total).astype(np.int64)
    parts = np.maximum(np.diff(ends, prepend=0), np.array(list(shares.values())) > 0)
    largest = int(np.argmax(parts))
    parts[largest] = max(1, parts[largest] - (parts.sum() - total))
    return dict(zip(shares, parts.tolist(), strict=True))
