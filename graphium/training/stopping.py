"""When a run ends before its last epoch."""

import pytorch_lightning as pl
from pytorch_lightning.callbacks import EarlyStopping

from graphium.config.training import EarlyStoppingConfig


class PatientStopping(EarlyStopping):
    """Stops when the validation loss has not fallen for ``patience`` validations.

    A run that was killed after it had stopped does not go on when it is resumed.

    Args:
        config: The ``trainer.early_stopping`` section.
    """

    def __init__(self, config: EarlyStoppingConfig) -> None:
        super().__init__(
            "val/loss",
            patience=config.patience,
            min_delta=config.min_delta,
            check_on_train_epoch_end=False,
            check_finite=False,  # the end of the epoch says what a loss that is no number means
        )

    @property
    def has_stopped(self) -> bool:
        """Whether patience is at its end."""
        return self.wait_count >= self.patience

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Stay stopped."""
        trainer.should_stop = trainer.should_stop or self.has_stopped
