"""What the ranks of one run do together, apart from computing."""

import gc
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import NoReturn, final

import torch
import torch.distributed as dist
from lightning_fabric.plugins.environments.cluster_environment import ClusterEnvironment
from torch.distributed.distributed_c10d import PrefixStore, Store
from torch.distributed.rendezvous import rendezvous

from graphium.config.training import TrainerConfig
from graphium.errors import GraphiumError, StoppedError
from graphium.training.place import Place, describe_host
from graphium.training.signals import ignore
from graphium.training.watch import RankWatch

_FIRST_FAILURE = "graphium/first_failure"
_GRACE = 1.0
"""Seconds in which whoever knows better what has happened may say it first."""
_ASKING = 70.0
"""Seconds in which whoever was asked to stop first may ask the scheduler, and end the others."""


def meet(place: Place, seconds: float) -> Store:
    """Return what all ranks write to and read from, once rank 0 can be reached.

    Args:
        place: This rank; its variables are set for the libraries that look for them.
        seconds: How long to try.

    Raises:
        GraphiumError: Rank 0 cannot be reached.
    """
    os.environ.update(place.variables())
    limit = timedelta(seconds=seconds)
    try:
        store: Store
        store, _, _ = next(iter(rendezvous("env://", place.rank, place.world_size, timeout=limit)))
    except (dist.DistNetworkError, dist.DistStoreError) as error:
        raise GraphiumError(
            f"rank {place.rank} of {place.world_size} on {describe_host()} does not reach rank 0 "
            f"at {place.address}:{place.port} ({str(error).splitlines()[0]}); MASTER_ADDR and "
            "MASTER_PORT choose another address, trainer.start_timeout a longer wait"
        ) from error
    store.set_timeout(limit)
    return store


