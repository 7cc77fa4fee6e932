"""What RDKit computes for the molecules of one segment, chunk by chunk (in a worker)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.molecules.given import Positions
from graphium.store.families import empty_family, pack_bits
from graphium.store.records import Coverage, Family, Plan

CHUNK = 100
"""Molecules between two reports of progress: descriptors take some milliseconds each."""


@dataclass(frozen=True, slots=True)
class ComputedArrays:
    """What was computed for a segment."""

    arrays: dict[str, NDArray[Any]]
    """The families and the positions, as they are stored."""
    attributes: dict[str, dict[str, Any]]
    lists: dict[str, list[NDArray[np.float32]]]
    """Column -> one array for each molecule, over its atoms or bonds."""
    coverage: dict[str, Coverage]
    """Of the families."""
    missing: dict[str, dict[str, int]]
    """Column or family -> reason -> molecules of which a label is missing."""
    conformers: Coverage | None = None
    """Molecules and atoms with coordinates, where they were asked for."""


def compute_segment(
    plan: Plan,
    smiles: Sequence[str],
    given: Sequence[Positions],
    report: Callable[[int], None],
) -> ComputedArrays:
    """Compute all that the plan asks for.

    Args:
        plan: Which kinds.
        smiles: The accepted molecules of the segment.
        given: Coordinates that the table gives the atoms of each SMILES.
        report: Called with the number of molecules that were done since the last call.
    """
    if not plan.computes:
        return ComputedArrays({}, {}, {}, {}, {})
    # Only tables that ask for it pay for the import.
    from graphium.molecules.computed import ComputeRequest, compute

    request = ComputeRequest(plan.computed, plan.fingerprint, plan.conformers, plan.hydrogens)
    labels: dict[str, list[NDArray[Any]]] = {kind: [] for kind in plan.computed}
    positions: list[NDArray[np.float32]] = []
    missing: dict[str, Counter[str]] = {}
    binary = {family.kind for family in plan.families if family.is_binary}
    for first in range(0, len(smiles), CHUNK):
        part = slice(first, first + CHUNK)
        found = compute(request, smiles[part], given[part])
        for kind, values in found.labels.items():
            labels[kind] += [pack_bits(row) for row in values] if kind in binary else values
        positions += found.positions
        for name, counts in found.missing.items():
            missing.setdefault(name, Counter()).update(counts)
        report(len(smiles[first : first + CHUNK]))
    reasons = {name: dict(sorted(counts.items())) for name, counts in missing.items()}
    return _collect(plan, labels, positions, reasons)


def _collect(
    plan: Plan,
    labels: dict[str, list[NDArray[Any]]],
    positions: list[NDArray[np.float32]],
    missing: dict[str, dict[str, int]],
) -> ComputedArrays:
    out = ComputedArrays({}, {}, {}, {}, missing)
    for family in plan.families:
        array = np.stack(labels.pop(family.kind)) if labels[family.kind] else empty_family(family)
        out.arrays[family.kind] = array
        out.attributes[family.kind] = {"names": list(family.names), "is_binary": family.is_binary}
        out.coverage[family.kind] = _count(array, family, missing.get(family.kind, {}))
    out.lists.update(labels)
    if plan.conformers is None:
        return out
    out.arrays["positions"] = np.concatenate([np.zeros((0, 3), np.float32), *positions])
    how = plan.conformers.options
    out.attributes["positions"] = {"unit": "angstrom", "method": how}
    known = [len(one) for one in positions if not np.isnan(one).any()]
    reasons = missing.get("positions", {})
    conformers = Coverage(molecules=len(known), labels=sum(known), missing=reasons)
    return replace(out, conformers=conformers)


def _count(array: NDArray[Any], family: Family, missing: dict[str, int]) -> Coverage:
    if family.is_binary:
        known = np.full(len(array), len(family.columns))
    else:
        known = (~np.isnan(array)).sum(axis=1)
    return Coverage(molecules=int((known > 0).sum()), labels=int(known.sum()), missing=missing)
