"""Gives Lightning the loaders of a mix."""

from typing import final

import pytorch_lightning as pl
import torch

from graphium.batching.balanced import BalancedSampler
from graphium.batching.budget import fit_budget
from graphium.batching.device import DeviceMaker
from graphium.batching.loader import BatchLoader, EvalLoader, evaluation_batches
from graphium.batching.maker import BatchMaker, HostMaker
from graphium.batching.mix_data import Mix
from graphium.batching.sampler import PositionalSampler, Sampler
from graphium.batching.static import StaticMaker, count_molecules, static_shape
from graphium.batching.strata import strata
from graphium.config.data import Part
from graphium.config.experiment import Experiment
from graphium.graphs.mol_batch import BatchShape


@final
class MolDataModule(pl.LightningDataModule):
    """Train, val and test loaders of a mix, for the rank on which they are asked for.

    The training loader is stateful: Lightning saves its ``state_dict`` within its own loops, and a
    resumed run goes on with the very next batch.

    Args:
        mix: The data.
        experiment: Batch sizes, sampling and the seed of the order.
        device: Where the network is, until a trainer says so; by default the CPU.

    Raises:
        DataError: Sampling visits no molecule; later, that a molecule exceeds ``batch.budget``.
    """

    def __init__(
        self, mix: Mix, experiment: Experiment, device: torch.device | None = None
    ) -> None:
        super().__init__()
        self._mix = mix
        self._device = device or torch.device("cpu")
        self._batch = experiment.batch
        self._features = experiment.features
        self._seed = experiment.seed
        self._makers: dict[torch.device, BatchMaker] = {}
        self._static: dict[int, tuple[BalancedSampler, BatchShape]] = {}
        self.strata = strata(mix, experiment.batch.sampling)

    def steps_per_epoch(self, world_size: int) -> int:
        """Return the optimiser steps of one epoch.

        They depend on the number of ranks only where ``batch.budget`` takes the place of a size.
        """
        return self._sampler(world_size).steps_per_epoch

    def molecules_per_step(self, world_size: int) -> int:
        """Return the most molecules of one step, or what is their mean in static batches."""
        if self._batch.budget is None:
            return self._batch.size
        sampler, _ = self._balanced(world_size)
        return -(-len(sampler.order(0)) // max(sampler.steps_per_epoch, 1))

    def train_dataloader(self) -> BatchLoader:
        """Return the training batches of this rank."""
        rank, world_size = self._rank_and_world_size()
        sampler, maker = self._sampler(world_size), self._maker()
        if (shape := self.static_shape(world_size)) is not None:
            maker = StaticMaker(maker, shape)
        return BatchLoader(maker, sampler, rank=rank, prefetch=self._batch.prefetch)

    def static_shape(self, world_size: int) -> BatchShape | None:
        """Return the shape of all training batches, if they have one, for a number of ranks."""
        if self._batch.shape == "varying":
            return None
        return self._balanced(world_size)[1]

    def _sampler(self, world_size: int) -> Sampler:
        if self._batch.shape == "static":
            return self._balanced(world_size)[0]
        return self._positional(self._batch.size, world_size)

    def _positional(self, size: int, world_size: int) -> PositionalSampler:
        accumulate = self._batch.accumulate
        molecules = self._mix.molecules("train")
        return PositionalSampler(molecules, size, self._seed, world_size, accumulate, self.strata)

    def _balanced(self, world_size: int) -> tuple[BalancedSampler, BatchShape]:
        """Return the division into batches of one shape, and that shape."""
        if world_size not in self._static:
            counts = count_molecules(self._mix.graphs, self._mix.tasks)
            shares = world_size, self._batch.accumulate

            def sampler(size: int) -> BalancedSampler:
                return BalancedSampler(self._positional(size, world_size), counts.atoms, *shares)

            if self._batch.budget is None:
                even = sampler(self._batch.size)
                self._static[world_size] = even, static_shape(even, counts, self.strata)
            else:
                self._static[world_size] = fit_budget(
                    self._batch.budget, self._mix, counts, sampler, self.strata
                )
        return self._static[world_size]

    def val_dataloader(self) -> EvalLoader:
        """Return the validation batches of this rank."""
        return self._eval_loader("val")

    def test_dataloader(self) -> EvalLoader:
        """Return the test batches of this rank."""
        return self._eval_loader("test")

    def _eval_loader(self, part: Part) -> EvalLoader:
        rank, world_size = self._rank_and_world_size()
        batches = evaluation_batches(
            self._mix.molecules(part), self._batch.eval_size, rank=rank, world_size=world_size
        )
        return EvalLoader(self._maker(), batches, prefetch=self._batch.prefetch)

    def _maker(self) -> BatchMaker:
        """Return what makes the batches of this rank, for the device of its network."""
        device = self._device if self.trainer is None else self.trainer.strategy.root_device
        if device not in self._makers:
            kind = DeviceMaker if self._batch.held_in == "cuda" else HostMaker
            self._makers[device] = kind(self._mix.graphs, self._mix.tasks, self._features, device)
        return self._makers[device]

    def _rank_and_world_size(self) -> tuple[int, int]:
        if self.trainer is None:
            return 0, 1
        return self.trainer.global_rank, self.trainer.world_size
