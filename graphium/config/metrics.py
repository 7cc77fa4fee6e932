"""The names of metrics: which fit which kind of task, and what is good.

Formulas, ranges and when a metric is undefined: ``docs/reference/metrics.md``.
"""

from collections.abc import Sequence
from typing import Literal

Metric = Literal[
    "mae", "mse", "rmse", "mae_scaled", "rmse_scaled", "max_error",
    "r2", "explained_variance", "pearson", "spearman", "kendall",
    "auroc", "ap", "accuracy", "balanced_accuracy",
    "precision", "recall", "specificity", "f1", "mcc", "kappa",
    "precision_macro", "precision_micro", "precision_weighted",
    "recall_macro", "recall_micro", "recall_weighted",
    "f1_macro", "f1_micro", "f1_weighted",
]  # fmt: skip
"""``mae_scaled`` and ``rmse_scaled`` are in standard deviations of the training labels."""

ThresholdMetric = Literal["f1", "mcc", "balanced_accuracy"]
"""What a threshold between 0 and 1 can be chosen for."""

REGRESSION_METRICS: tuple[Metric, ...] = (
    "mae", "mse", "rmse", "mae_scaled", "rmse_scaled", "max_error",
    "r2", "explained_variance", "pearson", "spearman", "kendall",
)  # fmt: skip
BINARY_METRICS: tuple[Metric, ...] = (
    "auroc", "ap", "accuracy", "balanced_accuracy",
    "precision", "recall", "specificity", "f1", "mcc", "kappa",
)  # fmt: skip
MULTICLASS_METRICS: tuple[Metric, ...] = (
    "accuracy", "auroc", "ap", "balanced_accuracy", "mcc", "kappa",
    "precision_macro", "precision_micro", "precision_weighted",
    "recall_macro", "recall_micro", "recall_weighted",
    "f1_macro", "f1_micro", "f1_weighted",
)  # fmt: skip

RANKED: tuple[Metric, Metric] = ("auroc", "ap")
"""Metrics that need the order of all scores."""
RANK_CORRELATIONS: tuple[Metric, Metric] = ("spearman", "kendall")
"""Metrics that need the order of all labels and all predictions."""
LOWER_IS_BETTER: tuple[Metric, ...] = (
    "mae", "mse", "rmse", "mae_scaled", "rmse_scaled", "max_error",
)  # fmt: skip
IN_UNITS: tuple[Metric, ...] = ("mae", "mse", "rmse", "max_error")
"""Metrics that carry the unit of the labels, or its square."""
SCALED: tuple[Metric, ...] = ("mae_scaled", "rmse_scaled")
"""Metrics in standard deviations of the training labels."""


def misfit(metric: str, loss: str, allowed: Sequence[Metric]) -> str:
    """Say that a metric does not fit a loss, and which one may have been meant.

    The metrics of two classes have the same names with an average behind them for more classes.
    """
    near = [name for name in allowed if name.startswith(f"{metric}_")]
    stem = metric.rpartition("_")[0]
    near += [name for name in allowed if name == stem]
    hint = f" (did you mean '{near[0]}'?)" if near else ""
    return f"'{metric}' does not fit loss '{loss}'{hint}; it takes {', '.join(allowed)}"