@final
class Ranks:
    """All processes of one run, as one of them sees them.

    From here on a rank that fails ends the others: within seconds if it raises or is killed, after
    ``trainer.timeout`` if it hangs.

    Args:
        place: This process.
        store: Where all have met.
        config: Time limits.
        on_gpu: Whether each computes on a GPU of its own.
        tidy: What this process does before it ends because some rank has failed.
    """

    def __init__(
        self,
        place: Place,
        store: Store,
        config: TrainerConfig,
        *,
        on_gpu: bool,
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        self.place = place
        self._store = store
        self._tidy = tidy
        self._has_left = False
        device = torch.device("cuda", place.local_rank) if on_gpu else None
        dist.init_process_group(
            "cpu:gloo,cuda:nccl" if on_gpu else "gloo",
            store=PrefixStore("graphium/ranks", store),
            rank=place.rank,
            world_size=place.world_size,
            timeout=timedelta(seconds=config.timeout),
            device_id=device,
        )
        self._steps = _cpu_group(config.timeout)
        self._patient = _cpu_group(config.start_timeout)
        self._watch = RankWatch(place, _cpu_group(timedelta(days=3650).total_seconds()), tidy)

    def wait_for_all(self) -> None:
        """Wait until every rank is here, for as long as opening data or writing files may take."""
        dist.barrier(group=self._patient)

    def largest(self, value: int) -> int:
        """Return the largest value that any rank has; all ranks must ask."""
        values = torch.tensor([value])
        dist.all_reduce(values, dist.ReduceOp.MAX, group=self._steps)
        return int(values)

    def wait_in_step(self) -> None:
        """Wait until every rank is at this place of its step."""
        dist.barrier(group=self._steps)

    def gather(self, value: float) -> list[float]:
        """Return the value of each rank; all ranks must ask."""
        mine = torch.tensor([value], dtype=torch.float64)
        values = [torch.zeros_like(mine) for _ in range(self.place.world_size)]
        dist.all_gather(values, mine, group=self._steps)
        return [float(one) for one in values]

    def leave(self) -> None:
        """End the exchange; the process goes on alone, and no other one ends if it fails."""
        self.wait_for_all()
        self._watch.finish()
        leave_ranks()
        self._has_left = True

    @contextmanager
    def ending_together(self, make_room: Callable[[StoppedError], None]) -> Iterator[None]:
        """End all ranks when an error escapes on this one.

        Args:
            make_room: What one rank does for all if the error is a wish to stop.
        """
        try:
            yield
        except BaseException as error:
            if not self._has_left:
                ignore()
                if isinstance(error, StoppedError):
                    self._stop(error, make_room)
                self._fail(error)
            raise

    def _stop(self, wish: StoppedError, make_room: Callable[[StoppedError], None]) -> NoReturn:
        """End all ranks, after the first that was asked to stop has done what is to be done."""
        if self._is_first_failure():
            make_room(wish)
        else:
            time.sleep(_ASKING)
        self._end(wish.exit_code)

    def _fail(self, error: BaseException) -> NoReturn:
        """Say what has happened, if no other rank has failed before, and end all ranks."""
        interrupted = isinstance(error, KeyboardInterrupt)
        code = error.exit_code if isinstance(error, GraphiumError) else 130 if interrupted else 1
        if isinstance(error, RuntimeError):  # perhaps only what follows from another's failure
            time.sleep(_GRACE)
        if not interrupted and self._is_first_failure():
            _report(error, self.place)
        self._end(code)

    def _end(self, code: int) -> NoReturn:
        self._watch.fail(code)
        if self.place.is_first:
            time.sleep(_GRACE)  # others ask it who was first
        self._tidy()
        sys.stdout.flush()
        os._exit(code)  # what is left in other threads may wait for ever

    def _is_first_failure(self) -> bool:
        """Whether no other rank says that it has failed; true if there is nobody to ask."""
        answers: list[bytes] = []

        def ask() -> None:
            with suppress(RuntimeError):  # rank 0, which keeps the answer, is gone
                me = str(self.place.rank)
                answers.append(self._store.compare_set(_FIRST_FAILURE, "", me))

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(2 * _GRACE)  # whoever keeps the answer may be stopped
        return not answers or answers[0] == str(self.place.rank).encode()


def wait_for_all(ranks: Ranks | None) -> None:
    """Wait for the other ranks, if there are any."""
    if ranks is not None:
        ranks.wait_for_all()


def _cpu_group(seconds: float) -> dist.ProcessGroup:
    group = dist.new_group(backend="gloo", timeout=timedelta(seconds=seconds))
    assert isinstance(group, dist.ProcessGroup)  # every rank is in it
    return group


def _report(error: BaseException, place: Place) -> None:
    who = f"rank {place.rank} of {place.world_size} on {describe_host()}"
    if isinstance(error, GraphiumError):
        sys.stderr.write(f"error: {who}: {error}\n")
    else:
        traceback.print_exception(error)
        sys.stderr.write(
            f"error: {who} failed, see above; all ranks end. If it waited for another one, that "
            "one hangs or needs longer than trainer.timeout\n"
        )
    sys.stderr.flush()


@final
class RanksEnvironment(ClusterEnvironment):
    """Tells Lightning the place of this rank; it starts no processes."""

    def __init__(self, place: Place) -> None:
        super().__init__()
        self._place = place

    @property
    def creates_processes_externally(self) -> bool:
        """All ranks run already."""
        return True

    @property
    def main_address(self) -> str:
        """Machine of rank 0."""
        return self._place.address

    @property
    def main_port(self) -> int:
        """Port of rank 0."""
        return self._place.port

    @staticmethod
    def detect() -> bool:
        """It is given, never looked for."""
        return False

    def world_size(self) -> int:
        """Return the number of ranks."""
        return self._place.world_size

    def set_world_size(self, size: int) -> None:
        """Keep what is known."""

    def global_rank(self) -> int:
        """Return the number of this rank."""
        return self._place.rank

    def set_global_rank(self, rank: int) -> None:
        """Keep what is known."""

    def local_rank(self) -> int:
        """Return the number of this rank on its machine."""
        return self._place.local_rank

    def node_rank(self) -> int:
        """Return the number of its machine."""
        return self._place.node


def leave_ranks() -> None:
    """End the exchange between ranks, while the interpreter is whole; alone, do nothing.

    Every rank calls this when its model is no longer needed. A model that exchanges gradients holds
    the group it does so in, and is part of a cycle: left to the end of the program, the group's
    threads may meet an interpreter that is half gone, which ends the process by SIGABRT.
    """
    if not (dist.is_available() and dist.is_initialized()):
        return
    gc.collect()
    dist.barrier()  # the first rank keeps what the others look for until they need it no more
    dist.destroy_process_group()
