"""Write a checkpoint so that it is either whole or not there.

Files are written into a hidden directory beside the target, each is fsynced, then the directory,
and one rename gives it its name. A process killed at any moment leaves the checkpoints that were
there before and at most a hidden directory, which the next write of the same name removes.
"""

import glob
import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError
from pydantic_core import PydanticSerializationError
from safetensors.torch import save
from torch import Tensor

from graphium.checkpoint.format import MANIFEST, FileName, ModelRecord
from graphium.checkpoint.manifest import make_manifest
from graphium.checkpoint.tree import flatten, plain_tensors
from graphium.errors import CheckpointError
from graphium.store.disk_errors import describe
from graphium.store.files import sync_folder


def write_checkpoint(
    path: Path,
    record: ModelRecord,
    weights: Mapping[str, Tensor],
    training: Mapping[str, Any] | None = None,
) -> None:
    """Write a checkpoint directory; one of the same name is replaced once the new one is whole.

    Args:
        path: The directory; its parents are made.
        record: What the network is.
        weights: Its parameters and buffers by name.
        training: What a resumed run needs (see ``tree.py`` for what it may hold).

    Raises:
        CheckpointError: Something in the record or the tree cannot be kept exactly, ``path`` is
            something else than a checkpoint, or the disk is full or fails.
    """
    if path.is_symlink() or (path.exists() and not (path / MANIFEST).is_file()):
        raise CheckpointError(f"{path} exists and is not a checkpoint; it is not overwritten")
    path.parent.mkdir(parents=True, exist_ok=True)
    for leftover in path.parent.glob(f".{glob.escape(path.name)}.*.tmp"):
        shutil.rmtree(leftover)
    temporary = _hidden(path)
    temporary.mkdir()
    try:
        _write_files(temporary, record, weights, training)
        _replace(path, temporary)
    except OSError as error:
        problem = describe(error, path.parent, _num_bytes(weights, training))
        raise CheckpointError(
            f"the checkpoint {path} could not be written: {problem}. Those "
            "before it are whole; when the cause is mended, go on with graphium-train --resume RUN"
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def point(link: Path, target: Path) -> None:
    """Let ``link`` name ``target`` from one moment to the next, by a relative symbolic link.

    Raises:
        CheckpointError: ``link`` exists and is not a link.
    """
    if link.exists() and not link.is_symlink():
        raise CheckpointError(f"{link} exists and is not a link; move it away")
    temporary = _hidden(link)
    temporary.symlink_to(os.path.relpath(target, link.parent), target_is_directory=True)
    temporary.replace(link)
    sync_folder(link.parent)


def remove_checkpoint(path: Path) -> None:
    """Remove a checkpoint, so that it is whole or gone at every moment.

    Raises:
        CheckpointError: There is something else at ``path``.
    """
    if path.is_symlink() or not (path / MANIFEST).is_file():
        raise CheckpointError(f"{path} is not a checkpoint; it is not removed")
    temporary = _hidden(path)
    path.rename(temporary)
    shutil.rmtree(temporary)


def _write_files(
    folder: Path,
    record: ModelRecord,
    weights: Mapping[str, Tensor],
    training: Mapping[str, Any] | None,
) -> None:
    names: list[FileName] = ["model.json", "model.safetensors"]
    _write(folder / "model.json", _to_json(_dump(record), indent=2))
    _write(folder / "model.safetensors", save(plain_tensors(weights)))
    if training is not None:
        names += ["training.json", "training.safetensors"]
        encoded, tensors = flatten(dict(training))
        _write(folder / "training.json", _to_json(encoded))
        _write(folder / "training.safetensors", save(tensors))
    _write(folder / MANIFEST, make_manifest(folder, names).render())
    sync_folder(folder)


def _num_bytes(weights: Mapping[str, Tensor], training: Mapping[str, Any] | None) -> int:
    """Return about how large a checkpoint is: its tensors."""
    tensors = [*weights.values(), *flatten(dict(training or {}))[1].values()]
    return sum(tensor.numel() * tensor.element_size() for tensor in tensors)


def _dump(record: ModelRecord) -> dict[str, Any]:
    refusal = CheckpointError(
        "the model's record does not survive JSON; its experiment must be plain JSON values and "
        "its label statistics finite"
    )
    try:
        dumped = record.model_dump(mode="json")
        is_same = ModelRecord.model_validate(dumped) == record
    except (PydanticSerializationError, ValidationError) as error:
        raise refusal from error
    if not is_same:
        raise refusal
    return dumped


def _to_json(value: Any, indent: int | None = None) -> bytes:
    try:
        return (json.dumps(value, indent=indent, allow_nan=False) + "\n").encode()
    except (ValueError, TypeError) as error:
        raise CheckpointError(f"the checkpoint cannot be written as JSON: {error}") from error


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    sync_folder(path)  # a file's content, too


def _replace(path: Path, temporary: Path) -> None:
    """Give a whole checkpoint its name; an older one of that name steps aside for it."""
    if path.exists():
        aside = _hidden(path)
        path.rename(aside)
        temporary.rename(path)
        shutil.rmtree(aside)
    else:
        temporary.rename(path)
    sync_folder(path.parent)


def _hidden(path: Path) -> Path:
    return path.parent / f".{path.name}.{secrets.token_hex(4)}.tmp"
