"""The text of jobs for SLURM: scripts that a person can read, change and submit again."""

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Resources:
    """What a job asks the scheduler for."""

    nodes: int
    tasks_per_node: int
    """Processes on each machine: one for each GPU."""
    gpus_per_node: int
    cpus_per_task: int
    memory_per_cpu: str
    time: str
    partition: str | None
    account: str | None

    def lines(self, tasks_per_node: int, gpus_per_node: int) -> list[str]:
        """Return the options, for so many tasks."""
        lines = [f"--ntasks-per-node={tasks_per_node}", f"--cpus-per-task={self.cpus_per_task}"]
        if gpus_per_node:
            lines.append(f"--gpus-per-node={gpus_per_node}")
        lines += [f"--mem-per-cpu={self.memory_per_cpu}", f"--time={self.time}"]
        lines += [f"--partition={self.partition}"] if self.partition else []
        lines += [f"--account={self.account}"] if self.account else []
        return lines


@dataclass(frozen=True, slots=True)
class Task:
    """One run; several are the tasks of an array."""

    experiment: Path
    seed: int | None
    """None keeps the experiment's."""
    run_dir: Path


@dataclass(frozen=True, slots=True)
class Place:
    """Where a job runs, and with which programs."""

    folder: Path
    """The working directory."""
    programs: Path
    """The folder of ``graphium-train``."""
    cache: Path
    """The folder of the stores."""


def train_script(
    name: str,
    tasks: Sequence[Task],
    overrides: Sequence[str],
    resources: Resources,
    place: Place,
    log: Path,
    *,
    notice: int,
    at_once: int | None,
    report: bool,
) -> str:
    """Return a job that trains, and that goes on with its runs when it comes back.

    Args:
        name: Of the job.
        tasks: What to train; more than one are an array.
        overrides: Options as key=value.
        resources: What to ask for.
        place: Where to run.
        log: What the job says; its tasks' number comes before the suffix.
        notice: Seconds before the time limit at which the run is told to stop and keep its step.
        at_once: How many tasks of an array run at the same time; None sets no limit.
        report: Write reports, too.
    """
    array = len(tasks) > 1
    options = [f"--job-name={name}", f"--nodes={resources.nodes}"]
    options += resources.lines(resources.tasks_per_node, resources.gpus_per_node)
    if array:
        limit = f"%{at_once}" if at_once else ""
        options.append(f"--array=0-{len(tasks) - 1}{limit}")
        log = log.with_name(f"{log.stem}.%a{log.suffix}")
    options += [
        f"--output={shlex.quote(str(log))}",
        "--open-mode=append",
        "--requeue",
        f"--signal=USR1@{notice}",
    ]
    lines = [*_head(options, place), *_meeting(), ""]
    if array:
        lines += [
            "# One run for each task of the array.",
            _bash_array("EXPERIMENTS", (str(one.experiment) for one in tasks)),
            _bash_array("SEEDS", ("" if one.seed is None else f"seed={one.seed}" for one in tasks)),
            _bash_array("RUNS", (str(one.run_dir) for one in tasks)),
            "EXPERIMENT=${EXPERIMENTS[SLURM_ARRAY_TASK_ID]}",
            "SEED=${SEEDS[SLURM_ARRAY_TASK_ID]}",
            "RUN=${RUNS[SLURM_ARRAY_TASK_ID]}",
            "",
        ]
        words = ['"$EXPERIMENT"', "${SEED:+$SEED}", *map(shlex.quote, overrides)]
        run = '"$RUN"'
    else:
        seed = [] if tasks[0].seed is None else [f"seed={tasks[0].seed}"]
        words = [shlex.quote(str(word)) for word in (tasks[0].experiment, *seed, *overrides)]
        run = shlex.quote(str(tasks[0].run_dir))
    options = [f"--run-dir {run}", "--auto-resume", "--no-prepare"]
    lines += [
        "# Starts the run, and goes on with it when the job comes back after a signal.",
        "srun --kill-on-bad-exit=1 graphium-train \\",
        f"    {' '.join(words)} \\",
        f"    {' '.join(options)}{'' if report else ' --no-report'}",
    ]
    return "\n".join(lines) + "\n"


def prepare_script(
    name: str,
    experiments: Sequence[Path],
    overrides: Sequence[str],
    resources: Resources,
    place: Place,
    log: Path,
    *,
    notice: int,
) -> str:
    """Return a job that prepares stores, on processors alone, and comes back until they are there.

    Args:
        name: Of the job.
        experiments: What reads the stores.
        overrides: Options as key=value.
        resources: Of the training; GPUs are not asked for.
        place: Where to run.
        log: What the job says.
        notice: Seconds before the time limit at which it makes room.
    """
    options = [f"--job-name={name}-prepare", "--nodes=1"]
    options += resources.lines(1, 0)
    options += [f"--output={shlex.quote(str(log))}", "--open-mode=append", "--requeue"]
    options += [f"--signal=USR1@{notice}"]
    lines = [*_head(options, place), "", "# Goes on where it was interrupted."]
    for one in experiments:
        words = " ".join(shlex.quote(word) for word in (str(one), *overrides))
        lines.append(
            f'srun --ntasks=1 graphium data prepare {words} --workers "$SLURM_CPUS_PER_TASK"'
        )
    return "\n".join(lines) + "\n"


def _head(options: Sequence[str], place: Place) -> list[str]:
    return [
        "#!/bin/bash",
        *(f"#SBATCH {option}" for option in options),
        "",
        "set -e",
        f"cd {shlex.quote(str(place.folder))}",
        f'export PATH={shlex.quote(str(place.programs))}:"$PATH"',
        f"export GRAPHIUM_CACHE_DIR={shlex.quote(str(place.cache))}",
        'export OMP_NUM_THREADS="$SLURM_CPUS_PER_TASK"',
        'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"  # srun has one core a task without it',
    ]


def _meeting() -> list[str]:
    return [
        "# All processes meet at the first machine; each job has a port of its own.",
        'MASTER_ADDR=$(scontrol show hostnames "$SLURM_JOB_NODELIST" | head -n 1)',
        "MASTER_PORT=$((20000 + SLURM_JOB_ID % 10000))",
        "export MASTER_ADDR MASTER_PORT",
    ]


def _bash_array(name: str, values: Iterable[str]) -> str:
    return f"{name}=({' '.join(shlex.quote(value) for value in values)})"
