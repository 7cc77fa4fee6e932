"""The masked loss: what is missing does not matter, what exists is averaged over the step."""

import pytest
import torch

from graphium.config.tasks import TaskSpec
from graphium.graphs.mol_batch import TaskLabels
from graphium.training.losses import elementwise_loss, masked_sum, task_sums, total_loss

LOSSES = ["mae", "mse", "huber", "bce", "ce", "hybrid_ce"]
MULTICLASS = ("ce", "hybrid_ce")
NAN = float("nan")


def make(loss, rows=6, labels=3, seed=0):
    """Predictions, labels with gaps and weights in double precision."""
    generator = torch.Generator().manual_seed(seed)
    width = labels * (4 if loss in MULTICLASS else 1)
    predictions = torch.randn(rows, width, generator=generator, dtype=torch.float64)
    high = {"bce": 2, "ce": 4, "hybrid_ce": 4}.get(loss)
    if high:
        values = torch.randint(high, (rows, labels), generator=generator).double()
    else:
        values = torch.randn(rows, labels, generator=generator, dtype=torch.float64)
    values[torch.rand(rows, labels, generator=generator) < 0.4] = NAN
    weights = torch.rand(rows, generator=generator, dtype=torch.float64) + 0.5
    return predictions.requires_grad_(), values, weights


@pytest.mark.parametrize("loss", LOSSES)
def test_gradients_are_those_of_the_known_labels_alone(loss):
    predictions, values, weights = make(loss)
    masked_sum(loss, predictions, values, weights).backward()

    one_by_one = predictions.detach().clone().requires_grad_()
    total = torch.zeros((), dtype=torch.float64)
    classes = 4 if loss in MULTICLASS else 1
    for row, column in torch.argwhere(values.isfinite()).tolist():
        cell = one_by_one[row : row + 1, column * classes : (column + 1) * classes]
        label = values[row : row + 1, column : column + 1]
        total = total + weights[row] * elementwise_loss(loss, cell, label).sum()
    total.backward()
    torch.testing.assert_close(predictions.grad, one_by_one.grad, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("bad", [NAN, float("inf"), -float("inf")])
def test_labels_that_are_not_numbers_change_neither_loss_nor_gradient(loss, bad):
    predictions, values, weights = make(loss)
    before = masked_sum(loss, predictions, values, weights)
    values[values.isnan()] = bad
    after = masked_sum(loss, predictions, values, weights)
    after.backward()
    assert after == before
    assert predictions.grad.isfinite().all()


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("rows", [0, 4])
def test_without_labels_the_loss_is_zero_and_the_head_still_gets_a_gradient(loss, rows):
    predictions, values, weights = make(loss, rows=rows)
    lost = masked_sum(loss, predictions, torch.full_like(values, NAN), weights)
    lost.backward()
    assert lost == 0
    assert (predictions.grad == 0).all()


def test_elementwise_losses_follow_their_formulas():
    p, y = torch.tensor([[0.5, 3.0]]), torch.tensor([[1.0, 0.0]])
    assert elementwise_loss("mae", p, y).tolist() == [[0.5, 3.0]]
    assert elementwise_loss("mse", p, y).tolist() == [[0.25, 9.0]]
    assert elementwise_loss("huber", p, y).tolist() == [[0.125, 2.5]]
    expected = torch.stack([-p[0, 0].sigmoid().log(), -(1 - p[0, 1].sigmoid()).log()])
    torch.testing.assert_close(elementwise_loss("bce", p, y)[0], expected)
    logits = torch.tensor([[0.0, 1.0, 2.0, 5.0, 0.0, 0.0]])  # two labels of three classes
    got = elementwise_loss("ce", logits, torch.tensor([[2.0, 0.0]]))
    expected = torch.stack([-logits[0, :3].log_softmax(0)[2], -logits[0, 3:].log_softmax(0)[0]])
    torch.testing.assert_close(got[0], expected)


def test_the_hybrid_loss_is_cross_entropy_and_the_squared_distance_from_the_mean_class():
    logits = torch.tensor([[0.0, 1.0, 2.0, 5.0, 0.0, 0.0]])  # two labels of three classes
    y = torch.tensor([[2.0, 0.0]])
    p = torch.stack([logits[0, :3].softmax(0), logits[0, 3:].softmax(0)])
    cross_entropy = torch.stack([-p[0, 2].log(), -p[1, 0].log()])
    squared = (p[:, 1] + 2 * p[:, 2] - y[0]) ** 2

    for share in (0.0, 0.3, 1.0):
        got = elementwise_loss("hybrid_ce", logits, y, share)
        torch.testing.assert_close(got[0], share * cross_entropy + (1 - share) * squared)


def test_the_hybrid_loss_minds_how_far_a_wrong_class_is():
    near, far = torch.tensor([[0.0, 4.0, 0.0, 0.0]]), torch.tensor([[0.0, 0.0, 0.0, 4.0]])
    y = torch.tensor([[0.0]])
    assert elementwise_loss("ce", near, y) == elementwise_loss("ce", far, y)
    assert elementwise_loss("hybrid_ce", near, y) < elementwise_loss("hybrid_ce", far, y)


def two_tasks():
    common = dict(dataset="d", level="graph", labels=["y"], metrics=[])
    return [
        TaskSpec(name="a", loss="mse", weight=3.0, **common),
        TaskSpec(name="b", loss="mae", weight=1.0, mean=[10.0], std=[2.0], **common),
    ]


def test_the_total_is_the_weighted_mean_of_the_task_means():
    sums = {"a": torch.tensor(8.0), "b": torch.tensor(6.0)}
    loss = total_loss(two_tasks(), sums, {"a": 4.0, "b": 2.0})
    assert loss.item() == pytest.approx((3 * 2 + 1 * 3) / 4)


def test_a_task_without_labels_in_the_step_does_not_thin_the_others():
    sums = {"a": torch.tensor(8.0), "b": torch.tensor(0.0)}
    assert total_loss(two_tasks(), sums, {"a": 4.0, "b": 0.0}).item() == pytest.approx(2)


def test_a_step_without_any_label_is_zero():
    sums = {"a": torch.tensor(0.0), "b": torch.tensor(0.0)}
    assert total_loss(two_tasks(), sums, {"a": 0.0, "b": 0.0}, scale=4).item() == 0


def test_labels_are_scaled_and_rows_are_chosen():
    predictions = {"a": torch.tensor([[0.0], [1.0]]), "b": torch.tensor([[0.0], [2.0]])}
    labels = {
        "a": TaskLabels(torch.tensor([0]), torch.tensor([[3.0]]), torch.tensor([2.0])),
        "b": TaskLabels(torch.tensor([1]), torch.tensor([[16.0]]), torch.tensor([1.0])),
    }
    sums = task_sums(two_tasks(), predictions, labels)
    assert sums["a"].item() == pytest.approx(2 * 9)
    assert sums["b"].item() == pytest.approx(abs(2 - (16 - 10) / 2))


def test_sums_are_taken_in_float32_under_low_precision():
    rows = torch.full((4096, 1), 1.0, dtype=torch.bfloat16)
    labels = {
        name: TaskLabels(torch.arange(4096), torch.zeros(4096, 1), torch.ones(4096))
        for name in ("a", "b")
    }
    sums = task_sums(two_tasks()[:1], {"a": rows}, labels)
    assert sums["a"].item() == 4096  # bfloat16 would stop at 256
