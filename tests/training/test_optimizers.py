"""Which parameters are decayed, and what the learning rate is at each step."""

import copy
from types import SimpleNamespace

import pytest
import torch
from pydantic import TypeAdapter
from torch import nn

from graphium.config.optimizers import (
    AdamWConfig,
    MuonConfig,
    OptimizerConfig,
    PlateauConfig,
    SgdConfig,
)
from graphium.training.optimizers import (
    Plateau,
    build_optimizer,
    build_schedule,
    learning_rate_factor,
    warmup_steps,
)


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
    config = AdamWConfig(weight_decay=0.1)
    optimizer = build_optimizer(network(), config, is_frozen_first=lambda _: False)
    for group in optimizer.param_groups:
        assert {p.ndim for p in group["params"]} == ({2} if group["weight_decay"] else {1})
    assert sum(len(group["params"]) for group in optimizer.param_groups) == 4


@pytest.mark.parametrize(("schedule", "middle"), [("cosine", 0.5), ("linear", 0.5)])
def test_the_rate_rises_linearly_then_falls_to_its_end(schedule, middle):
    config = AdamWConfig(schedule=schedule, final_lr_fraction=0.0)
    factor = learning_rate_factor(config, warmup_steps=4, total_steps=24)
    assert [factor(step) for step in range(5)] == pytest.approx([0.2, 0.4, 0.6, 0.8, 1.0])
    assert factor(14) == pytest.approx(middle)
    assert factor(24) == pytest.approx(0)
    assert factor(1000) == pytest.approx(0)


def test_the_rate_rises_for_an_epoch_or_for_a_tenth_of_the_only_one():
    config = AdamWConfig()
    assert warmup_steps(config, steps_per_epoch=50, total_steps=100) == 50
    assert warmup_steps(config, steps_per_epoch=50, total_steps=50) == 5
    config = AdamWConfig(warmup_epochs=0.5)
    assert warmup_steps(config, steps_per_epoch=50, total_steps=50) == 25


def test_a_constant_rate_stays():
    factor = learning_rate_factor(AdamWConfig(schedule="constant"), warmup_steps=0, total_steps=10)
    assert [factor(step) for step in (0, 5, 20)] == [1, 1, 1]


def test_the_end_is_a_share_of_the_rate():
    config = AdamWConfig(final_lr_fraction=0.1)
    assert learning_rate_factor(config, warmup_steps=0, total_steps=10)(10) == pytest.approx(0.1)


def test_frozen_groups_wait_and_do_not_move():
    model = network()
    before = model["trunk"].weight.clone()
    config = AdamWConfig(lr=0.1, warmup_epochs=0, schedule="constant", weight_decay=0.5)
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


def test_one_cycle_rises_for_a_third_and_falls_by_cosines():
    config = AdamWConfig(schedule="one-cycle")
    steps = warmup_steps(config, steps_per_epoch=10, total_steps=100)
    factor = learning_rate_factor(config, warmup_steps=steps, total_steps=100)
    assert steps == 30
    assert factor(0) == pytest.approx(1 / 25)
    assert factor(15) == pytest.approx((1 + 1 / 25) / 2)
    assert factor(30) == 1
    assert factor(65) == pytest.approx(0.5)
    assert factor(100) == pytest.approx(0)


def test_the_rate_falls_where_the_validation_loss_stays_and_not_below_its_end():
    config = AdamWConfig(schedule="plateau", plateau={"patience": 1}, final_lr_fraction=0.3)
    plateau = Plateau(config.plateau_options)
    factor = learning_rate_factor(config, warmup_steps=0, total_steps=9, plateau=plateau)
    seen = []
    for loss in (5.0, 4.0, 4.0, 4.5, 3.0, 3.0, 3.0, 3.0, 3.0):
        plateau.observe(loss)
        seen.append(factor(0))
    assert seen == [1, 1, 1, 0.5, 0.5, 0.5, 0.3, 0.3, 0.3]


def test_a_resumed_plateau_goes_on_waiting():
    config = PlateauConfig(patience=2)
    straight, first, second = (Plateau(config) for _ in range(3))
    losses = [3.0, 3.0, 2.0, 2.0, 2.0, 2.0, 2.0, 2.0]
    for loss in losses:
        straight.observe(loss)
    for loss in losses[:5]:
        first.observe(loss)
    second.load_state_dict(first.state_dict())
    for loss in losses[5:]:
        second.observe(loss)
    assert second.state_dict() == straight.state_dict()
    assert straight.scale == 0.5


def test_options_of_a_plateau_need_its_schedule():
    with pytest.raises(ValueError, match="schedule: plateau"):
        AdamWConfig(plateau={"patience": 1})


