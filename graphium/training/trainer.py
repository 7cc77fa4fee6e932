"""The Lightning trainer of a run: what it is told, and what it is kept from."""

import logging
import warnings
from datetime import timedelta

import pytorch_lightning as pl
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from lightning_fabric.plugins.environments.lightning import LightningEnvironment
from pytorch_lightning.callbacks import Callback
from pytorch_lightning.strategies import DDPStrategy, Strategy

from graphium.checkpoint.io import GraphiumCheckpointIO
from graphium.config.experiment import Experiment
from graphium.errors import UsageError
from graphium.training.hardware import accelerator
from graphium.training.ranks import Ranks, RanksEnvironment
from graphium.training.sharding import ShardedStrategy


def refuse_missing_ranks(experiment: Experiment, ranks: Ranks | None) -> None:
    """Make sure that the run has the processes that the experiment asks for.

    Raises:
        UsageError: It has others, or one alone that shall share its weights.
    """
    wanted = experiment.trainer.devices * experiment.trainer.num_nodes
    there = 1 if ranks is None else ranks.place.world_size
    if wanted != there:
        raise UsageError(
            f"the experiment asks for {wanted} processes (trainer.devices x trainer.num_nodes) and "
            f"there are {there}: start it with graphium-train, torchrun or srun"
        )
    if there == 1 and experiment.trainer.parallel == "fsdp":
        raise UsageError(
            "trainer.parallel is fsdp, which divides the weights over several processes, and there "
            "is one; set trainer.devices, or trainer.parallel=ddp"
        )


def build_trainer(
    experiment: Experiment, callbacks: list[Callback], ranks: Ranks | None, *, has_val: bool
) -> pl.Trainer:
    """Return what repeats the steps.

    Args:
        experiment: Epochs, devices and numbers.
        callbacks: What happens between steps, in this order.
        ranks: The processes of the run, if there are several.
        has_val: Whether there are labels to validate on.

    Raises:
        UsageError: The machine has no such device.
    """
    config = experiment.trainer
    strategy: str | Strategy = "auto"
    place: ClusterEnvironment = LightningEnvironment()  # so that it does not ask SLURM's
    if ranks is not None:
        kind = ShardedStrategy if config.parallel == "fsdp" else DDPStrategy
        strategy = kind(timeout=timedelta(seconds=config.timeout))
        place = RanksEnvironment(ranks.place)
    trainer = pl.Trainer(
        max_epochs=config.max_epochs,
        accelerator=accelerator(config),
        devices=config.devices,
        num_nodes=config.num_nodes,
        strategy=strategy,
        # 64 is 32 to Lightning, which then touches no tensor: the network (initial.py) knows.
        precision="32-true" if config.precision in ("32", "64") else config.precision,
        accumulate_grad_batches=experiment.batch.accumulate,
        check_val_every_n_epoch=config.validate_every,
        limit_val_batches=None if has_val else 0,
        num_sanity_val_steps=0,
        callbacks=callbacks,
        plugins=[GraphiumCheckpointIO(), place],
        logger=False,  # per-step logging costs more than a small model's step; see EpochReporter
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        use_distributed_sampler=False,
    )
    _keep_from_signals(trainer)
    return trainer


def quiet_lightning() -> None:
    """Leave the words to us: its notes speak of things that this loop decides."""
    for name in ("pytorch_lightning", "lightning_fabric"):
        logging.getLogger(name).setLevel(logging.WARNING)
    warnings.filterwarnings("ignore", r".*sync_dist=True.*")  # every rank has the same value
    warnings.filterwarnings("ignore", r".*LeafSpec.*is deprecated")  # torch to Lightning
    warnings.filterwarnings("ignore", r".*does not have many workers.*")  # collate is a few slices
    # The gradient scaler of 16-mixed leaves out first steps until its scale fits.
    warnings.filterwarnings("ignore", r"Detected call of `lr_scheduler.step\(\)` before.*")
    # On purpose: so batches of any loader get their encodings, whoever made the loader.
    warnings.filterwarnings("ignore", r".*overridden `transfer_batch_to_device` in `LightningMod.*")


def _keep_from_signals(trainer: pl.Trainer) -> None:
    """Keep Lightning from answering signals, and from asking all ranks before each micro-batch.

    Its handlers exchange and save wherever the process is, and its question waits for the GPU.
    """
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
