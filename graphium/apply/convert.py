"""Foreign weights to a checkpoint: what another program trained with our network's shapes."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

import graphium
from graphium.apply.torch_files import read_torch_file
from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.save import write_checkpoint
from graphium.config.experiment import Experiment
from graphium.config.suggest import did_you_mean
from graphium.config.tasks import TaskSpec
from graphium.errors import CheckpointError, UsageError
from graphium.nn.build import build_network

_MOST_SHOWN = 8


def convert_checkpoint(
    source: Path,
    output: Path,
    experiment: Experiment,
    specs: Sequence[TaskSpec],
    *,
    prefix: str | None = None,
) -> str:
    """Write the weights of a ``.ckpt`` or ``.pt`` file as a checkpoint.

    Only tensors are taken, by ``weights_only=True``; state of optimisers is left behind, so the
    result can be used and fine-tuned, and not resumed.

    Args:
        source: A checkpoint of Lightning, or a file with a dictionary of tensors.
        output: The new checkpoint, a directory.
        experiment: Whose network it is.
        specs: Its tasks, with their label statistics.
        prefix: What names of the network's weights begin with in the file; found when None.

    Returns:
        The prefix.

    Raises:
        UsageError: ``output`` exists.
        DataError: ``source`` cannot be read, or holds what could be code.
        CheckpointError: Its weights are not those of the network.
    """
    if output.exists():
        raise UsageError(f"{output} exists; remove it, or name another folder")
    found = _tensors(source)
    network = build_network(experiment.model, experiment.features, specs, seed=0)
    wanted = network.state_dict()
    if prefix is None:
        prefix = _find_prefix(list(found), list(wanted))
    weights = {name[len(prefix) :]: w for name, w in found.items() if name.startswith(prefix)}
    _check(weights, wanted, source, prefix)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"),
        tasks=list(specs),
        graphium_version=graphium.__version__,
    )
    taken = {name: weights[name].to(value.dtype) for name, value in wanted.items()}
    write_checkpoint(output, record, taken)
    return prefix


def _tensors(source: Path) -> dict[str, Tensor]:
    """Return the named tensors of a file."""
    content = read_torch_file(source, "tensors, numbers and text")
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    named = content if isinstance(content, Mapping) else {}
    tensors = {k: v for k, v in named.items() if isinstance(k, str) and isinstance(v, Tensor)}
    if not tensors:
        raise CheckpointError(f"{source} holds no dictionary of tensors, and no 'state_dict'")
    return tensors


def _find_prefix(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Return the prefix under which most of the wanted names are found."""
    prefixes = {""} | {name[: -len(end)] for name in found for end in wanted if name.endswith(end)}
    names = set(found)

    def matches(prefix: str) -> tuple[int, int]:
        return sum(prefix + name in names for name in wanted), -len(prefix)

    return max(sorted(prefixes), key=matches)


def _check(
    weights: Mapping[str, Tensor], wanted: Mapping[str, Tensor], source: Path, prefix: str
) -> None:
    """Make sure that the weights are those of the network, all and no others."""
    wrong = [
        f"{name} is missing{did_you_mean(name, list(weights))}"
        for name in wanted
        if name not in weights
    ]
    wrong += [
        f"{name} has shape {list(weights[name].shape)}, the experiment's {list(value.shape)}"
        for name, value in wanted.items()
        if name in weights and weights[name].shape != value.shape
    ]
    wrong += [
        f"{name} is not in the experiment's network" for name in weights if name not in wanted
    ]
    wrong += [
        f"{name} holds values that are no numbers"
        for name, value in weights.items()
        if name in wanted and not bool(torch.isfinite(value).all())
    ]
    if wrong:
        lines = "".join(f"\n  {line}" for line in wrong[:_MOST_SHOWN])
        more = f"\n  and {rest} more" if (rest := len(wrong) - _MOST_SHOWN) > 0 else ""
        under = f" (names that begin with '{prefix}')" if prefix else ""
        raise CheckpointError(
            f"the weights of {source}{under} are not those of the experiment's network:"
            f"{lines}{more}"
        )
