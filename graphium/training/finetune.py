"""Start from the encoders and the trunk of a checkpoint; heads stay new."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from graphium.checkpoint.load import (
    check_featurizer,
    find_checkpoint,
    read_experiment,
    read_model,
)
from graphium.config.base import Section
from graphium.config.experiment import Experiment
from graphium.config.training import INHERITED
from graphium.errors import CheckpointError
from graphium.nn.network import Network


def inherit(experiment: Experiment, origins: Mapping[str, str]) -> Experiment:
    """Fill the sections that the experiment leaves out from ``finetune.checkpoint``.

    Args:
        experiment: An experiment with a ``finetune`` section.
        origins: Where each of its values comes from, by dotted key (``config.load.Loaded``).

    Returns:
        The experiment, with features, encoder, trunk and pooling of the checkpoint unless any
        option of that section is written in YAML or on the command line.

    Raises:
        CheckpointError: There is no such checkpoint, or it is damaged or of another featurizer.
    """
    assert experiment.finetune is not None
    path = find_checkpoint(Path(experiment.finetune.checkpoint))
    record, _ = read_model(path)
    check_featurizer(record, path)
    trained = read_experiment(record, path)
    left_out = [section for section in INHERITED if not _is_written(section, origins)]
    features = trained.features if "features" in left_out else experiment.features
    names = [s.removeprefix("model.") for s in left_out if s.startswith("model.")]
    model = experiment.model.model_copy(update={n: getattr(trained.model, n) for n in names})
    return experiment.model_copy(update={"features": features, "model": model})


def _is_written(section: str, origins: Mapping[str, str]) -> bool:
    return any(
        origin != "default"
        for key, origin in origins.items()
        if key == section or key.startswith(f"{section}.")
    )


def load_backbone(network: Network, experiment: Experiment) -> list[str]:
    """Copy everything but the heads from ``finetune.checkpoint`` into the network.

    Returns:
        The names of the copied tensors: all of the network's but those under ``heads.``.

    Raises:
        CheckpointError: The checkpoint reads other features, or its network is another one.
    """
    assert experiment.finetune is not None
    path = find_checkpoint(Path(experiment.finetune.checkpoint))
    record, weights = read_model(path)
    check_featurizer(record, path)
    trained = read_experiment(record, path)
    differences = list(_differences(trained, experiment))
    if differences:
        raise CheckpointError(
            f"the network of {path} is not this experiment's: {'; '.join(differences)}. Leave "
            "the whole section out, or write there what the checkpoint has"
        )
    backbone = {k: v for k, v in weights.items() if not k.startswith("heads.")}
    own = {k: v.shape for k, v in network.state_dict().items() if not k.startswith("heads.")}
    if own != {name: value.shape for name, value in backbone.items()}:
        raise CheckpointError(
            f"the weights of {path} do not fit its own options; it was written by graphium "
            f"{record.graphium_version}, whose network was another one. Train it again"
        )
    network.load_state_dict(backbone, strict=False)
    return sorted(backbone)


def _differences(trained: Experiment, experiment: Experiment) -> Iterator[str]:
    """Yield what differs between two backbones, with both values; dropout learns nothing.

    Many of these options leave every weight's shape alone (activation, norm, residual, pooling),
    so that a copy would work and compute something else.
    """
    if trained.hydrogens != experiment.hydrogens:
        yield f"hydrogens is {trained.hydrogens!r} there and {experiment.hydrogens!r} here"
    for section in INHERITED:
        theirs, ours = _options(trained, section), _options(experiment, section)
        for key in [*theirs, *(key for key in ours if key not in theirs)]:
            if theirs.get(key) != ours.get(key) and not key.endswith(".dropout"):
                yield f"{key} is {_shown(theirs, key)} there and {_shown(ours, key)} here"


def _options(experiment: Experiment, section: str) -> dict[str, Any]:
    """Return the options of a section by dotted key; a section that is one option is itself."""
    value: Any = experiment
    for name in section.split("."):
        value = getattr(value, name)
    if not isinstance(value, Section):
        return {section: value}
    return {f"{section}.{key}": option for key, option in value.model_dump(mode="json").items()}


def _shown(options: Mapping[str, Any], key: str) -> str:
    return repr(options[key]) if key in options else "no option"
