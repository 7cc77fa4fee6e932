"""Start from the encoders and the trunk of a checkpoint; heads stay new."""

from collections.abc import Mapping
from pathlib import Path

from graphium.checkpoint.load import check_featurizer, find_checkpoint, read_model
from graphium.config.experiment import Experiment
from graphium.errors import CheckpointError
from graphium.nn.network import Network

INHERITED = ("features", "model.encoder", "model.trunk", "model.pooling")
"""Sections that a fine-tuned experiment takes from the checkpoint where it does not write them."""


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
    trained = Experiment.model_validate(record.experiment)
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
    trained = Experiment.model_validate(record.experiment)
    if trained.features != experiment.features:
        raise CheckpointError(
            f"{path} was trained on other features than this experiment reads; leave out the "
            f"section 'features', or write {trained.features.model_dump()}"
        )
    backbone = {k: v for k, v in weights.items() if not k.startswith("heads.")}
    own = {k: v for k, v in network.state_dict().items() if not k.startswith("heads.")}
    wrong = [
        name
        for name in sorted(backbone.keys() | own.keys())
        if name not in backbone or name not in own or backbone[name].shape != own[name].shape
    ]
    if wrong:
        raise CheckpointError(
            f"the network of {path} has another shape than this experiment's "
            f"({len(wrong)} tensors, first {wrong[0]}); leave out model.encoder and model.trunk, "
            f"or write {trained.model.model_dump(include={'encoder', 'trunk'})}"
        )
    network.load_state_dict(backbone, strict=False)
    return sorted(backbone)
