"""Gives Lightning the loaders of a mix that is streamed."""

from typing import final

import pytorch_lightning as pl
import torch

from graphium.batching.loader import BatchLoader, EvalLoader
from graphium.batching.stream_maker import (
    StreamMaker,
    evaluation_maker,
    streamed_batches,
    training_maker,
)
from graphium.batching.stream_mix import StreamedMix
from graphium.batching.stream_sampler import StreamSampler
from graphium.batching.stream_segments import SegmentReader
from graphium.config.data import Part
from graphium.config.experiment import Experiment


@final
class StreamDataModule(pl.LightningDataModule):
    """What ``MolDataModule`` is for a mix that is held.

    Args:
        mix: The data.
        experiment: Batch sizes and the seed of the order.
        device: Where the network is, until a trainer says so; by default the CPU.

    Raises:
        StoreError: The vocabulary of a segment is damaged.
    """

    strata = None
    """An epoch visits each row once."""

    def __init__(
        self, mix: StreamedMix, experiment: Experiment, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self._mix = mix
        self._network_on = device or torch.device("cpu")
        self._batch = experiment.batch
        self._seed = experiment.seed
        self._reader = SegmentReader(mix.sources, mix.rows, mix.features)
        self._makers: dict[Part, StreamMaker] = {}

    def steps_per_epoch(self, world_size: int) -> int:
        """Return the optimiser steps of one epoch, the same for any number of ranks."""
        return self._sampler(world_size).steps_per_epoch

    def molecules_per_step(self, world_size: int) -> int:
        """Return the molecules of a step, about which those of single steps differ little."""
        del world_size
        return self._batch.size

    def static_shape(self, world_size: int) -> None:
        """Return None: batches have no common shape."""
        del world_size

    def train_dataloader(self) -> BatchLoader:
        """Return the training batches of this rank."""
        rank, world_size = self._rank_and_world_size()
        sampler = self._sampler(world_size)
        maker = training_maker(self._mix, self._reader, sampler, self._device())
        return BatchLoader(maker, sampler, rank=rank, prefetch=self._batch.prefetch)

    def _sampler(self, world_size: int) -> StreamSampler:
        return StreamSampler(
            self._mix.rows,
            self._batch.size,
            self._seed,
            world_size,
            self._batch.accumulate,
            self._batch.lanes,
        )

    def val_dataloader(self) -> EvalLoader:
        """Return the validation batches of this rank."""
        return self._eval_loader("val")

    def test_dataloader(self) -> EvalLoader:
        """Return the test batches of this rank."""
        return self._eval_loader("test")

    def _eval_loader(self, part: Part) -> EvalLoader:
        rank, world_size = self._rank_and_world_size()
        if part not in self._makers:
            self._makers[part] = evaluation_maker(self._mix, self._reader, part, self._device())
        batches = streamed_batches(
            self._mix, part, self._batch.eval_size, rank=rank, world_size=world_size
        )
        return EvalLoader(self._makers[part], batches, prefetch=self._batch.prefetch)

    def _device(self) -> torch.device:
        return self._network_on if self.trainer is None else self.trainer.strategy.root_device

    def _rank_and_world_size(self) -> tuple[int, int]:
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
