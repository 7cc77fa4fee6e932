"""What is learned: labels of one level of one dataset, with a loss and metrics."""

import itertools
import math
from typing import Literal

from pydantic import Field, model_validator

from graphium.config.base import Section
from graphium.config.data import Level
from graphium.config.metrics import (
    BINARY_METRICS,
    MULTICLASS_METRICS,
    REGRESSION_METRICS,
    Metric,
    ThresholdMetric,
    misfit,
)
from graphium.errors import FieldError

Loss = Literal["mae", "mse", "huber", "bce", "ce", "hybrid_ce"]
REGRESSION_LOSSES: tuple[Loss, ...] = ("mae", "mse", "huber")
MULTICLASS_LOSSES: tuple[Loss, ...] = ("ce", "hybrid_ce")
DEFAULT_CE_SHARE = 0.5
"""Of ``hybrid_ce``, where the task does not say another."""

DEFAULT_THRESHOLD = 0.5
"""Of 0/1 labels, where the task does not say another."""


class TaskConfig(Section):
    """One supervised task. Labels missing for a molecule are masked, never imputed."""

    dataset: str
    """Name of the dataset (a key of ``datasets``) that holds the labels."""
    level: Level = "graph"
    """What one label describes: a molecule (graph), an atom (node), a bond (edge) or a pair of
    atoms (nodepair)."""
    labels: list[str] = Field(min_length=1)
    """Label columns, in the order of the outputs; ``NR-*`` stands for all that match."""
    loss: Loss
    """mae, mse, huber (regression), bce (0/1 labels), ce (classes 0..C-1), hybrid_ce (classes that
    have an order: cross entropy and, between the class and the mean of the predicted ones, the
    squared difference; Beaini et al. 2023)."""
    num_classes: int | None = Field(default=None, ge=2)
    """Classes of a ``ce`` or ``hybrid_ce`` task; taken from the dataset's ``categories``, or from
    ``bins``, when absent."""
    ce_share: float | None = Field(default=None, ge=0, le=1)
    """Share of the cross entropy in ``hybrid_ce``; the rest is the squared difference. Default:
    0.5."""
    bins: list[float] = []
    """Cut points that make classes of columns of numbers, whatever the store holds: ``[-2, 2]``
    makes class 0 below -2, class 1 from -2 to below 2 and class 2 from 2 on."""
    metrics: list[Metric] = []
    """Reported for each label and for the task; by default the usual ones of the loss. For numbers:
    mae, mse, rmse, mae_scaled, rmse_scaled (in standard deviations of the training labels),
    max_error, r2, explained_variance, pearson, spearman, kendall. For 0/1 labels: auroc, ap,
    accuracy, balanced_accuracy, precision, recall, specificity, f1, mcc, kappa. For classes: auroc,
    ap, accuracy, balanced_accuracy, mcc, kappa, and precision, recall and f1 with _macro, _micro or
    _weighted behind."""
    threshold: float | None = Field(default=None, ge=0, le=1)
    """Probability above which a 0/1 label counts as 1, for metrics that need a decision. Default:
    0.5."""
    threshold_for: ThresholdMetric | None = None
    """Choose the threshold of each 0/1 label instead: f1, mcc or balanced_accuracy is highest there
    on val; test takes the thresholds of val. Metrics of val are then a little too good."""
    normalize: Literal["standard", "none"] | None = None
    """Scale labels by mean and deviation of the training part; default: standard for regression."""
    weight: float = Field(default=1.0, gt=0)
    """Share of this task in the total loss."""
    label_fraction: float = Field(default=1.0, gt=0, le=1)
    """Share of the training molecules whose labels of this task are used, for learning curves. The
    molecules of a small share are among those of a larger one, and molecules that a split keeps
    together stay together. Val and test keep all labels."""
    unit: str | None = None
    """Physical unit of the labels, shown in tables (for example ``kcal/mol``)."""

    @property
    def is_regression(self) -> bool:
        """Whether labels are numbers rather than classes."""
        return self.loss in REGRESSION_LOSSES

    @property
    def is_multiclass(self) -> bool:
        """Whether labels are classes 0..C-1."""
        return self.loss in MULTICLASS_LOSSES

    @property
    def is_normalized(self) -> bool:
        """Whether labels are scaled for training."""
        return self.normalize == "standard" or (self.normalize is None and self.is_regression)

    @property
    def reported_metrics(self) -> list[Metric]:
        """The metrics asked for, or those that fit the loss."""
        if self.metrics:
            return self.metrics
        if self.is_regression:
            return ["mae", "rmse", "r2", "pearson", "spearman", "mae_scaled"]
        return ["auroc", "ap", "accuracy"] if self.loss == "bce" else ["accuracy", "auroc"]

    @model_validator(mode="after")
    def _metrics_fit_the_loss(self) -> "TaskConfig":
        if self.is_regression:
            allowed = REGRESSION_METRICS
        else:
            allowed = BINARY_METRICS if self.loss == "bce" else MULTICLASS_METRICS
        for metric in self.metrics:
            if metric not in allowed:
                raise FieldError(("metrics",), misfit(metric, self.loss, allowed))
        if self.normalize == "standard" and not self.is_regression:
            raise FieldError(("normalize",), f"labels of a '{self.loss}' task cannot be scaled")
        return self

    @model_validator(mode="after")
    def _threshold_is_of_probabilities(self) -> "TaskConfig":
        given = {"threshold": self.threshold, "threshold_for": self.threshold_for}
        options = [name for name, value in given.items() if value is not None]
        if options and self.loss != "bce":
            raise FieldError((options[0],), f"only loss 'bce' has one, not '{self.loss}'")
        if len(options) > 1:
            raise FieldError(
                ("threshold_for",), "chooses what threshold fixes; give one of the two"
            )
        return self

    @model_validator(mode="after")
    def _bins_make_classes(self) -> "TaskConfig":
        if self.ce_share is not None and self.loss != "hybrid_ce":
            raise FieldError(("ce_share",), f"only loss 'hybrid_ce' has it, not '{self.loss}'")
        if not self.bins:
            return self
        rising = all(low < high for low, high in itertools.pairwise(self.bins))
        if not rising or not all(map(math.isfinite, self.bins)):
            raise FieldError(("bins",), f"cut points must be finite and rise, not {self.bins}")
        if self.is_regression:
            raise FieldError(
                ("bins",), f"loss '{self.loss}' learns numbers; use ce or hybrid_ce (bce: one cut)"
            )
        classes = len(self.bins) + 1
        if self.loss == "bce" and classes != 2:
            raise FieldError(
                ("bins",), f"they make {classes} classes, and loss 'bce' has 2: give one cut point"
            )
        if self.num_classes not in (None, classes):
            raise FieldError(("num_classes",), f"bins make {classes}, not {self.num_classes}")
        return self


