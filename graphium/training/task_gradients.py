"""How strongly each task pulls at what all tasks share."""

from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from graphium.graphs.mol_batch import MolBatch
from graphium.training.losses import task_sums, total_loss
from graphium.training.module import TrainingModule


class TaskGradients(Callback):
    """Measures, on the first batch of each epoch, the gradient of each task's share of the loss.

    The norm is taken over encoders and trunk, in evaluation mode, before the step: the sum of these
    gradients is that of the step, but for dropout. It costs one more pass, and one backward pass
    for each task, in an epoch; the first rank alone does it, on its own batch. Where it has only a
    share of the weights (``trainer.parallel: fsdp``) it cannot, and nothing is measured.
    """

    def __init__(self) -> None:
        self.norms: dict[str, float] = {}
        """By task; those without a label in the batch are not there."""

    def state_dict(self) -> dict[str, Any]:
        """Return the norms of this epoch."""
        return {"norms": self.norms}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Keep the norms of an epoch that was under way."""
        self.norms = state_dict["norms"]

    def on_train_batch_start(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, batch: Any, batch_idx: int
    ) -> None:
        """Measure on the first batch of an epoch."""
        assert isinstance(pl_module, TrainingModule)
        is_whole = pl_module.experiment.trainer.parallel == "ddp"
        if batch_idx == 0 and trainer.is_global_zero and is_whole:
            assert isinstance(batch, MolBatch)
            self.norms = gradient_norms(pl_module, batch)


def gradient_norms(module: TrainingModule, batch: MolBatch) -> dict[str, float]:
    """Return the norm of the gradient of each task's share of the loss of one batch."""
    network, specs = module.network, module.specs
    shared = [p for name, p in network.named_parameters() if not name.startswith("heads.")]
    was_training = network.training
    network.eval()
    with torch.enable_grad():
        sums = task_sums(specs, network(batch), batch.labels)
        norms: dict[str, Tensor] = {}
        for spec in specs:
            if not bool(batch.labels[spec.name].values.isfinite().any()):
                continue
            alone = {name: s if name == spec.name else s.detach() * 0 for name, s in sums.items()}
            loss = total_loss(specs, alone, batch.label_totals)
            gradients = torch.autograd.grad(loss, shared, retain_graph=True, allow_unused=True)
            squares = [g.detach().float().square().sum() for g in gradients if g is not None]
            norms[spec.name] = torch.stack(squares).sum().sqrt()
    network.train(was_training)
    return {name: float(norm) for name, norm in norms.items()}
