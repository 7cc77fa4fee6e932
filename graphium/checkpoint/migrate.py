"""Older checkpoints, made to look as if this version had written them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from graphium.checkpoint.format import FORMAT_VERSION
from graphium.errors import CheckpointError

Model = tuple[dict[str, Any], dict[str, Tensor]]
"""The content of ``model.json`` and the weights by name."""


def _give_encodings_a_section(model: Model) -> Model:
    """Move the encodings' sizes into ``features.encodings``; 0 had switched one off."""
    record, weights = model
    features = dict(record["experiment"].get("features", {}))
    encodings: dict[str, Any] = {}
    for old, name, size in (
        ("random_walk_steps", "random_walk", "steps"),
        ("laplacian_eigenvectors", "laplacian", "k"),
    ):
        if old in features:
            value = features.pop(old)
            encodings[name] = {size: value} if value else None
    if encodings:
        features["encodings"] = encodings
        record = {**record, "experiment": {**record["experiment"], "features": features}}
    return record, weights


MIGRATIONS: Mapping[int, Callable[[Model], Model]] = {1: _give_encodings_a_section}
"""Format version -> step to the next one. Each version before ``FORMAT_VERSION`` has its step, and
a checkpoint of that version stays in ``tests/checkpoint/formats``."""


def check_version(version: int, checkpoint: Path) -> None:
    """Refuse a format that this graphium does not know.

    Raises:
        CheckpointError: The checkpoint is newer, or its version never existed.
    """
    if version > FORMAT_VERSION:
        raise CheckpointError(
            f"{checkpoint} has checkpoint format {version}, and this graphium reads formats up to "
            f"{FORMAT_VERSION}; update graphium"
        )
    if version < 1:
        raise CheckpointError(
            f"{checkpoint} says checkpoint format {version}, which never existed; it is damaged"
        )


def migrate(model: Model, version: int) -> Model:
    """Return a model of any known version in today's format."""
    for step in range(version, FORMAT_VERSION):
        model = MIGRATIONS[step](model)
    return model
