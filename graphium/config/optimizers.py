"""How weights follow gradients: the optimiser, its learning rate by step, averages of weights."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from graphium.config.base import Section
from graphium.errors import FieldError

Schedule = Literal["cosine", "linear", "one-cycle", "plateau", "constant"]
"""What follows the warm-up. ``cosine`` and ``linear`` fall to ``final_lr_fraction``, which they
would reach a step after the last; ``one-cycle`` also rises by a cosine, from a 25th of the rate
(Smith 2018); ``plateau`` falls where the validation loss stays (``plateau``); ``constant`` stays.
"""

ONE_CYCLE_RISE = 0.3
"""Share of the training in which the rate of ``one-cycle`` rises, where the user says nothing."""
SINGLE_RISE = 0.1
"""The same of other schedules, where the training is a single epoch."""

Momentum = Annotated[float, Field(ge=0, lt=1)]


class PlateauConfig(Section):
    """When the learning rate falls because the validation loss does not."""

    patience: int = Field(default=5, ge=0)
    """Validations without a lower loss that are waited for; the next one lowers the rate."""
    factor: float = Field(default=0.5, gt=0, lt=1)
    """What the rate is multiplied by."""
    min_delta: float = Field(default=0.0, ge=0)
    """Smallest fall of the loss that counts."""


class AnyOptimizer(Section):
    """What all optimisers have."""

    kind: str
    lr: float = Field(default=1e-3, gt=0)
    """Learning rate after warm-up; ``graphium find-lr EXPERIMENT`` suggests one."""
    weight_decay: float = Field(default=1e-5, ge=0)
    """Decay of weight matrices, decoupled from the gradient (of ``sgd``: added to it); biases,
    norms and scales are not decayed."""
    warmup_epochs: float | None = Field(default=None, ge=0)
    """Epochs in which the rate rises; by default 1 (0.1 where there is only one), of ``one-cycle``
    30 % of the training."""
    schedule: Schedule = "cosine"
    """What follows the warm-up: ``cosine``, ``linear``, ``one-cycle``, ``plateau`` or
    ``constant``."""
    final_lr_fraction: float = Field(default=0.0, ge=0, le=1)
    """Last learning rate as a share of ``lr``; that of ``plateau`` does not fall below it."""
    plateau: PlateauConfig | None = None
    """When ``schedule: plateau`` lowers the rate."""
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    """Learning rate of each block of the trunk as a share of that of the block above it: heads
    learn at ``lr``, encoders slowest. For fine-tuning, 0.7 to 0.9 is usual."""
    ema_decay: float | None = Field(default=None, gt=0, lt=1)
    """Also keep an exponential moving average of the weights, which is validated, tested and kept
    as the model; 0.999 remembers some 1,000 steps. null keeps the weights themselves."""
    clip_norm: float | None = Field(default=1.0, gt=0)
    """Largest norm of the whole gradient; null does not clip."""

    @property
    def plateau_options(self) -> PlateauConfig:
        """Options of ``schedule: plateau``."""
        return self.plateau or PlateauConfig()

    @model_validator(mode="after")
    def _plateau_is_the_schedule(self) -> "AnyOptimizer":
        if self.plateau is not None and self.schedule != "plateau":
            raise FieldError(
                ("plateau",), f"says nothing with schedule '{self.schedule}'; add schedule: plateau"
            )
        return self


class AdamWConfig(AnyOptimizer):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019)."""

    kind: Literal["adamw"] = "adamw"
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    """How much of the means of gradients and of their squares each step keeps."""


class SgdConfig(AnyOptimizer):
    """Gradient descent with momentum; the learning rate is usually 0.01 to 0.1."""

    kind: Literal["sgd"] = "sgd"
    momentum: Momentum = 0.9
    """How much of the mean gradient each step keeps."""
    nesterov: bool = False
    """Look ahead by Nesterov's rule."""

    @model_validator(mode="after")
    def _nesterov_has_momentum(self) -> "SgdConfig":
        if self.nesterov and not self.momentum:
            raise FieldError(("nesterov",), "needs a momentum above 0")
        return self


class MuonConfig(AnyOptimizer):
    """Orthogonalised momentum (Muon) for matrices of the trunk, AdamW for everything else.

    Steps of Muon are scaled to the size of AdamW's (Liu et al. 2025, arXiv:2502.16982), so that
    one learning rate serves both.
    """

    kind: Literal["muon"] = "muon"
    momentum: Momentum = 0.95
    """How much of the mean gradient each step of Muon keeps."""
    betas: tuple[Momentum, Momentum] = (0.9, 0.999)
    """Those of AdamW."""


OptimizerConfig = Annotated[
    AdamWConfig | SgdConfig | MuonConfig,
    Field(discriminator="kind"),
]
