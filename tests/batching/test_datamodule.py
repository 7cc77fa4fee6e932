import contextlib
import threading

import pytest
import pytorch_lightning as pl
import torch

from graphium.batching import datamodule
from graphium.batching.datamodule import MolDataModule
from graphium.batching.maker import HostMaker
from graphium.errors import DataError
from graphium.testing.toy import toy_experiment, toy_mix

EPOCHS = 3


@pytest.mark.parametrize("held_in", ["ram", "cuda"])
def test_batches_without_a_trainer_are_made_for_the_device_that_is_named(monkeypatch, held_in):
    made = []

    def maker(graphs, tasks, features, device):
        made.append(device)
        return HostMaker(graphs, tasks, features)

    for name in ("HostMaker", "DeviceMaker"):
        monkeypatch.setattr(datamodule, name, maker)
    experiment = toy_experiment(batch={"held_in": held_in}, trainer={"accelerator": "auto"})
    for device in (None, torch.device("cuda", 0)):
        next(iter(MolDataModule(toy_mix(), experiment, device).train_dataloader()))
    assert made == [torch.device("cpu"), torch.device("cuda", 0)]


class Recorder(pl.LightningModule):
    """Trains one number, and notes which molecules stood in which batch."""

    def __init__(self):
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(()))
        self.seen = []
        self.evaluated = []

    def training_step(self, batch, batch_idx):
        self.seen.append(batch.keys.tolist())
        return (self.weight - batch.num_molecules) ** 2

    def validation_step(self, batch, batch_idx):
        self.evaluated.append(batch.keys.tolist())

    def configure_optimizers(self):
        return torch.optim.SGD(self.parameters(), 1e-3)


class SaveAt(pl.Callback):
    def __init__(self, step, path):
        self.step = step
        self.path = path

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.global_step == self.step and not self.path.exists():
            trainer.save_checkpoint(self.path)

    def save(self, trainer):
        if trainer.global_step == self.step and not self.path.exists():
            trainer.save_checkpoint(self.path)


class SaveAfterValidation(SaveAt):
    on_train_batch_end = pl.Callback.on_train_batch_end

    def on_validation_end(self, trainer, module):
        self.save(trainer)


def fit(*callbacks, accumulate=1, checkpoint=None, batch=None, **options):
    torch.set_num_threads(1)
    module = Recorder()
    experiment = toy_experiment(batch={"size": 8, "accumulate": accumulate, **(batch or {})})
    trainer = pl.Trainer(
        max_epochs=EPOCHS,
        accumulate_grad_batches=accumulate,
        callbacks=list(callbacks),
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        **options,
    )
    trainer.fit(module, MolDataModule(toy_mix(), experiment), ckpt_path=checkpoint)
    return module


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("accumulate", [1, 3])
@pytest.mark.parametrize("step", [1, 3, 4, 5, 8, 11])
def test_a_run_resumed_at_any_step_sees_exactly_the_remaining_batches(tmp_path, step, accumulate):
    whole = fit(accumulate=accumulate)
    interrupted = fit(SaveAt(step, tmp_path / "at.ckpt"), accumulate=accumulate)

    resumed = fit(accumulate=accumulate, checkpoint=tmp_path / "at.ckpt")

    assert interrupted.seen == whole.seen
    assert len(whole.seen) == EPOCHS * 4 * accumulate
    assert resumed.seen == whole.seen[step * accumulate :]
    assert resumed.weight == whole.weight


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    "batch", [{"shape": "static"}, {"shape": "static", "budget": {"atoms": 64}}]
)
def test_a_run_with_static_batches_is_resumed_as_exactly(tmp_path, batch):
    whole = fit(batch=batch)
    fit(SaveAt(5, tmp_path / "at.ckpt"), batch=batch)

    resumed = fit(batch=batch, checkpoint=tmp_path / "at.ckpt")

    assert resumed.seen == whole.seen[5:]
    assert len({len(keys) for keys in whole.seen}) == 1


class SaveAtEpochEnd(SaveAt):
    on_train_batch_end = pl.Callback.on_train_batch_end

    def on_train_epoch_end(self, trainer, module):
        self.save(trainer)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("callback", [SaveAfterValidation, SaveAtEpochEnd])
def test_a_run_saved_between_epochs_goes_on_with_the_next_epoch(tmp_path, callback):
    whole = fit()
    fit(callback(8, tmp_path / "at.ckpt"))

    resumed = fit(checkpoint=tmp_path / "at.ckpt")

    assert resumed.seen == whole.seen[8:]


@pytest.mark.filterwarnings("ignore")
def test_an_epoch_cut_short_is_followed_by_the_next_epoch():
    whole = fit()
    short = fit(limit_train_batches=2)

    assert short.seen == [whole.seen[i] for i in (0, 1, 4, 5, 8, 9)]


class Fail(pl.Callback):
    """Ends the run in mid-epoch, in one of two ways, while batches lie ready."""

    def __init__(self, error):
        self.error = error

    def on_train_batch_end(self, trainer, module, outputs, batch, batch_idx):
        if trainer.global_step == 2:
            if self.error is not None:
                raise self.error
            trainer.should_stop = True


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("error", [None, ZeroDivisionError("in mid-epoch"), KeyboardInterrupt()])
def test_no_thread_outlives_a_run_that_ends_early(error):
    trainers = []
    keep = pl.Callback()
    keep.setup = lambda trainer, module, stage: trainers.append(trainer)  # as its caller might

    with contextlib.suppress(ZeroDivisionError, SystemExit, KeyboardInterrupt):
        fit(keep, Fail(error))

    assert len(trainers) == 1
    for thread in threading.enumerate():
        if thread.name.startswith("graphium-batches"):
            thread.join(5)
            assert not thread.is_alive()


@pytest.mark.filterwarnings("ignore")
def test_an_error_in_a_batch_made_ahead_stops_the_run_with_its_own_words(monkeypatch):
    seen = []

    def broken(maker, molecules, whole_step):
        seen.append(molecules)
        if len(seen) == 3:
            raise DataError("the third batch is damaged")
        return make(maker, molecules, whole_step)

    make = HostMaker.__call__
    monkeypatch.setattr(HostMaker, "__call__", broken)

    with pytest.raises(DataError, match="the third batch is damaged") as caught:
        fit()

    assert "broken" in [entry.name for entry in caught.traceback]


@pytest.mark.filterwarnings("ignore")
def test_every_validation_visits_the_same_batches():
    module = fit()

    per_epoch = len(module.evaluated) // EPOCHS
    assert module.evaluated[:per_epoch] == module.evaluated[per_epoch : 2 * per_epoch]
    visited = [key for keys in module.evaluated[:per_epoch] for key in keys]
    assert visited == toy_mix().molecules("val").tolist()
