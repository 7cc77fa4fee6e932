"""Start from the encoders and the trunk of a checkpoint; heads stay new."""

from pathlib import Path

from graphium.checkpoint.load import find_checkpoint, read_model
from graphium.config.experiment import Experiment
from graphium.errors import CheckpointError
from graphium.nn.network import Network


def load_backbone(network: Network, experiment: Experiment) -> list[str]:
    """Copy everything but the heads from ``finetune.checkpoint`` into the network.

    Returns:
        The names of the copied tensors: all of the network's but those under ``heads.``.

    Raises:
        CheckpointError: The checkpoint reads other features, or its trunk has another shape.
    """
    assert experiment.finetune is not None
    path = find_checkpoint(Path(experiment.finetune.checkpoint))
    record, weights = read_model(path)
    trained = Experiment.model_validate(record.experiment)
    if trained.features != experiment.features:
        raise CheckpointError(
            f"{path} was trained on other features than this experiment reads; its features are "
            f"{trained.features.model_dump()}; write the same under 'features'"
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
            f"({len(wrong)} tensors, first {wrong[0]}); its model section is "
            f"{trained.model.model_dump(exclude={'head', 'heads'})}"
        )
    network.load_state_dict(backbone, strict=False)
    return sorted(backbone)
