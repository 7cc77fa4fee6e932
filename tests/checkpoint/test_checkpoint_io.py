"""Lightning saves and resumes in our format, and nothing of it needs pickle."""

import os
import subprocess
import textwrap
from pathlib import Path

import pytest
import pytorch_lightning as pl
import torch
from checkpoints import RECORD
from pytorch_lightning.callbacks import Callback, EarlyStopping, LambdaCallback
from torch.utils.data import DataLoader, TensorDataset

from graphium.checkpoint.io import GraphiumCheckpointIO
from graphium.checkpoint.load import read_model, verify_checkpoint
from graphium.checkpoint.save import write_checkpoint
from graphium.errors import CheckpointError


class Counter(Callback):
    """A callback with a state of its own."""

    def __init__(self):
        self.losses = []
        self.best = float("inf")

    def on_train_batch_end(self, trainer, pl_module, outputs, batch, batch_idx):
        self.losses.append(float(outputs["loss"]))
        self.best = min(self.losses)

    def state_dict(self):
        return {"losses": self.losses, "best": self.best, "shape": (1, None)}

    def load_state_dict(self, state_dict):
        self.losses, self.best = state_dict["losses"], state_dict["best"]
        assert state_dict["shape"] == (1, None)


class Module(pl.LightningModule):
    def __init__(self):
        super().__init__()
        self.network = torch.nn.Sequential(
            torch.nn.Linear(3, 8), torch.nn.BatchNorm1d(8), torch.nn.Linear(8, 1)
        )
        self.register_buffer("outside_the_network", torch.arange(2))

    def training_step(self, batch, batch_idx):
        features, labels = batch
        loss = (self.network(features) - labels).square().mean()
        self.log("loss", loss)
        return loss

    def configure_optimizers(self):
        optimizer = torch.optim.AdamW(self.parameters(), lr=0.01)
        schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 / (1 + step))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def on_save_checkpoint(self, checkpoint):
        checkpoint["graphium"] = RECORD


def loader():
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(20, 3, generator=generator)
    return DataLoader(TensorDataset(features, features.sum(1, keepdim=True)), batch_size=4)


def make_trainer(epochs, *more):
    counter = Counter()
    stopper = EarlyStopping("loss", patience=50, check_on_train_epoch_end=True)
    return counter, pl.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[counter, stopper, *more],
        plugins=[GraphiumCheckpointIO()],
    )


def fit(epochs, resume=None, *more):
    torch.manual_seed(0)
    module = Module()
    counter, trainer = make_trainer(epochs, *more)
    trainer.fit(module, loader(), ckpt_path=resume)
    return counter, trainer, module


@pytest.mark.filterwarnings("ignore")
def test_a_lightning_run_resumed_from_our_checkpoint_equals_one_that_was_never_stopped(tmp_path):
    expected, _, straight = fit(4)
    _, trainer, _ = fit(2)
    trainer.save_checkpoint(tmp_path / "step-10")

    counter, _, resumed = fit(4, str(tmp_path / "step-10"))

    assert counter.losses == expected.losses
    assert counter.best == expected.best
    state = straight.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in resumed.state_dict().items())
    assert verify_checkpoint(tmp_path / "step-10") == []


@pytest.mark.filterwarnings("ignore")
def test_the_networks_weights_are_the_model_and_the_rest_is_training_state(tmp_path):
    _, trainer, module = fit(1)
    trainer.save_checkpoint(tmp_path / "step-5")

    record, weights = read_model(tmp_path / "step-5")

    assert record == RECORD
    module.network.load_state_dict(weights)  # strict: all of them and no other
    loaded = GraphiumCheckpointIO().load_checkpoint(tmp_path / "step-5")
    assert set(loaded["state_dict"]) == set(module.state_dict())


