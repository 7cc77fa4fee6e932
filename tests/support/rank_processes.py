"""Runs of several ranks that a test starts, looks into and hurts."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

SMILES = (
    "CCO", "CC(=O)O", "c1ccccc1", "CCN", "CCCC", "CC(C)O", "OCCO", "c1ccncc1", "CC#N", "C=CC",
    "CCOC(=O)C", "Cc1ccccc1", "CCCl", "CC=O", "C1CCCCC1", "NCC(=O)O", "CSC", "CCBr", "O=C=O", "C",
    "FC(F)F", "c1ccc(O)cc1", "CC(C)(C)O", "CNC", "OC1CCCC1", "N#CCO", "CCS", "c1ccoc1", "CCCO",
)  # fmt: skip

EXPERIMENT = """
name: ranks
datasets:
  d: {{table: {folder}/table.csv, split: {{kind: random, fractions: [0.8, 0.1, 0.1]}}}}
tasks:
  a: {{dataset: d, labels: [a], loss: mae}}
model:
  trunk: {{kind: gine, depth: 1, width: 8, dropout: 0.2}}
batch: {{size: 6}}
trainer: {{max_epochs: 4, threads: 1, accelerator: cpu}}
"""

RAISES = """
import ctypes, os, threading, time
from pathlib import Path

class PlannedError(Exception): pass

def wait(main):
    while not Path(os.environ["HURT"]).exists():
        time.sleep(0.01)
    if Path(os.environ["HURT"]).read_text() == os.environ.get("RANK"):
        ctypes.pythonapi.PyThreadState_SetAsyncExc(
            ctypes.c_ulong(main), ctypes.py_object(PlannedError)
        )

if "RANK" in os.environ:
    main = threading.main_thread().ident
    threading.Thread(target=wait, args=(main,), daemon=True).start()
"""
"""Python reads it at its start: raises in the rank whose number is written to a file."""


def write_experiment(folder: Path) -> Path:
    """Write a table and an experiment of some steps."""
    lines = [f"{one},{len(one) / 2}" for one in SMILES]
    (folder / "table.csv").write_text("\n".join(["smiles,a", *lines]) + "\n")
    path = folder / "ranks.yaml"
    path.write_text(EXPERIMENT.format(folder=folder))
    return path


def variables(folder: Path) -> dict[str, str]:
    """Return the environment of a run that can be hurt, away from any scheduler."""
    site = folder / "site"
    site.mkdir(exist_ok=True)
    (site / "sitecustomize.py").write_text(RAISES)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("SLURM_", "GRAPHIUM_R"))}
    path = os.pathsep.join(filter(None, [str(site), os.environ.get("PYTHONPATH")]))
    own = {
        "PYTHONPATH": path,
        "HURT": str(folder / "hurt"),
        "GRAPHIUM_CACHE_DIR": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
    }
    return {**kept, **own}


TRAIN = [sys.executable, "-m", "graphium.cli.train"]
TORCHRUN = [
    sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2",
    "-m", "graphium.cli.train",
]  # fmt: skip


def start(
    command: Sequence[str], *words: object, folder: Path, **more: str
) -> "subprocess.Popen[str]":
    """Start a run without report."""
    return subprocess.Popen(
        [*command, *map(str, words), "--no-report"],
        env={**variables(folder), **more},
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def finish(process: "subprocess.Popen[str]", code: int = 0, seconds: float = 120) -> str:
    """Wait for a run, and return what it said."""
    try:
        output, _ = process.communicate(timeout=seconds)
    finally:
        process.kill()
    assert process.returncode == code, output
    return output


def until(happens: Callable[[], object], seconds: float = 90) -> float:
    """Wait until something is true; return the seconds it took."""
    began = time.monotonic()
    while not happens():
        assert time.monotonic() - began < seconds, "it did not happen in time"
        time.sleep(0.005)
    return time.monotonic() - began


def newest_step(run: Path) -> int:
    """Return the last step that is on disk."""
    return max((int(p.name[5:]) for p in (run / "checkpoints").glob("step-*")), default=0)


def has_checkpoint(run: Path) -> bool:
    """Whether there is something to go on from."""
    return (run / "checkpoints" / "last").exists()


def rank_pids(process: "subprocess.Popen[str]") -> dict[int, int]:
    """Return the process of each rank that a launcher has started (Linux)."""
    found = {}
    for pid in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
        environ = Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
        ranks = [int(one[5:]) for one in environ if one.startswith(b"RANK=")]
        if ranks:
            found[ranks[0]] = int(pid)
    return found


def is_running(pid: int) -> bool:
    """Whether a process lives, be it stopped."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"


def hurt(how: str, rank: int, pids: dict[int, int], folder: Path) -> None:
    """Let one rank raise, or kill or stop it."""
    if how == "raise":
        temporary = folder / "hurt.tmp"
        temporary.write_text(str(rank))
        temporary.rename(folder / "hurt")
    else:
        os.kill(pids[rank], signal.SIGKILL if how == "kill" else signal.SIGSTOP)
