"""Losses over the labels that exist, whose gradient does not depend on how a step is divided.

A step's molecules are dealt over W ranks and A micro-batches. For task t with weight w_t, let s_t
be the sum of losses over its known labels and n_t their weight, both over the *whole step*. The
target

    L = sum_t w_t (s_t / n_t) / sum_{t: n_t > 0} w_t

needs n_t before the first backward. The loader knows which molecule has which labels and which
molecules the step holds, on every rank, so it counts n_t without communication
(``MolBatch.label_totals``). DDP averages gradients over ranks and the loop divides by A, hence each
micro-batch backpropagates W A times its share of L; the average is then the gradient of L, exactly
as one process would have it. Means per rank, the usual way, are 43-69 % off on sparse labels.
"""

from collections.abc import Mapping, Sequence
from typing import assert_never

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from graphium.config.tasks import DEFAULT_CE_SHARE, Loss, TaskSpec
from graphium.graphs.mol_batch import TaskLabels


def elementwise_loss(
    loss: Loss,
    predictions: Float[Tensor, "R W"],
    labels: Float[Tensor, "R L"],
    ce_share: float = DEFAULT_CE_SHARE,
) -> Float[Tensor, "R L"]:
    """Return the loss of each label; all labels must be finite.

    Args:
        loss: Which loss. ``huber`` turns linear at 1 (one deviation of scaled labels); ``bce``
            takes logits; ``ce`` and ``hybrid_ce`` take C logits for each label (W = L C).
        predictions: One row for each labelled molecule, atom, bond or pair of atoms.
        labels: Scaled numbers, 0/1, or class positions.
        ce_share: Of ``hybrid_ce`` a, which is a CE + (1 - a) (sum_c p_c c - label)^2 with the
            softmax p of the logits (Beaini et al. 2023, arXiv:2310.04292, on L1000).
    """
    match loss:
        case "mae":
            return F.l1_loss(predictions, labels, reduction="none")
        case "mse":
            return F.mse_loss(predictions, labels, reduction="none")
        case "huber":
            return F.huber_loss(predictions, labels, reduction="none", delta=1.0)
        case "bce":
            return F.binary_cross_entropy_with_logits(predictions, labels, reduction="none")
        case "ce":
            return F.cross_entropy(_logits(predictions, labels), labels.long(), reduction="none")
        case "hybrid_ce":
            logits = _logits(predictions, labels)
            position = torch.arange(logits.shape[1], dtype=logits.dtype, device=logits.device)
            expected = (logits.softmax(1) * position[:, None]).sum(1)
            cross_entropy = F.cross_entropy(logits, labels.long(), reduction="none")
            return ce_share * cross_entropy + (1 - ce_share) * (expected - labels) ** 2
        case _:
            assert_never(loss)


def _logits(
    predictions: Float[Tensor, "R W"], labels: Float[Tensor, "R L"]
) -> Float[Tensor, "R C L"]:
    num_classes = predictions.shape[1] // labels.shape[1]
    return predictions.reshape(*labels.shape, num_classes).movedim(2, 1)


def masked_sum(
    loss: Loss,
    predictions: Float[Tensor, "R W"],
    labels: Float[Tensor, "R L"],
    weights: Float[Tensor, " R"],
    ce_share: float = DEFAULT_CE_SHARE,
) -> Float[Tensor, ""]:
    """Add up the weighted losses of the labels that exist.

    A missing label (NaN) is replaced *before* the loss is computed: ``0 * nan`` is NaN, so masking
    afterwards alone would poison every gradient. With no label at all the sum is 0 and still
    depends on the predictions, so that every head takes part in every backward pass.
    """
    known = labels.isfinite()
    losses = elementwise_loss(loss, predictions, torch.where(known, labels, 0), ce_share)
    return (torch.where(known, losses, 0) * weights[:, None]).sum()


def scale_labels(spec: TaskSpec, labels: Float[Tensor, "R L"]) -> Float[Tensor, "R L"]:
    """Return labels in standard deviations from the training mean, where the task asks for it."""
    if spec.mean is None or spec.std is None:
        return labels
    mean, std = labels.new_tensor(spec.mean), labels.new_tensor(spec.std)
    return (labels - mean) / std


def task_sums(
    specs: Sequence[TaskSpec],
    predictions: Mapping[str, Tensor],
    labels: Mapping[str, TaskLabels],
) -> dict[str, Float[Tensor, ""]]:
    """Return the sum of losses of each task over the labels of one batch.

    Sums are taken in float32 at least, whatever the precision of the network.
    """
    sums = {}
    for spec in specs:
        task = labels[spec.name]
        rows = predictions[spec.name][task.rows]
        rows = rows.float() if rows.dtype in (torch.float16, torch.bfloat16) else rows
        values = scale_labels(spec, task.values.to(rows.dtype))
        sums[spec.name] = masked_sum(
            spec.loss, rows, values, task.weights.to(rows.dtype), spec.ce_share
        )
    return sums


def total_loss(
    specs: Sequence[TaskSpec],
    sums: Mapping[str, Float[Tensor, ""]],
    totals: Mapping[str, float],
    *,
    scale: float = 1.0,
) -> Float[Tensor, ""]:
    """Return ``scale`` times the share of one micro-batch in the loss of its whole step.

    Args:
        specs: The tasks, with their weights.
        sums: Sum of losses of each task over this micro-batch.
        totals: Weight of the labels of each task over the whole step.
        scale: Ranks times micro-batches, undoing the averages of DDP and of accumulation.
    """
    present = sum(spec.weight for spec in specs if totals[spec.name] > 0)
    shares = [
        # Without labels the sum is 0; it stays, so that its head takes part in the backward pass.
        sums[spec.name] * (spec.weight / totals[spec.name] if totals[spec.name] > 0 else 1)
        for spec in specs
    ]
    return torch.stack(shares).sum() * (scale / present if present else scale)