@pytest.mark.filterwarnings("ignore")
def test_all_that_lightning_saves_comes_back(tmp_path):
    _, trainer, _ = fit(1)
    checkpoint = trainer._checkpoint_connector.dump_checkpoint()
    GraphiumCheckpointIO().save_checkpoint(checkpoint, tmp_path / "step-5")

    loaded = GraphiumCheckpointIO().load_checkpoint(tmp_path / "step-5")

    assert loaded.keys() == checkpoint.keys()
    for name in checkpoint.keys() - {"state_dict", "optimizer_states"}:
        assert loaded[name] == checkpoint[name], name
    torch.testing.assert_close(loaded["state_dict"], dict(checkpoint["state_dict"]), rtol=0, atol=0)
    (ours,), (theirs,) = loaded["optimizer_states"], checkpoint["optimizer_states"]
    assert ours["param_groups"] == theirs["param_groups"]
    torch.testing.assert_close(ours["state"], theirs["state"], rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore")
def test_a_damaged_checkpoint_is_not_resumed(tmp_path):
    _, trainer, _ = fit(1)
    trainer.save_checkpoint(tmp_path / "step-5")
    file = tmp_path / "step-5" / "training.safetensors"
    file.write_bytes(file.read_bytes()[:-1] + b"\x7f")

    with pytest.raises(CheckpointError, match=r"training\.safetensors is damaged"):
        fit(2, str(tmp_path / "step-5"))


@pytest.mark.filterwarnings("ignore")
def test_a_callback_whose_state_cannot_be_kept_is_named(tmp_path):
    callback = LambdaCallback()
    callback.state_dict = lambda: {"function": print}
    _, trainer, _ = fit(1, None, callback)

    with pytest.raises(CheckpointError, match=r"\['callbacks'\]\['LambdaCallback'\]\['function'\]"):
        trainer.save_checkpoint(tmp_path / "step-5")
    assert list(tmp_path.iterdir()) == []


def test_a_module_without_a_record_is_told_what_to_do(tmp_path):
    with pytest.raises(CheckpointError, match="on_save_checkpoint"):
        GraphiumCheckpointIO().save_checkpoint({"state_dict": {}}, tmp_path / "step-1")


def test_a_run_of_another_featurizer_is_not_resumed(tmp_path, monkeypatch):
    write_checkpoint(tmp_path / "step-1", RECORD, {}, {"state_dict": {}})
    assert GraphiumCheckpointIO().load_checkpoint(tmp_path / "step-1")["graphium"] == RECORD
    monkeypatch.setattr("graphium.checkpoint.load.FEATURIZER_VERSION", 99)

    with pytest.raises(CheckpointError, match=r"version 1 of the featurizer.*version 99"):
        GraphiumCheckpointIO().load_checkpoint(tmp_path / "step-1")


def test_a_removed_checkpoint_is_gone(tmp_path):
    write_checkpoint(tmp_path / "step-1", RECORD, {})
    GraphiumCheckpointIO().remove_checkpoint(tmp_path / "step-1")

    assert list(tmp_path.iterdir()) == []


def test_reading_a_checkpoint_runs_no_code_of_the_file(trainers, tmp_path):
    program = """
        import sys
        from pathlib import Path
        import torch
        sys.path.insert(0, sys.argv[2])
        from checkpoints import RECORD, small_training, small_weights
        from graphium.checkpoint.io import GraphiumCheckpointIO

        io, path = GraphiumCheckpointIO(), Path(sys.argv[1])
        state = {"network." + name: tensor for name, tensor in small_weights().items()}
        saved = {"graphium": RECORD, "state_dict": state, **small_training()}
        events = []

        def watch(event, args):
            if event in ("pickle.find_class", "exec", "compile", "os.system", "subprocess.Popen"):
                events.append((event, args))

        sys.addaudithook(watch)
        io.save_checkpoint(saved, path)
        loaded = io.load_checkpoint(path)
        print(loaded["epoch"], events)
        torch.save({}, path / "probe")  # the hook does see pickle
        torch.load(path / "probe", weights_only=False)
        eval("1")
        print(len(events) > 0)
    """
    process = trainers.of(os.environ).start(
        textwrap.dedent(program),
        [str(tmp_path / "step-1"), str(Path(__file__).parent)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert process.communicate()[0].splitlines() == ["3 []", "True"]