def deep_network():
    blocks = nn.ModuleList([nn.Linear(4, 4) for _ in range(3)])
    return nn.ModuleDict(
        {
            "encoders": nn.Linear(2, 4),
            "trunk": nn.ModuleDict({"blocks": blocks, "norm": nn.LayerNorm(4)}),
            "heads": nn.Linear(4, 1),
        }
    )


def test_each_block_learns_more_slowly_than_the_one_above_it():
    model = deep_network()
    config = AdamWConfig(lr=1.0, layer_decay=0.5)
    optimizer = build_optimizer(model, config, is_frozen_first=lambda _: False)
    rate = {p: group["lr"] for group in optimizer.param_groups for p in group["params"]}
    assert {name: rate[p] for name, p in model.named_parameters() if "weight" in name} == {
        "encoders.weight": 1 / 16,
        "trunk.blocks.0.weight": 1 / 8,
        "trunk.blocks.1.weight": 1 / 4,
        "trunk.blocks.2.weight": 1 / 2,
        "trunk.norm.weight": 1.0,
        "heads.weight": 1.0,
    }


def test_sgd_with_momentum_follows_its_formula():
    model = nn.ModuleDict({"heads": nn.Linear(3, 1, bias=False)})
    config = SgdConfig(kind="sgd", lr=0.1, momentum=0.5, weight_decay=0.2)
    optimizer = build_optimizer(model, config, is_frozen_first=lambda _: False)
    weight = model["heads"].weight.detach().double().clone()
    velocity = torch.zeros_like(weight)
    for step in range(4):
        model["heads"].weight.grad = torch.full((1, 3), step + 1.0)
        velocity = 0.5 * velocity + (step + 1.0) + 0.2 * weight
        weight -= 0.1 * velocity
        optimizer.step()
    assert torch.allclose(model["heads"].weight.double(), weight, atol=1e-6)


def train_by(optimizer, model, steps, seed=0):
    """Make some steps along gradients that depend on the step."""
    generator = torch.Generator().manual_seed(seed)
    for _ in range(steps):
        for p in model.parameters():
            p.grad = torch.randn(p.shape, generator=generator)
        optimizer.step()


def test_muon_moves_matrices_of_the_trunk_and_adamw_the_rest():
    torch.manual_seed(0)
    one, two = deep_network(), deep_network()
    two.load_state_dict(one.state_dict())
    config = MuonConfig(kind="muon", lr=0.01, weight_decay=0.1)
    train_by(build_optimizer(one, config, is_frozen_first=lambda _: False), one, 3)

    hidden = [p for n, p in two.named_parameters() if n.startswith("trunk.") and p.ndim == 2]
    rest = [p for p in two.parameters() if all(p is not h for h in hidden)]
    muon = torch.optim.Muon(
        hidden, lr=0.01, momentum=0.95, weight_decay=0.1, adjust_lr_fn="match_rms_adamw"
    )
    adamw = torch.optim.AdamW(
        [
            {"params": [p for p in rest if p.ndim >= 2], "weight_decay": 0.1},
            {"params": [p for p in rest if p.ndim < 2], "weight_decay": 0.0},
        ],
        lr=0.01,
        fused=True,
    )
    both = SimpleNamespace(step=lambda: (muon.step(), adamw.step()))
    train_by(both, two, 3)

    assert len(hidden) == 3
    for name, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[name]), name


def test_a_resumed_muon_makes_the_steps_of_one_that_went_on():
    torch.manual_seed(0)
    model = deep_network()
    config = MuonConfig(kind="muon", lr=0.01)

    def made(network):
        return build_optimizer(network, config, is_frozen_first=lambda _: False)

    optimizer = made(model)
    train_by(optimizer, model, 3)
    other = deep_network()
    other.load_state_dict(model.state_dict())
    resumed = made(other)
    resumed.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    train_by(optimizer, model, 3, seed=1)
    train_by(resumed, other, 3, seed=1)
    for name, value in model.state_dict().items():
        assert torch.equal(value, other.state_dict()[name]), name


@pytest.mark.parametrize(
    "options", [{"kind": "adamw"}, {"kind": "sgd", "momentum": 0.8}, {"kind": "muon"}]
)
def test_every_optimizer_learns(options):
    torch.manual_seed(0)
    model = deep_network()
    config = TypeAdapter(OptimizerConfig).validate_python({**options, "lr": 0.02})
    optimizer = build_optimizer(model, config, is_frozen_first=lambda _: False)
    x = torch.randn(64, 2)
    y = x[:, :1] * x[:, 1:]

    def loss():
        atoms = model["encoders"](x)
        for block in model["trunk"]["blocks"]:
            atoms = atoms + torch.relu(block(atoms))
        return ((model["heads"](model["trunk"]["norm"](atoms)) - y) ** 2).mean()

    before = loss().item()
    for _ in range(60):
        optimizer.zero_grad()
        loss().backward()
        optimizer.step()
    assert loss().item() < before / 2
