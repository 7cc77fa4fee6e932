"""Gives Lightning the loaders of a mix."""

from typing import final

import pytorch_lightning as pl
import torch

from graphium.batching.device import DeviceMaker
from graphium.batching.loader import BatchLoader, EvalLoader
from graphium.batching.maker import BatchMaker, HostMaker
from graphium.batching.mix_data import Mix
from graphium.batching.sampler import PositionalSampler
from graphium.batching.strata import strata
from graphium.config.data import Part
from graphium.config.experiment import Experiment


@final
class MolDataModule(pl.LightningDataModule):
    """Train, val and test loaders of a mix, for the rank on which they are asked for.

    The training loader is stateful: Lightning saves its ``state_dict`` within its own loops, and a
    resumed run goes on with the very next batch.

    Args:
        mix: The data.
        experiment: Batch sizes, sampling and the seed of the order.

    Raises:
        DataError: Sampling visits no molecule.
    """

    def __init__(self, mix: Mix, experiment: Experiment) -> None:
        super().__init__()
        self._mix = mix
        self._batch = experiment.batch
        self._features = experiment.features
        self._seed = experiment.seed
        self._makers: dict[torch.device, BatchMaker] = {}
        self.strata = strata(mix, experiment.batch.sampling)

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps of one epoch, the same for any number of ranks."""
        return self._sampler(1).steps_per_epoch

    def train_dataloader(self) -> BatchLoader:
        """Return the training batches of this rank."""
        rank, world_size = self._rank_and_world_size()
        return BatchLoader(
            self._maker(), self._sampler(world_size), rank=rank, prefetch=self._batch.prefetch
        )

    def _sampler(self, world_size: int) -> PositionalSampler:
        return PositionalSampler(
            self._mix.molecules("train"),
            self._batch.size,
            self._seed,
            world_size,
            self._batch.accumulate,
            self.strata,
        )

    def val_dataloader(self) -> EvalLoader:
        """Return the validation batches of this rank."""
        return self._eval_loader("val")

    def test_dataloader(self) -> EvalLoader:
        """Return the test batches of this rank."""
        return self._eval_loader("test")

    def _eval_loader(self, part: Part) -> EvalLoader:
        rank, world_size = self._rank_and_world_size()
        return EvalLoader(
            self._maker(),
            self._mix.molecules(part),
            self._batch.eval_size,
            rank=rank,
            world_size=world_size,
            prefetch=self._batch.prefetch,
        )

    def _maker(self) -> BatchMaker:
        """Return what makes the batches of this rank, for the device of its network."""
        device = torch.device("cpu") if self.trainer is None else self.trainer.strategy.root_device
        if device not in self._makers:
            kind = DeviceMaker if self._batch.held_in == "cuda" else HostMaker
            self._makers[device] = kind(self._mix.graphs, self._mix.tasks, self._features, device)
        return self._makers[device]

    def _rank_and_world_size(self) -> tuple[int, int]:
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
