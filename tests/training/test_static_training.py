"""Static batches in training: each label once, and resumed only with the steps of the beginning."""

import pytest
import pytorch_lightning as pl
import torch

from graphium.batching.datamodule import MolDataModule
from graphium.checkpoint.format import ModelRecord
from graphium.errors import UsageError
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.module import TrainingModule


def module_of(experiment, mix, steps_per_epoch):
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    content = experiment.model_dump(mode="json")
    record = ModelRecord(experiment=content, tasks=mix.specs, graphium_version="0")
    return TrainingModule(network, record, experiment, steps_per_epoch)


def losses_of_an_epoch(**batch):
    """Losses by task of one epoch in which nothing is learned, and of an evaluation."""
    torch.set_num_threads(1)
    experiment = toy_experiment(batch=batch, optimizer={"kind": "adamw", "lr": 1e-12})
    mix = toy_mix(experiment=experiment)
    data = MolDataModule(mix, experiment)
    module = module_of(experiment, mix, data.steps_per_epoch(1))
    trainer = pl.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        accumulate_grad_batches=experiment.batch.accumulate,
    )
    trainer.fit(module, data)
    return module.train_meter.means(), module.evaluation.losses


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("accumulate", [1, 3])
def test_an_epoch_of_static_batches_has_the_loss_of_all_its_labels(accumulate):
    plain, static = (
        losses_of_an_epoch(shape=shape, accumulate=accumulate) for shape in ("varying", "static")
    )

    assert static[0] == pytest.approx(plain[0], rel=1e-5)
    assert static[1] == pytest.approx(plain[1], rel=1e-5)


def test_a_run_whose_epochs_have_other_steps_now_is_not_resumed():
    experiment = toy_experiment()
    mix = toy_mix()
    checkpoint = {}
    module_of(experiment, mix, 8).on_save_checkpoint(checkpoint)

    with pytest.raises(UsageError, match="had 8 steps, and has 4 now"):
        module_of(experiment, mix, 4).on_load_checkpoint(checkpoint)
