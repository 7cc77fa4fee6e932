"""Which process of a run this one is: what torchrun, srun or graphium says in the environment.

Torch is not imported: the command line asks before it does anything else.
"""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass

from graphium.errors import UsageError

_VARIABLES = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
"""What torchrun sets for each process, and anybody may who starts processes."""
_FIRST_PORT, _NUM_PORTS = 20_000, 10_000
"""Ports of jobs whose script chooses none; below those that the system hands out itself."""


@dataclass(frozen=True, slots=True)
class Place:
    """One process (a rank) among all processes of a run."""

    rank: int
    """Number among all, from 0."""
    world_size: int
    """How many there are."""
    local_rank: int
    """Number among those of this machine, from 0; the GPU it computes on."""
    local_size: int
    """How many there are on this machine, as on each other one."""
    address: str
    """Machine of rank 0."""
    port: int
    """Where rank 0 is met."""

    @property
    def is_first(self) -> bool:
        """Whether this is the one that writes."""
        return self.rank == 0

    @property
    def num_nodes(self) -> int:
        """Number of machines."""
        return self.world_size // self.local_size

    @property
    def node(self) -> int:
        """Number of this machine, from 0."""
        return self.rank // self.local_size

    def variables(self) -> dict[str, str]:
        """Return the environment that says so, as torchrun would."""
        values = (
            self.rank, self.world_size, self.local_rank, self.local_size, self.address, self.port,
        )  # fmt: skip
        return dict(zip(_VARIABLES, map(str, values), strict=True))


def find_place(environment: Mapping[str, str]) -> Place | None:
    """Return the place of a process that was started with others; None if it is alone.

    The variables of torchrun come first: it may run inside a job of SLURM.

    Raises:
        UsageError: The variables contradict each other, or a job of several tasks was not started
            by srun.
    """
    if all(name in environment for name in _VARIABLES):
        place: Place | None = _from_torchrun(environment)
    elif "TORCHELASTIC_RUN_ID" in environment or (
        "RANK" in environment and "WORLD_SIZE" in environment
    ):
        missing = ", ".join(name for name in _VARIABLES if name not in environment)
        raise UsageError(f"the environment has RANK and WORLD_SIZE, but lacks {missing}")
    elif "SLURM_PROCID" in environment:
        place = _from_srun(environment)
    else:
        return None
    if place is None or place.world_size == 1:
        return None
    if place.world_size % place.local_size:
        raise UsageError(
            f"{place.world_size} processes do not divide into machines with {place.local_size} "
            "each; start as many on each machine"
        )
    return place


def _from_torchrun(environment: Mapping[str, str]) -> Place:
    rank, world, local_rank, local, port = (
        _number(environment, name) for name in (*_VARIABLES[:4], "MASTER_PORT")
    )
    return Place(rank, world, local_rank, local, environment["MASTER_ADDR"], port)


def _from_srun(environment: Mapping[str, str]) -> Place | None:
    tasks = _number(environment, "SLURM_NTASKS") if "SLURM_NTASKS" in environment else 1
    if tasks == 1:
        return None
    if "SLURM_STEP_ID" not in environment and "SLURM_STEPID" not in environment:
        raise UsageError(
            f"this job has {tasks} tasks, and the command was started without srun, as one process "
            "that would wait for the others: write 'srun graphium-train ...'"
        )
    nodes = _number(environment, "SLURM_NNODES") if "SLURM_NNODES" in environment else 1
    if tasks % nodes:
        raise UsageError(
            f"{tasks} tasks do not divide into {nodes} machines; give --ntasks-per-node"
        )
    port = environment.get("MASTER_PORT") or str(
        _FIRST_PORT + _number(environment, "SLURM_JOB_ID") % _NUM_PORTS
    )
    hosts = environment.get("SLURM_STEP_NODELIST") or environment.get("SLURM_JOB_NODELIST")
    return Place(
        rank=_number(environment, "SLURM_PROCID"),
        world_size=tasks,
        local_rank=_number(environment, "SLURM_LOCALID"),
        local_size=tasks // nodes,
        address=environment.get("MASTER_ADDR") or first_host(hosts or "127.0.0.1"),
        port=_number({"MASTER_PORT": port}, "MASTER_PORT"),
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    text = environment.get(name)
    if text is None or not text.isascii() or not text.isdigit():
        raise UsageError(f"the environment's {name} is {text!r}; it must be a whole number")
    return int(text)


def first_host(nodelist: str) -> str:
    """Return the first name of a list as SLURM writes it: ``gpu[03-05,9],x`` begins with gpu03."""
    match = re.match(r"([^,\[\s]*)(?:\[([^\]]*)\]([^,\s]*))?", nodelist)
    assert match is not None  # it matches nothing, too
    name, numbers, rest = match.groups()
    return name if numbers is None else f"{name}{re.split('[-,]', numbers)[0]}{rest}"


def describe_host() -> str:
    """Return the name of this machine, for messages."""
    return os.uname().nodename