def class_words(bins: list[float]) -> list[str]:
    """Return a name for each class that cut points make."""
    between = [f"{low:g} to {high:g}" for low, high in itertools.pairwise(bins)]
    return [f"below {bins[0]:g}", *between, f"from {bins[-1]:g}"]


class TaskSpec(Section):
    """A task after its columns, classes and label statistics are known; stored with each model."""

    name: str
    """Key of ``tasks``."""
    dataset: str
    """Key of ``datasets``."""
    level: Level
    """What one label describes."""
    labels: list[str]
    """Columns, wildcards resolved, in the order of the outputs (L)."""
    loss: Loss
    """Loss function."""
    num_classes: int | None = None
    """C of a ``ce`` or ``hybrid_ce`` task, else None."""
    ce_share: float = DEFAULT_CE_SHARE
    """Share of the cross entropy in ``hybrid_ce``."""
    bins: list[float] = []
    """Cut points between classes, where the columns hold numbers."""
    class_names: list[str] | None = None
    """Names of the C classes, where the dataset declares them or bins make them."""
    metrics: list[Metric]
    """What is reported."""
    threshold: float = DEFAULT_THRESHOLD
    """Probability above which a 0/1 label counts as 1."""
    threshold_for: ThresholdMetric | None = None
    """What the threshold is chosen for on val, where it is."""
    weight: float = 1.0
    """Share in the total loss."""
    unit: str | None = None
    """Unit of labels and predictions."""
    mean: list[float] | None = None
    """Mean of the training labels of each column; None where labels are not scaled."""
    std: list[float] | None = None
    """Standard deviation of the training labels of each column (1 where it would be 0)."""

    @property
    def is_multiclass(self) -> bool:
        """Whether labels are classes 0..C-1."""
        return self.loss in MULTICLASS_LOSSES

    @property
    def is_class(self) -> bool:
        """Whether labels are classes, two or more."""
        return self.loss == "bce" or self.is_multiclass

    @property
    def width(self) -> int:
        """Outputs of the head: L, or L * C for classes."""
        return len(self.labels) * (self.num_classes or 1)
