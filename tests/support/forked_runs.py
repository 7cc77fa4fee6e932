"""Runs of ``graphium-train`` that kill themselves at chosen moments.

Importing what a training needs takes seconds, so one process (the server) imports it once and forks
a process for each run; a run of several ranks forks them where the command would start them.
"""

import ctypes
import json
import os
import signal
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import Any

PR_SET_CHILD_SUBREAPER = 36


class ForkedRuns:
    """The server, as a test sees it.

    Args:
        folder: Working directory and cache of all runs.
        variables: More environment.
    """

    def __init__(self, folder: Path, **variables: str) -> None:
        self._folder = folder
        kept = {k: v for k, v in os.environ.items() if not k.startswith("SLURM_")}
        self._server = subprocess.Popen(
            [sys.executable, __file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            cwd=folder,
            env={**kept, "GRAPHIUM_CACHE_DIR": str(folder / "cache"), **variables},
        )

    def __enter__(self) -> "ForkedRuns":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for pipe in (self._server.stdin, self._server.stdout):
            assert pipe is not None
            pipe.close()
        self._server.kill()
        self._server.wait()

    def run(self, *words: object, srun: bool = False, **kill: Any) -> tuple[int, str]:
        """Run ``graphium-train`` with some words, without report.

        Args:
            words: Of the command line.
            srun: Start two processes, as srun would.
            kill: ``moment`` (of ``watch_for``) and ``step``; ``who`` is the rank that kills itself,
                or ``launcher`` or ``all``; ``delay`` seconds after the moment; ``signal``, by name,
                to send another one than SIGKILL.

        Returns:
            The exit code, negative for a signal, and what was said.
        """
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        order = {
            "words": [*map(str, words), "--no-report"],
            "srun": srun,
            "kill": kill,
        }
        self._server.stdin.write(json.dumps(order) + "\n")
        self._server.stdin.flush()
        code = int(self._server.stdout.readline())
        return code, (self._folder / "said.txt").read_text()


def serve() -> None:
    """Fork a process for each line of stdin; answer with its exit code."""
    import graphium.training.run  # noqa: F401

    # Ranks whose parent was killed become children of this process (Linux).
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1)
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            said = os.open("said.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(said, 1)
            os.dup2(said, 2)
            run_alone(order)
        code = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        with suppress(ChildProcessError):
            while True:  # none may still write when the next run begins
                os.waitpid(-1, 0)
        print(code, flush=True)


def run_alone(order: dict[str, Any]) -> None:
    """Be the command."""
    from graphium.cli import rank as one_rank
    from graphium.cli import train
    from graphium.cli.launch import _free_port
    from graphium.training.place import Place

    def fork_two(program: Callable[[], object], variables: Callable[[Place], dict]) -> int:
        port, pids = _free_port(), []
        for rank in range(2):
            pids.append(os.fork())
            if pids[-1] == 0:
                os.environ.update(variables(Place(rank, 2, rank, 2, "127.0.0.1", port)))
                watch_for(order["kill"], rank)
                end_as(program)
        codes = [os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) for pid in pids]
        return next((code for code in codes if code), 0)

    def fork_ranks(job: Any) -> int:
        words = [str(job.run_dir), *["--resume"] * job.resume, *["--profile"] * job.profile]
        return fork_two(lambda: one_rank.main(words), Place.variables)

    if order["srun"]:
        os._exit(fork_two(lambda: train.main(order["words"]), slurm_variables))

    train.launch = fork_ranks
    if "trainer.devices=2" not in order["words"]:
        watch_for(order["kill"], 0)
    end_as(lambda: train.main(order["words"]))


def slurm_variables(place: Any) -> dict[str, str]:
    """Return what srun says to a task."""
    return {
        "SLURM_STEP_ID": "0",
        "SLURM_NTASKS": str(place.world_size),
        "SLURM_NNODES": "1",
        "SLURM_PROCID": str(place.rank),
        "SLURM_LOCALID": str(place.local_rank),
        "MASTER_ADDR": place.address,
        "MASTER_PORT": str(place.port),
    }


def end_as(program: Callable[[], object]) -> None:
    """End this process as a program does, without going back into the server."""
    code: Any = 1
    try:
        program()
    except SystemExit as end:
        code = end.code or 0
    finally:
        if code and sys.exception() is not None:
            traceback.print_exc()
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def watch_for(kill: dict[str, Any], rank: int) -> None:
    """Wait for the moment, and kill this process, or its parent, or all.

    ``micro-batch`` is the first and ``accumulation`` the second micro-batch of the step that
    follows ``step``; ``validation`` is a batch of the first validation from ``step`` on, or of the
    evaluation after the last one; ``files`` and ``name`` are within the writing of a checkpoint:
    before its manifest, and before ``last`` gets to it. Any other is ``module:function``, before it
    is called there.
    """
    who = kill.get("who", 0)
    if not kill or rank != (who if isinstance(who, int) else 0):
        return

    def strike() -> None:
        time.sleep(kill.get("delay", 0))
        signum = signal.Signals[kill.get("signal", "SIGKILL")]
        if who == "all":
            os.killpg(0, signum)
        os.kill(os.getppid() if who == "launcher" else os.getpid(), signum)

    def begin() -> None:
        if kill.get("delay"):
            threading.Thread(target=strike, daemon=True).start()
        else:
            strike()

    owner, name, is_now = find_moment(kill["moment"], kill.get("step", 0))
    original, is_first = getattr(owner, name), [True]

    def watched(*args: Any, **options: Any) -> Any:
        if is_first[0] and is_now(*args):
            is_first[0] = False
            begin()
        return original(*args, **options)

    setattr(owner, name, watched)


def find_moment(moment: str, step: int) -> tuple[Any, str, Callable[..., bool]]:
    """Return which function is called at a moment, and whether a call is the one that is meant."""
    if ":" in moment:
        module, _, name = moment.partition(":")
        return import_module(module), name, lambda *_: True
    from graphium.checkpoint import save
    from graphium.training import checkpoints
    from graphium.training.module import TrainingModule
    from graphium.training.randomness import StepSeed

    count = iter(range(1_000_000))
    odd = moment == "accumulation"
    begins = StepSeed, "on_train_batch_start", (
        lambda _, trainer, module, batch, index: trainer.global_step >= step and index % 2 == odd
    )  # fmt: skip
    moments: dict[str, tuple[Any, str, Callable[..., bool]]] = {
        "micro-batch": begins,
        "accumulation": begins,
        "validation": (
            TrainingModule, "validation_step",
            lambda module, *_: module.trainer.global_step >= step,
        ),
        "files": (save, "make_manifest", lambda *_: next(count) == step),
        "name": (
            checkpoints, "point",
            lambda link, target: link.name == "last" and int(target.name[5:]) >= step,
        ),
    }  # fmt: skip
    return moments[moment]


if __name__ == "__main__":
    serve()
