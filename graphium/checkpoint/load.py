"""Find, verify and read checkpoints."""

import json
from pathlib import Path
from typing import Any, get_args

import safetensors.torch
from pydantic import ValidationError
from safetensors import SafetensorError
from torch import Tensor

from graphium.checkpoint.format import FORMAT_VERSION, MANIFEST, FileName, ModelRecord
from graphium.checkpoint.manifest import Manifest, read_manifest, read_verified
from graphium.checkpoint.migrate import migrate
from graphium.checkpoint.tree import unflatten
from graphium.config.experiment import Experiment
from graphium.config.suggest import did_you_mean
from graphium.errors import CheckpointError
from graphium.graphs.properties import FEATURIZER_VERSION

_MOST_SHOWN = 10
"""Models that a message lists."""


def read_model(path: Path) -> tuple[ModelRecord, dict[str, Tensor]]:
    """Return what a checkpoint's network is, and its weights by name, on the CPU.

    The files that are read are verified first; those of the training state are not touched.

    Raises:
        CheckpointError: The checkpoint is absent, damaged or of an unknown version.
    """
    manifest = read_manifest(path)
    model = _json(path, manifest, "model.json"), _tensors(path, manifest, "model.safetensors")
    try:
        record, weights = migrate(model, manifest.version)
        return ModelRecord.model_validate(record), weights
    except (ValidationError, KeyError, TypeError, AttributeError) as error:
        raise CheckpointError(
            f"{path / 'model.json'} does not describe a model: {error}"
        ) from error


def check_featurizer(record: ModelRecord, path: Path) -> None:
    """Refuse a network that learned to read other atom and bond properties than ours.

    Raises:
        CheckpointError: The model at ``path`` is of another version of the featurizer.
    """
    if record.featurizer_version != FEATURIZER_VERSION:
        raise CheckpointError(
            f"{path} reads atoms as version {record.featurizer_version} of the featurizer "
            f"describes them; this is version {FEATURIZER_VERSION}. Use graphium "
            f"{record.graphium_version}, or train again"
        )


def read_experiment(record: ModelRecord, path: Path) -> Experiment:
    """Return the experiment that a model was trained in.

    Raises:
        CheckpointError: This graphium does not know its options.
    """
    try:
        return Experiment.model_validate(record.experiment)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        raise CheckpointError(
            f"{path} was trained by graphium {record.graphium_version} in an experiment that this "
            f"graphium cannot read: {'.'.join(map(str, first['loc']))}: {first['msg']}. Use that "
            "version, or train again"
        ) from error


def read_training(path: Path) -> Any:
    """Return the training state of a checkpoint: the tree that was written, on the CPU.

    Raises:
        CheckpointError: The checkpoint is absent, damaged or of another version, or holds a model
            without training state.
    """
    manifest = read_manifest(path)
    if manifest.version != FORMAT_VERSION:
        raise CheckpointError(
            f"the training state of {path} has format {manifest.version}; only format "
            f"{FORMAT_VERSION} can be resumed (its model can be read and fine-tuned)"
        )
    encoded = _json(path, manifest, "training.json")
    tensors = _tensors(path, manifest, "training.safetensors")
    try:
        return unflatten(encoded, tensors)
    except (ValueError, TypeError, KeyError, RecursionError) as error:
        raise CheckpointError(f"{path / 'training.json'} is not a tree: {error!r}") from error


def verify_checkpoint(path: Path) -> list[str]:
    """Return what is wrong with a checkpoint, a line for each damaged file; none if it is whole."""
    try:
        manifest = read_manifest(path)
    except CheckpointError as error:
        return [str(error)]
    problems = []
    for name in get_args(FileName):
        if name in manifest.files or name.startswith("model"):
            try:
                read_verified(path, manifest, name)
            except CheckpointError as error:
                problems.append(str(error))
    return problems


def find_checkpoint(path: Path) -> Path:
    """Return the checkpoint that a path means: itself, or the best one of a run directory.

    Raises:
        CheckpointError: There is none; the message says what is there instead.
    """
    for candidate in (path, path / "checkpoints" / "best", path / "best"):
        if (candidate / MANIFEST).is_file():
            return candidate.resolve()
    raise CheckpointError(_why_not(path))


def _why_not(path: Path) -> str:
    """Explain why there is no checkpoint at a path."""
    if path.is_file():
        return (
            f"{path} is a file, and a checkpoint is a directory (model.json, model.safetensors, "
            f"{MANIFEST}); graphium reads no pickled .ckpt or .pt files"
        )
    if not path.exists():
        nearby = sorted(p.name for p in path.parent.glob("*")) if path.parent.is_dir() else []
        return f"there is no checkpoint {path}{did_you_mean(path.name, nearby)}"
    inside = _models_below(path)
    if not inside:
        return (
            f"{path} is neither a checkpoint nor a run directory with one: it has no {MANIFEST} "
            "and no checkpoints/best"
        )
    lines = "".join(f"\n  {one}" for one in inside[:_MOST_SHOWN])
    more = f"\n  and {rest} more" if (rest := len(inside) - _MOST_SHOWN) > 0 else ""
    return (
        f"{path} is not a checkpoint and has no checkpoints/best; give one of those inside it "
        f"(newest first):{lines}{more}"
    )


def _models_below(path: Path) -> list[Path]:
    """Return the runs and checkpoints below a folder, newest first; of a run its folder alone."""
    found: dict[Path, float] = {}
    for pattern in ("*/", "*/*/", *(f"{'*/' * depth}checkpoints/*/" for depth in range(4))):
        for manifest in path.glob(f"{pattern}{MANIFEST}"):
            model = manifest.parent
            if model.name.startswith(".") or not (model / "model.json").is_file():
                continue  # is being written, or is a store
            if (model.parent / "best" / MANIFEST).is_file():
                model = model.parent
                model = model.parent if model.name == "checkpoints" else model
            found[model] = max(found.get(model, 0.0), manifest.stat().st_mtime)
    found.pop(path, None)
    return sorted(found, key=lambda model: (-found[model], model))


def _json(path: Path, manifest: Manifest, name: FileName) -> Any:
    try:
        content = json.loads(read_verified(path, manifest, name))
        json.dumps(content, ensure_ascii=False).encode()  # halves of characters are no text
    except (ValueError, RecursionError) as error:
        raise CheckpointError(f"{path / name} is not JSON: {error}") from error
    return content


def _tensors(path: Path, manifest: Manifest, name: FileName) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load(read_verified(path, manifest, name))
    # Types of numbers that this torch has not are a KeyError, shapes that cannot be a RuntimeError.
    except (SafetensorError, KeyError, ValueError, TypeError, RuntimeError) as error:
        raise CheckpointError(f"{path / name} is not safetensors: {error}") from error
