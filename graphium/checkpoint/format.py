"""What a checkpoint is: a directory of JSON and safetensors files under one manifest.

    model.json             ModelRecord: what the network is and what its outputs mean
    model.safetensors      its weights, named as in ``Network.state_dict()``
    training.json          what a resumed run needs, with a name for each tensor (``tree.py``)
    training.safetensors   those tensors
    MANIFEST.json          format version, and size and SHA-256 of each file

The training files may be absent. They hold Lightning's own checkpoint without the weights:
``optimizer_states``, ``lr_schedulers``, ``loops`` (where the loop and the loader stand),
``callbacks`` (best validation loss, patience, time spent) and ``train_meter`` (losses of the epoch
so far). No random state is among them: every draw is a function of seed, epoch and position
(``training/randomness.py``). Nothing here can run code when it is read.

A run keeps three, as links to ``checkpoints/step-N``: ``last``, ``previous`` (written before it,
which a resumed run takes if the last one is damaged), and ``best`` by validation loss.
"""

from typing import Any, Literal

from graphium.config.base import Section
from graphium.config.tasks import TaskSpec
from graphium.graphs.properties import FEATURIZER_VERSION

FORMAT_VERSION = 2
"""Rises when an older graphium could not read, or would misread, what this one writes."""

FileName = Literal["model.json", "model.safetensors", "training.json", "training.safetensors"]
MANIFEST = "MANIFEST.json"


class ModelRecord(Section):
    """What a network is and what its outputs mean: enough to build it and to use it."""

    experiment: dict[str, Any]
    """The experiment it was trained in, as JSON; its ``model`` and ``features`` build it."""
    tasks: list[TaskSpec]
    """Meaning, unit and scale of its outputs."""
    graphium_version: str
    """Version of graphium that wrote the checkpoint."""
    featurizer_version: int = FEATURIZER_VERSION
    """Version of the atom and bond properties that it learned to read."""
