"""Weights, gradients and optimiser divided over the ranks: torch's FSDP2. Experimental.

Each rank keeps its share of every parameter. A block of the trunk is put together for its forward
and its backward pass, and taken apart behind it; encoders and heads for the whole step. Gradients
are added up over the ranks as they are divided.

Checkpoints know nothing of it: they are those of one process, so that a run may go on in any way.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, final

import pytorch_lightning as pl
import torch
import torch.distributed as dist
from pytorch_lightning.strategies import DDPStrategy
from pytorch_lightning.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.distributed.device_mesh import init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from graphium.checkpoint.io import NETWORK
from graphium.nn.network import Network


def shard(network: Network, device: torch.device) -> frozenset[str]:
    """Keep of a network what is this rank's share, in place; all ranks must have the same one.

    Args:
        network: On the device where it computes.
        device: That device.

    Returns:
        Names of parameters that were single numbers, which cannot be divided: now of shape [1].
    """
    scalars = frozenset(name for name, value in network.named_parameters() if value.ndim == 0)
    for name in sorted(scalars):
        owner, _, last = name.rpartition(".")
        value = network.get_parameter(name).detach().reshape(1)
        setattr(network.get_submodule(owner), last, nn.Parameter(value))
    mesh = init_device_mesh(device.type, (dist.get_world_size(),))
    for block in network.trunk.blocks:
        fully_shard(block, mesh=mesh)
    fully_shard(network, mesh=mesh)
    return scalars


def divided(value: Tensor, like: Tensor) -> Tensor:
    """Return this rank's share of a whole tensor, if ``like`` is divided; else the tensor.

    Args:
        value: The same on all ranks; one that is divided already comes back as it is.
        like: A parameter, or what an optimiser keeps for it.
    """
    if isinstance(value, DTensor) or not isinstance(like, DTensor):
        return value
    whole = value.reshape(like.shape)  # single numbers, too
    share = distribute_tensor(whole, like.device_mesh, like.placements, src_data_rank=None)
    return share.clone()  # not a view, which would keep the whole


def put_together(value: Tensor) -> Tensor:
    """Return a tensor whole, on all ranks; all must ask if it is divided."""
    return value.full_tensor() if isinstance(value, DTensor) else value


def load_weights(network: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Let a network, divided or not, have the weights of a checkpoint."""
    now = network.state_dict()
    network.load_state_dict({name: divided(weights[name], now[name]) for name in now})


@final
class ShardedStrategy(DDPStrategy):
    """Lightning's DDP on ranks that exist already, with ``shard`` in the place of its copies."""

    _scalars: frozenset[str] = frozenset()

    @property
    def _network(self) -> Network:
        assert self.lightning_module is not None
        network = self.lightning_module.network
        assert isinstance(network, Network)
        return network

    def configure_ddp(self) -> None:
        """Divide the network; the optimiser is made of its parts after this."""
        self._scalars = shard(self._network, self.root_device)

    def setup_optimizers(self, trainer: pl.Trainer) -> None:
        """Make the optimiser of this rank's shares."""
        super().setup_optimizers(trainer)
        self._unfuse()

    def _unfuse(self) -> None:
        """Let SGD take its steps one operation after another: torch has no fused one for shares."""
        for optimizer in self.optimizers:
            if isinstance(optimizer, torch.optim.SGD):
                for group in optimizer.param_groups:
                    group["fused"] = False

    def setup(self, trainer: pl.Trainer) -> None:
        """Get ready; for an evaluation, without making the weights of all ranks those of one."""
        if trainer.state.fn == TrainerFn.FITTING:
            super().setup(trainer)
            return
        assert self.accelerator is not None
        self.accelerator.setup(trainer)
        self.model_to_device()
        self.setup_precision_plugin()

    def optimizer_state(self, optimizer: torch.optim.Optimizer) -> dict[str, Any]:
        """Return the whole state on the first rank; all ranks must ask."""
        names = {parameter: name for name, parameter in self._network.named_parameters()}
        order = [names[one] for group in optimizer.param_groups for one in group["params"]]
        state: dict[str, Any] = super().optimizer_state(optimizer)
        whole = {i: self._whole(kept, order[i]) for i, kept in state["state"].items()}
        return {**state, "state": whole}

    def load_optimizer_state_dict(self, checkpoint: Mapping[str, Any]) -> None:
        """Take this rank's share of a whole state."""
        super().load_optimizer_state_dict(checkpoint)
        self._unfuse()
        for optimizer in self.optimizers:
            for parameter, kept in optimizer.state.items():
                for key, value in kept.items():
                    if key != "step" and isinstance(value, Tensor):
                        kept[key] = divided(value, parameter)

    def save_checkpoint(
        self, checkpoint: dict[str, Any], filepath: str | Path, storage_options: Any = None
    ) -> None:
        """Put together what is divided, and let the first rank write it."""
        super().save_checkpoint(self._whole(checkpoint), filepath, storage_options)

    def _whole(self, tree: Any, name: str = "") -> Any:
        """Return a tree with whole tensors on the first rank, one after another.

        Args:
            tree: The same on all ranks but for the shares.
            name: Of the parameter that it belongs to, where the tree itself does not say.
        """
        if isinstance(tree, dict):
            return {key: self._whole(kept, self._name(key) or name) for key, kept in tree.items()}
        if isinstance(tree, list):
            return [self._whole(kept, name) for kept in tree]
        if not isinstance(tree, DTensor):
            return tree
        whole = tree.full_tensor()
        if not self.is_global_zero:
            return None
        whole = whole.cpu()  # before the next one is put together
        return whole.reshape(()) if name in self._scalars else whole

    def _name(self, key: Any) -> str:
        """Return the parameter that a key names, if it was a single number."""
        name = key.removeprefix(NETWORK) if isinstance(key, str) else ""
        return name if name in self._scalars else ""
