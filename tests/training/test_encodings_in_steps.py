"""A run whose steps compute the encodings is the run that computed them ahead."""

import numpy as np
import pytest
import pytorch_lightning as pl
import torch

from graphium.batching.datamodule import MolDataModule
from graphium.checkpoint.format import ModelRecord
from graphium.nn.build import build_network
from graphium.testing.toy import toy_experiment, toy_mix
from graphium.training.module import TrainingModule


def train(compute):
    """Losses of training and of an evaluation that is handed a loader alone."""
    torch.set_num_threads(1)
    encodings = {"compute": compute, "commute": {"level": "edge"}, "shortest_path": {}}
    experiment = toy_experiment(features={"encodings": encodings})
    mix = toy_mix(experiment=experiment)
    network = build_network(experiment.model, experiment.features, mix.specs, seed=0)
    record = ModelRecord(
        experiment=experiment.model_dump(mode="json"), tasks=mix.specs, graphium_version="0"
    )
    module = TrainingModule(network, record, experiment, steps_per_epoch=4)
    trainer = pl.Trainer(
        max_epochs=2,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
    )
    data = MolDataModule(mix, experiment)
    trainer.fit(module, data)
    trainer.validate(module, dataloaders=data.test_dataloader(), verbose=False)
    return module.train_meter.means(), module.evaluation.losses


@pytest.mark.filterwarnings("ignore")
def test_both_have_the_same_losses():
    for ahead, step in zip(train("ahead"), train("step"), strict=True):
        assert ahead.keys() == step.keys()
        assert len(ahead) > 3
        np.testing.assert_allclose(list(step.values()), list(ahead.values()), rtol=1e-5)
