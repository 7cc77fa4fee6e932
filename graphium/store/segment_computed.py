"""What RDKit computes for the molecules of one segment, chunk by chunk (in a worker)."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from graphium.store.families import stored_family
from graphium.store.records import Coverage, Family, Plan

CHUNK = 100
"""Molecules between two reports of progress: descriptors take some milliseconds each."""


@dataclass(frozen=True, slots=True)
class ComputedArrays:
    """Computed labels of a segment."""

    arrays: dict[str, NDArray[Any]]
    """The families, as they are stored."""
    attributes: dict[str, dict[str, Any]]
    lists: dict[str, list[NDArray[np.float32]]]
    """Column -> one array for each molecule, over its atoms or bonds."""
    coverage: dict[str, Coverage]
    """Of the families."""
    missing: dict[str, dict[str, int]]
    """Column or family -> reason -> molecules of which a label is missing."""


def compute_segment(
    plan: Plan, smiles: Sequence[str], report: Callable[[int], None]
) -> ComputedArrays:
    """Compute all that the plan asks for; each molecule is parsed once.

    Args:
        plan: Which kinds.
        smiles: The accepted molecules of the segment.
        report: Called with the number of molecules that were done since the last call.
    """
    out = ComputedArrays({}, {}, {}, {}, {})
    if not plan.computed:
        return out
    # Only tables that ask for computed labels pay for the import.
    from graphium.molecules.computed import compute_labels

    wide: dict[str, list[NDArray[Any]]] = {family.kind: [] for family in plan.families}
    missing: dict[str, Counter[str]] = {kind: Counter() for kind in plan.computed}
    for first in range(0, len(smiles), CHUNK):
        chunk = smiles[first : first + CHUNK]
        for kind, labels in compute_labels(plan.computed, chunk, plan.fingerprint).items():
            missing[kind].update(labels.missing)
            if labels.wide is not None:
                wide[kind].append(stored_family(labels.wide))
            else:
                out.lists.setdefault(kind, []).extend(labels.lists or [])
        report(len(chunk))
    out.missing.update({kind: dict(counts) for kind, counts in missing.items()})
    for family in plan.families:
        width = len(family.columns)
        empty = stored_family(np.zeros((0, width), np.uint8 if family.is_binary else np.float32))
        array = np.concatenate([empty, *wide[family.kind]])
        out.arrays[family.kind] = array
        out.attributes[family.kind] = {"names": list(family.names), "is_binary": family.is_binary}
        out.coverage[family.kind] = _count(array, family, out.missing[family.kind])
    return out


def _count(array: NDArray[Any], family: Family, missing: dict[str, int]) -> Coverage:
    if family.is_binary:
        known = np.full(len(array), len(family.columns))
    else:
        known = (~np.isnan(array)).sum(axis=1)
    return Coverage(molecules=int((known > 0).sum()), labels=int(known.sum()), missing=missing)
