"""Lightning's checkpoints in our format: resume without pickle."""

from pathlib import Path
from typing import Any

from pytorch_lightning.plugins.io import CheckpointIO

from graphium.checkpoint.format import ModelRecord
from graphium.checkpoint.load import check_featurizer, read_model, read_training
from graphium.checkpoint.save import remove_checkpoint, write_checkpoint
from graphium.errors import CheckpointError

NETWORK = "network."
"""Prefix of the network's weights in the Lightning module's state."""


class GraphiumCheckpointIO(CheckpointIO):
    """Keeps Lightning's whole checkpoint as a graphium checkpoint directory.

    The module puts its ``ModelRecord`` under ``checkpoint["graphium"]``. The network's weights
    become ``model.safetensors``, all the rest the training state; ``load_checkpoint`` puts both
    together again, on the CPU.
    """

    def save_checkpoint(
        self, checkpoint: dict[str, Any], path: str | Path, storage_options: Any = None
    ) -> None:
        """Write a checkpoint directory.

        Raises:
            CheckpointError: There is no record, or a value that cannot be kept exactly.
        """
        record = checkpoint.get("graphium")
        if not isinstance(record, ModelRecord):
            raise CheckpointError(
                "the Lightning module must put its ModelRecord under checkpoint['graphium'] in "
                "on_save_checkpoint"
            )
        if storage_options is not None:
            raise CheckpointError("checkpoints take no storage options")
        state = dict(checkpoint["state_dict"])
        weights = {
            key.removeprefix(NETWORK): state.pop(key) for key in list(state) if _is_weight(key)
        }
        rest = {key: value for key, value in checkpoint.items() if key != "graphium"}
        write_checkpoint(Path(path), record, weights, {**rest, "state_dict": state})

    def load_checkpoint(
        self,
        path: str | Path,
        map_location: Any = None,  # noqa: ARG002  # Lightning's signature
        weights_only: bool | None = None,  # noqa: ARG002
    ) -> dict[str, Any]:
        """Return the checkpoint that was saved.

        Args:
            path: The directory.
            map_location: Ignored: all tensors are on the CPU; Lightning moves them.
            weights_only: Ignored: there is nothing else than data in the format.

        Raises:
            CheckpointError: The checkpoint is absent, damaged or of another version, or was
                trained with another version of the featurizer.
        """
        record, weights = read_model(Path(path))
        check_featurizer(record, Path(path))
        checkpoint: dict[str, Any] = read_training(Path(path))
        state = {NETWORK + key: value for key, value in weights.items()}
        return {**checkpoint, "state_dict": state | checkpoint["state_dict"], "graphium": record}

    def remove_checkpoint(self, path: str | Path) -> None:
        """Remove a checkpoint directory."""
        remove_checkpoint(Path(path))


def _is_weight(key: str) -> bool:
    return key.startswith(NETWORK)
