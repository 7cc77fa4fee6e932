"""Opens the data of an experiment as it asks for them: held, or streamed."""

from pathlib import Path

import torch

from graphium.batching.datamodule import MolDataModule
from graphium.batching.mix import open_mix
from graphium.batching.mix_data import Mix
from graphium.batching.stream_datamodule import StreamDataModule
from graphium.batching.stream_mix import StreamedMix
from graphium.batching.stream_open import open_stream
from graphium.config.experiment import Experiment

Opened = Mix | StreamedMix
DataModule = MolDataModule | StreamDataModule


def open_data(experiment: Experiment, root: Path) -> Opened:
    """Open the prepared stores of an experiment where ``batch.held_in`` says.

    Args:
        experiment: Datasets, tasks, features and batches.
        root: Folder of all stores.

    Raises:
        StoreError: What ``open_mix`` and ``open_stream`` raise.
        DataError: The same.
    """
    held_in = experiment.batch.held_in
    if held_in == "stream":
        return open_stream(experiment, root)
    return open_mix(experiment, root, to=held_in)


def data_module(
    mix: Opened, experiment: Experiment, device: torch.device | None = None
) -> DataModule:
    """Return what gives Lightning the loaders of an opened mix.

    Args:
        mix: The data.
        experiment: Batches and the seed of their order.
        device: Where the network is, if there is no trainer of Lightning that knows.

    Raises:
        DataError: Sampling visits no molecule.
        StoreError: The vocabulary of a segment is damaged.
    """
    if isinstance(mix, StreamedMix):
        return StreamDataModule(mix, experiment, device)
    return MolDataModule(mix, experiment, device)
