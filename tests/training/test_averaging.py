"""The average of the weights: what it is, and who sees it."""

import json
from pathlib import Path

import pytest
import torch
from torch import nn

from graphium.checkpoint.load import find_checkpoint, read_model, read_training
from graphium.config.experiment import Experiment
from graphium.store.prepare import prepare_experiment
from graphium.training.averaging import WeightAverage
from graphium.training.run import train

ROWS = "smiles,y\n" + "".join(f"{'C' * n}O,{n}\n{'C' * n}N,{n + 0.5}\n" for n in range(1, 16))
DECAY = 0.6

pytestmark = pytest.mark.filterwarnings("ignore:norm. batch makes")  # it has statistics to average


class EveryStep(WeightAverage):
    """Also remembers the weights of every step, and what was validated."""

    def __init__(self, decay):
        super().__init__(decay)
        self.seen, self.validated = [], []

    def on_train_start(self, trainer, pl_module):
        super().on_train_start(trainer, pl_module)
        self.seen.append(copied(pl_module.network))

    def on_train_batch_end(self, trainer, pl_module, *rest):
        super().on_train_batch_end(trainer, pl_module, *rest)
        self.seen.append(copied(pl_module.network))

    def on_validation_epoch_end(self, trainer, pl_module):
        self.validated.append(copied(pl_module.network))


def copied(network: nn.Module):
    return {name: value.clone() for name, value in network.state_dict().items()}


@pytest.fixture(scope="module")
def averaged(tmp_path_factory):
    """A short training with an average: its callback and its folder."""
    folder = tmp_path_factory.mktemp("averaged")
    (folder / "table.csv").write_text(ROWS)
    experiment = Experiment.model_validate(
        {
            "name": "averaged",
            "datasets": {"d": {"table": str(folder / "table.csv")}},
            "tasks": {"y": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
            "model": {"trunk": {"kind": "gine", "depth": 1, "width": 8, "norm": "batch"}},
            "batch": {"size": 8},
            "optimizer": {"kind": "adamw", "lr": 0.02, "ema_decay": DECAY},
            "trainer": {"max_epochs": 2, "threads": 1, "accelerator": "cpu"},
        }
    )
    prepare_experiment(experiment, folder / "stores", workers=1)
    (folder / "run").mkdir()
    made = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            "graphium.training.run.WeightAverage",
            lambda decay: made.append(EveryStep(decay)) or made[0],
        )
        train(experiment, folder / "run", store_root=folder / "stores")
    return made[0], folder / "run"


def plain_average(seen):
    """The average by its formula, in float64, step by step."""
    average = {name: value.double() for name, value in seen[0].items()}
    for step, weights in enumerate(seen[1:], start=1):
        kept = min(DECAY, (1 + step) / (10 + step))
        for name, value in weights.items():
            is_counter = not value.is_floating_point()
            average[name] = value if is_counter else kept * average[name] + (1 - kept) * value
    return average


def close(a, b):
    return all(torch.allclose(a[name].double(), b[name].double(), atol=1e-5) for name in a)


def test_it_is_the_average_of_the_weights_after_every_step(averaged):
    callback, run = averaged
    _, model = read_model(find_checkpoint(run / "checkpoints" / "last"))
    assert len(callback.seen) > 5
    assert close(model, plain_average(callback.seen))
    assert not close(model, callback.seen[-1])


def test_the_average_is_validated_and_the_optimizer_goes_on_with_its_own_weights(averaged):
    callback, run = averaged
    steps = (len(callback.seen) - 1) // 2
    assert close(callback.validated[0], plain_average(callback.seen[: steps + 1]))
    trained = read_training(find_checkpoint(run / "checkpoints" / "last"))["trained_weights"]
    assert all(torch.equal(trained[name], value) for name, value in callback.seen[-1].items())


def test_the_best_model_is_tested_as_it_was_validated(averaged):
    callback, run = averaged
    best = json.loads((run / "results.json").read_text())["best_epoch"]
    _, model = read_model(find_checkpoint(Path(run)))
    assert close(model, callback.validated[best - 1])
    assert close(model, callback.validated[-1])  # the last validation is that of the test part
