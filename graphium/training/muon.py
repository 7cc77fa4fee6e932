"""Muon for some matrices and AdamW for the rest, as one optimiser."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from torch.optim import AdamW, Muon, Optimizer


class MuonWithAdamW(Optimizer):
    """Muon (Jordan 2024; torch's own) for hidden matrices, AdamW for everything else.

    Muon's steps are scaled to the root mean square of AdamW's (Liu et al. 2025,
    arXiv:2502.16982). Both optimisers share the groups and the state of this one, so that
    schedules, checkpoints and gradient scalers see a single optimiser.

    Args:
        hidden: Groups of matrices.
        rest: All other groups.
        momentum: Of Muon.
        betas: Of AdamW.
        fused: AdamW in one kernel.
    """

    def __init__(
        self,
        hidden: Sequence[dict[str, Any]],
        rest: Sequence[dict[str, Any]],
        *,
        momentum: float,
        betas: tuple[float, float],
        fused: bool,
    ) -> None:
        # Groups come with their own learning rate and decay.
        self._muon = Muon(list(hidden), momentum=momentum, adjust_lr_fn="match_rms_adamw")
        self._adamw = AdamW(list(rest), betas=betas, fused=fused)
        super().__init__([*self._muon.param_groups, *self._adamw.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let both optimisers work on the groups and the state of this one."""
        number = len(self._muon.param_groups)
        self._muon.param_groups = self.param_groups[:number]
        self._adamw.param_groups = self.param_groups[number:]
        self._muon.state = self._adamw.state = self.state

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Make one step; the closure, if any, computes the gradients and returns the loss."""
        loss: Tensor | Any = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        self._muon.step()  # type: ignore[no-untyped-call]
        self._adamw.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from ``state_dict``."""
        super().load_state_dict(state_dict)
        self._share()
