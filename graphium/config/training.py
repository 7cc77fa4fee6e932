"""How it is learned: batches, loop, tracking, report (``optimizers.py``: the optimiser)."""

from typing import Literal

from pydantic import Field, model_validator

from graphium.config.base import FileName, Section
from graphium.config.sampling import EachSamplingConfig, SamplingConfig
from graphium.errors import FieldError


class BudgetConfig(Section):
    """Size of the tensors of one micro-batch of one rank; what is null follows from the others."""

    atoms: int | None = Field(default=None, gt=1)
    """Atoms, at least one of them padding."""
    bonds: int | None = Field(default=None, gt=0)
    """Bonds, each counted once."""
    molecules: int | None = Field(default=None, gt=1)
    """Molecules, at least one of them padding."""

    @model_validator(mode="after")
    def _limits_something(self) -> "BudgetConfig":
        if self.atoms is self.bonds is self.molecules is None:
            raise ValueError("give atoms, bonds or molecules, or several of them")
        return self


class BatchConfig(Section):
    """How many molecules make one optimiser step."""

    size: int = Field(default=128, gt=0)
    """Molecules in one optimiser step, over all ranks and accumulated micro-batches together: the
    same experiment takes the same steps on any number of GPUs."""
    accumulate: int = Field(default=1, gt=0)
    """Micro-batches that one rank adds up before it steps; saves memory, changes no number."""
    eval_size: int = Field(default=512, gt=0)
    """Molecules in one batch of validation, test and prediction."""
    held_in: Literal["ram", "mmap", "cuda", "stream"] = "ram"
    """Where molecules wait: ram (each rank has a copy of its own), mmap (files in the cache
    folder that all ranks of a machine share, for data that does not fit several times) or cuda
    (each rank has a copy on its GPU, where batches are cut; unverified); batches are the same.
    stream leaves molecules in the stores, for data that fit none of these: a step is drawn from
    parts of the tables that are read when they are needed, and each row is visited by itself, also
    where several rows are one molecule."""
    lanes: int = Field(default=8, gt=0)
    """Of ``held_in: stream``: parts of each table (segments) that a step is drawn from at once.
    More mix rows better and take more memory; each rank needs one at least."""
    prefetch: int = Field(default=2, ge=0)
    """Batches that a thread makes ready while the network computes; 0 makes each when it is needed.
    Batches are the same."""
    shape: Literal["varying", "static"] = "varying"
    """Tensors of training batches: as long as their molecules need (varying), or all equally long
    (static), so that a compiled model is compiled once. A static micro-batch has its share of the
    atoms and almost no padding; ``size`` is then the mean number of molecules of a step."""
    budget: BudgetConfig | None = None
    """Size of a static micro-batch, in place of ``size``: a step has as many molecules as fit into
    the micro-batches of all ranks, so another number of ranks takes other steps."""
    sampling: SamplingConfig = EachSamplingConfig()
    """How often an epoch visits the molecules of each dataset."""

    @model_validator(mode="after")
    def _budget_is_static(self) -> "BatchConfig":
        if self.budget is not None and self.shape != "static":
            raise FieldError(("budget",), "is the size of static batches only; add `shape: static`")
        return self


class EarlyStoppingConfig(Section):
    """Stop when the validation loss no longer falls."""

    patience: int = Field(default=10, gt=0)
    """Validations without improvement before the end."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest change that counts."""


class TrainerConfig(Section):
    """The loop and the machine."""

    max_epochs: int = Field(default=20, gt=0)
    """Passes over the training molecules."""
    accelerator: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a CUDA GPU where there is one, else the CPU."""
    devices: int = Field(default=1, gt=0)
    """Processes (GPUs, or CPU processes) on each machine. Left out, torchrun and srun decide, if
    they start the command."""
    num_nodes: int = Field(default=1, gt=0)
    """Machines; more than one are started by torchrun or srun, which decide if this is left out."""
    parallel: Literal["ddp", "fsdp"] = "ddp"
    """What each of several processes keeps: the whole network (ddp), or a share of its weights,
    gradients and optimiser (fsdp, for networks that fill a GPU; experimental: tried with processes
    of a CPU, never with GPUs). Steps and checkpoints are the same, and a run may go on with the
    other. With fsdp the gradient norm of each task is not measured."""
    timeout: float = Field(default=300.0, gt=0)
    """Seconds that a process waits for another one in an exchange before all end with an error."""
    start_timeout: float = Field(default=1800.0, gt=0)
    """The same, while processes meet, open the data, or wait for the first one to write files."""
    precision: Literal["32", "bf16-mixed", "16-mixed", "64"] = "32"
    """Number format of the computation. 64 is for comparing runs: what differs there is more than
    rounding."""
    threads: int | None = Field(default=None, gt=0)
    """CPU threads of torch; null lets torch decide."""
    validate_every: int = Field(default=1, gt=0)
    """Epochs between validations."""
    checkpoint_every_steps: int | None = Field(default=None, gt=0)
    """Also write the last checkpoint every so many optimiser steps."""
    evaluation_memory_mb: float = Field(default=256, gt=0)
    """Megabytes that one task may take in val or test, over all ranks, for two things: labels and
    predictions that auroc, ap, spearman and kendall sort (8 or 12 bytes each; beyond it they are
    computed from histograms and called binned), and rows for ``predictions/`` (beyond it a random
    half, quarter, ... of the molecules is written)."""
    early_stopping: EarlyStoppingConfig | None = None
    """Stop early; null trains all epochs."""


class WandbConfig(Section):
    """Weights & Biases; ``mode: offline`` needs no account and no network."""

    project: str = "graphium"
    """Project the run appears in."""
    entity: str | None = None
    """Team or user; null is the account's default."""
    mode: Literal["online", "offline"] = "online"
    """Offline runs can be uploaded later with ``wandb sync``; so can a run whose server could not
    be reached when it began."""
    timeout: float = Field(default=90.0, gt=0)
    """Seconds to wait for the server before the run is kept offline."""
    upload_checkpoint: bool = True
    """Keep the best checkpoint as an artifact at the end, beside the experiment, the splits and
    the results."""


class ReportConfig(Section):
    """The page written after training."""

    baselines: bool = True
    """Fit the mean predictor and the random forests on the same split."""
    trees: int = Field(default=500, gt=0)
    """Trees of each forest."""
    worst: int = Field(default=12, ge=0)
    """Molecules drawn for each task, worst first."""


INHERITED = ("features", "model.encoder", "model.trunk", "model.pooling")
"""Sections that a fine-tuned experiment takes from the checkpoint where it does not write them."""


class FinetuneConfig(Section):
    """Start from the encoders and trunk of a checkpoint; heads are new.

    ``features``, ``model.encoder``, ``model.trunk`` and ``model.pooling`` come from the checkpoint
    where the experiment does not write them.
    """

    checkpoint: FileName
    """A run directory (its best checkpoint) or one checkpoint."""
    freeze_epochs: int = Field(default=0, ge=0)
    """Epochs in which only the new heads learn."""
