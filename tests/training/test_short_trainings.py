"""What a short training does with its options, from the steps to the files."""

import csv
import itertools
import math
from types import SimpleNamespace

import pytest
import pytorch_lightning as pl
import torch
from pytorch_lightning.plugins.precision import MixedPrecision

from graphium.checkpoint.load import read_model, read_training
from graphium.config.experiment import Experiment
from graphium.errors import DataError
from graphium.store.prepare import prepare_experiment
from graphium.training import hardware, trainer
from graphium.training.randomness import StepSeed
from graphium.training.run import train

ROWS = "smiles,y,b\n" + "".join(f"{'C' * n}O,{n},1\n{'C' * n}N,{n + 0.5},0\n" for n in range(1, 16))


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A table and its store."""
    folder = tmp_path_factory.mktemp("short")
    (folder / "table.csv").write_text(ROWS)
    prepare_experiment(experiment(folder), folder / "stores", workers=1)
    return folder


def experiment(folder, *, dataset=(), **trainer):
    return Experiment.model_validate(
        {
            "name": "short",
            "datasets": {"d": {"table": str(folder / "table.csv"), **dict(dataset)}},
            "tasks": {
                "y": {"dataset": "d", "labels": ["y"], "loss": "mae"},
                "b": {"dataset": "d", "labels": ["b"], "loss": "bce"},
            },
            "model": {"trunk": {"kind": "gine", "depth": 1, "width": 8}},
            "batch": {"size": 6, "accumulate": 2},
            "optimizer": {"kind": "adamw", **trainer.pop("optimizer", {})},
            "trainer": {"max_epochs": 2, "threads": 1, "accelerator": "cpu", **trainer},
        }
    )


def trained(folder, tmp_path, options, **more):
    train(options, tmp_path, store_root=folder / "stores", **more)
    with (tmp_path / "metrics.csv").open(newline="") as file:
        return [row for row in csv.DictReader(file) if row["part"] == "train"]


class Steps(pl.Callback):
    """Remembers the rate and the length of the gradient of each step."""

    def __init__(self):
        self.rates, self.norms = [], []

    def on_before_zero_grad(self, trainer, pl_module, optimizer):
        gradients = [p.grad for p in pl_module.network.parameters() if p.grad is not None]
        if gradients:
            self.norms.append(float(torch.nn.utils.get_total_norm(gradients)))
            self.rates.append(optimizer.param_groups[-1]["lr"])


def test_bfloat16_trains_weights_that_are_kept_in_float32(folder, tmp_path):
    rows = {}
    for precision in ("32", "bf16-mixed"):
        (tmp_path / precision).mkdir()
        made = experiment(folder, precision=precision)
        found = trained(folder, tmp_path / precision, made)
        rows[precision] = [float(r["value"]) for r in found if r["metric"] == "loss"]
    assert rows["bf16-mixed"] == pytest.approx(rows["32"], rel=0.05)
    assert rows["bf16-mixed"] != rows["32"]
    weights = read_model(tmp_path / "bf16-mixed/checkpoints/last")[1].values()
    assert {value.dtype for value in weights} == {torch.float32}


@pytest.fixture
def half_on_cpu(monkeypatch):
    """Let a CPU train in float16 with a gradient scaler, as a GPU does."""

    def build(*args, precision, plugins, **kwargs):
        assert precision == "16-mixed"
        return made(*args, plugins=[*plugins, MixedPrecision(precision, "cpu")], **kwargs)

    made = pl.Trainer
    monkeypatch.setattr(trainer.pl, "Trainer", build)
    monkeypatch.setattr(hardware, "_check_cpu", lambda _: None)


@pytest.mark.usefixtures("half_on_cpu")
def test_steps_that_the_scaler_of_float16_leaves_out_do_not_spoil_the_mean_norm(folder, tmp_path):
    steps = Steps()
    made = experiment(folder, precision="16-mixed", optimizer={"clip_norm": 1e-3})
    rows = trained(folder, tmp_path, made, watchers=[steps])
    norms = [float(r["value"]) for r in rows if r["metric"] == "grad_norm" and not r["task"]]
    assert len(norms) == 2
    assert all(0 < norm < 100 for norm in norms)
    scaler = read_training(tmp_path / "checkpoints/last")["MixedPrecision"]
    assert scaler["scale"] < 2**16  # so that steps were left out
    done = [norm for norm in steps.norms if math.isfinite(norm)]
    assert len(done) < len(steps.norms)
    assert done == pytest.approx([1e-3] * len(done), rel=1e-2)  # clipped after the scale was undone


def test_a_rate_falls_from_the_first_step_after_the_validation_on(folder, tmp_path):
    steps = Steps()
    plateau = {"schedule": "plateau", "plateau": {"patience": 0, "min_delta": 1e9}}
    options = {"lr": 1.0, "warmup_epochs": 0, "layer_decay": 0.9, **plateau}
    made = experiment(folder, max_epochs=3, optimizer=options)
    rows = trained(folder, tmp_path, made, watchers=[steps])
    assert [float(row["value"]) for row in rows if row["metric"] == "lr"] == [1.0, 1.0, 0.5]
    first_two = len(steps.rates) * 2 // 3
    assert steps.rates == [*[1.0] * first_two, *[0.5] * (first_two // 2)]


def test_micro_batches_change_no_number(folder, tmp_path):
    rows = []
    for accumulate in (1, 3):
        made = experiment(folder, max_epochs=1)
        trunk = made.model.trunk.model_copy(update={"dropout": 0.0})
        batch = made.batch.model_copy(update={"accumulate": accumulate})
        model = made.model.model_copy(update={"trunk": trunk})
        made = made.model_copy(update={"batch": batch, "model": model})
        (tmp_path / str(accumulate)).mkdir()
        found = trained(folder, tmp_path / str(accumulate), made)
        of_all = [r for r in found if r["metric"] in ("loss", "grad_norm") and not r["task"]]
        rows.append([float(r["value"]) for r in of_all])
    assert len(rows[0]) == 2
    assert rows[1] == pytest.approx(rows[0], rel=1e-4)


def test_each_batch_of_each_epoch_and_rank_has_a_dropout_of_its_own():
    drawn = []
    for _, epoch, batch, rank in itertools.product(range(2), range(3), range(3), range(3)):
        place = SimpleNamespace(current_epoch=epoch, global_rank=rank)
        StepSeed(7).on_train_batch_start(place, None, None, batch)
        drawn.append(float(torch.rand(())))
    assert drawn[:27] == drawn[27:]
    assert len(set(drawn)) == 27


def test_the_last_epoch_is_the_model_where_none_was_validated(folder, tmp_path):
    trained(folder, tmp_path, experiment(folder, validate_every=9))
    last, best = ((tmp_path / "checkpoints" / name).resolve() for name in ("last", "best"))
    assert best == last


@pytest.mark.parametrize(
    ("options", "name"),
    [
        ({"optimizer": {"schedule": "plateau"}}, "optimizer.schedule"),
        ({"early_stopping": {}}, "trainer.early_stopping"),
    ],
)
def test_what_follows_the_validation_loss_needs_one(folder, tmp_path, options, name):
    none = {"split": {"kind": "random", "fractions": [0.9, 0.0, 0.1]}}
    with pytest.raises(DataError, match=f"{name}.*no molecule of val has a label"):
        trained(folder, tmp_path, experiment(folder, dataset=none, **options))
