"""Older checkpoints, made to look as if this version had written them."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from torch import Tensor

from graphium.checkpoint.format import FORMAT_VERSION
from graphium.errors import CheckpointError

Model = tuple[dict[str, Any], dict[str, Tensor]]
"""The content of ``model.json`` and the weights by name."""

MIGRATIONS: Mapping[int, Callable[[Model], Model]] = {}
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
