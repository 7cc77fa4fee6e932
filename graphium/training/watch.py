"""Ends a rank when another one fails, whatever it is waiting for.

Each rank listens to the one before it, in a thread, over a connection of its own. What it hears
goes on to the next, so all know within milliseconds; a rank that is killed is noticed because its
connections close. A rank that hangs keeps them open: the time limit of exchanges finds it.
"""

import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import final

import torch
import torch.distributed as dist

from graphium.training.place import Place

_NOBODY = -1
"""Says that a rank has finished."""
_WAIT = timedelta(seconds=2)
"""For a neighbour to take a word; one that is stopped may not."""
_FAILED = 1
"""Exit code when a rank was killed, and could not say one."""


@final
class RankWatch:
    """Listens until all have finished, or ends this process.

    Args:
        place: This rank.
        group: Ranks that exchange nothing else; its operations must not time out.
        tidy: What to do before this process is ended.
    """

    def __init__(
        self, place: Place, group: dist.ProcessGroup, tidy: Callable[[], None] = lambda: None
    ) -> None:
        self._place = place
        self._group = group
        self._tidy = tidy
        self._is_over = False
        self._thread = threading.Thread(target=self._listen, name="rank-watch", daemon=True)
        self._thread.start()

    def finish(self) -> None:
        """Say that this rank has finished, and wait until the one before it has."""
        self._tell(_NOBODY, 0)
        self._thread.join()

    def fail(self, code: int) -> None:
        """Say that this rank fails; the others end with its exit code."""
        self._tell(self._place.rank, code)

    def _tell(self, failed: int, code: int) -> None:
        self._is_over = True
        following = (self._place.rank + 1) % self._place.world_size
        if following == failed:
            return
        with suppress(RuntimeError):  # it is gone, or stopped
            work = dist.isend(torch.tensor([failed, code]), dst=following, group=self._group)
            assert work is not None  # this rank is in the group
            work.wait(_WAIT)

    def _listen(self) -> None:
        previous = (self._place.rank - 1) % self._place.world_size
        said = torch.tensor([_NOBODY, 0])
        try:
            dist.recv(said, src=previous, group=self._group)
        except RuntimeError:  # the connection was closed
            if self._is_over:
                return
            said = torch.tensor([previous, _FAILED])
            sys.stderr.write(
                f"error: rank {previous} of {self._place.world_size} has ended without a word: it "
                "was killed, perhaps for want of memory; all ranks end\n"
            )
        failed, code = said.tolist()
        if failed == _NOBODY:
            return
        self._tell(failed, code)
        self._tidy()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)  # the main thread may wait for ever
