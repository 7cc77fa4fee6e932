"""Which parameters are decayed, and what the learning rate is at each step."""

import pytest
import torch
from torch import nn

from graphium.config.training import OptimizerConfig
from graphium.training.optimizers import build_optimizer, build_schedule, learning_rate_factor


def rates(optimizer, schedule, steps):
    """The learning rate of each group at each step."""
    out = []
    for _ in range(steps):
        out.append([group["lr"] for group in optimizer.param_groups])
        optimizer.step()
        schedule.step()
    return out


def network():
    return nn.ModuleDict({"trunk": nn.Linear(3, 3), "heads": nn.Linear(3, 1)})


def test_only_matrices_are_decayed():
    config = OptimizerConfig(weight_decay=0.1)
    optimizer = build_optimizer(network(), config, is_frozen_first=lambda _: False)
    for group in optimizer.param_groups:
        assert {p.ndim for p in group["params"]} == ({2} if group["weight_decay"] else {1})
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


@pytest.mark.parametrize(("schedule", "middle"), [("cosine", 0.5), ("linear", 0.5)])
def test_the_rate_rises_linearly_then_falls_to_its_end(schedule, middle):
    config = OptimizerConfig(schedule=schedule, final_lr_fraction=0.0)
    factor = learning_rate_factor(config, warmup_steps=4, total_steps=24)
    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factor(14) == pytest.approx(middle)
    assert factor(24) == pytest.approx(0)
    assert factor(1000) == pytest.approx(0)


def test_a_constant_rate_stays():
    factor = learning_rate_factor(
        OptimizerConfig(schedule="constant"), warmup_steps=0, total_steps=10
    )
    assert [factor(step) for step in (0, 5, 20)] == [1, 1, 1]


def test_the_end_is_a_share_of_the_rate():
    config = OptimizerConfig(final_lr_fraction=0.1)
    assert learning_rate_factor(config, warmup_steps=0, total_steps=10)(10) == pytest.approx(0.1)


def test_frozen_groups_wait_and_do_not_move():
    model = network()
    before = model["trunk"].weight.clone()
    config = OptimizerConfig(lr=0.1, warmup_epochs=0, schedule="constant", weight_decay=0.5)
    optimizer = build_optimizer(
        model, config, is_frozen_first=lambda name: not name.startswith("heads.")
    )
    schedule = build_schedule(optimizer, config, steps_per_epoch=2, max_epochs=3, freeze_epochs=1)
    for p in model.parameters():
        p.grad = torch.ones_like(p)
    seen = rates(optimizer, schedule, 2)
    assert torch.equal(model["trunk"].weight, before)
    assert all(
        rate == (0 if group["frozen_first"] else 0.1)
        for step in seen
        for rate, group in zip(step, optimizer.param_groups, strict=True)
    )
    rates(optimizer, schedule, 1)
    assert not torch.equal(model["trunk"].weight, before)
