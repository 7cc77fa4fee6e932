"""The network that a training starts from."""

from collections.abc import Sequence

from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.nn.build import build_network
from graphium.nn.network import Network
from graphium.training.finetune import load_backbone
from graphium.training.randomness import derive_seed


def initial_network(
    experiment: Experiment, specs: Sequence[TaskSpec], *, pretrained: bool = True
) -> Network:
    """Build a network with the weights of its seed, in the number format of the experiment.

    Args:
        experiment: What is to be trained.
        specs: Its tasks.
        pretrained: Take the backbone of the checkpoint that is fine-tuned, if there is one.
    """
    network = build_network(
        experiment.model, experiment.features, specs, seed=derive_seed(experiment.seed, "weights")
    )
    if experiment.trainer.precision == "64":
        network.double()
    if experiment.finetune is not None and pretrained:
        load_backbone(network, experiment)
    return network
