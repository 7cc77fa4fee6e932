"""Clocks for a profile: of the parts of a step, and of each module by itself."""

import time
from collections.abc import Callable

import torch
from torch.utils.hooks import RemovableHandle


class Stopwatch:
    """Seconds by name; on a GPU, the time until it has done what it was told.

    Args:
        synchronize: Waits for the device.
        now: Tells the time in seconds.
    """

    def __init__(
        self, synchronize: Callable[[], None], now: Callable[[], float] = time.perf_counter
    ) -> None:
        self._synchronize = synchronize
        self._now = now
        self._since: float | None = None
        self.seconds: dict[str, float] = {}

    def start(self) -> None:
        """Count from here."""
        self._synchronize()
        self._since = self._now()

    def stop(self) -> None:
        """Count no longer, and forget what was not yet given a name."""
        self._since = None

    def lap(self, name: str) -> None:
        """Give the time since the last call a name."""
        if self._since is None:
            return
        self._synchronize()
        now = self._now()
        self.seconds[name] = self.seconds.get(name, 0.0) + now - self._since
        self._since = now


class ModuleTimes:
    """Seconds that the forward pass of each module takes by itself, without modules inside it.

    Args:
        network: What is watched until ``close``.
        synchronize: Waits for the device.
        now: Tells the time in seconds.
    """

    def __init__(
        self,
        network: torch.nn.Module,
        synchronize: Callable[[], None],
        now: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._network = network
        self._synchronize = synchronize
        self._now = now
        self._stack: list[tuple[float, float]] = []  # when it began, time of modules inside
        self._handles: list[RemovableHandle] = []
        self.seconds: dict[str, float] = {}
        self.calls: dict[str, int] = {}
        for name, module in network.named_modules():
            label = f"{name or 'network'} ({type(module).__name__})"
            self._handles += [
                module.register_forward_pre_hook(self._begin),
                module.register_forward_hook(self._end(label)),
            ]

    def _begin(self, *_: object) -> None:
        if self._network.training:  # else it is validated
            self._synchronize()
            self._stack.append((self._now(), 0.0))

    def _end(self, label: str) -> Callable[..., None]:
        def end(*_: object) -> None:
            if not self._network.training:
                return
            self._synchronize()
            began, inside = self._stack.pop()
            took = self._now() - began
            self.seconds[label] = self.seconds.get(label, 0.0) + took - inside
            self.calls[label] = self.calls.get(label, 0) + 1
            if self._stack:
                outer, others = self._stack[-1]
                self._stack[-1] = (outer, others + took)

        return end

    def close(self) -> None:
        """Watch no longer."""
        for handle in self._handles:
            handle.remove()
        self._handles = []
