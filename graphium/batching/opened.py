"""Opens the data of an experiment as it asks for them: held, or streamed."""

from pathlib import Path

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


def data_module(mix: Opened, experiment: Experiment) -> DataModule:
    """Return what gives Lightning the loaders of an opened mix.

    Raises:
        DataError: Sampling visits no molecule.
        StoreError: The vocabulary of a segment is damaged.
    """
    if isinstance(mix, StreamedMix):
        return StreamDataModule(mix, experiment)
    return MolDataModule(mix, experiment)
