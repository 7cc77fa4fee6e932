"""``graphium slurm``: a job of SLURM that trains an experiment, written beside its run."""

import os
import re
import shlex
import subprocess
import sys
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from graphium.cli.check_tables import table_mistakes
from graphium.cli.run_folder import check_same_experiment, has_begun
from graphium.cli.slurm_script import Place, Resources, Task, prepare_script, train_script
from graphium.cli.train import load_experiment
from graphium.config.load import load_config
from graphium.config.mistakes import config_error
from graphium.errors import GraphiumError, UsageError
from graphium.training import place as ranks

if TYPE_CHECKING:
    from graphium.config.experiment import Experiment

_TIME = r"\d+|\d+:\d\d|\d+:\d\d:\d\d|\d+-\d+(:\d\d){0,2}"
"""Minutes, or as sbatch writes it."""
_MEMORY = r"\d+[KMGT]?"
_WORD = r"[\w.,@%/+-]+"
"""Names of partitions and accounts."""


def slurm(
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="EXPERIMENT... [KEY=VALUE...]",
            help="Experiments (YAML), and options for all of them: trainer.max_epochs=5",
        ),
    ],
    nodes: Annotated[
        int | None, typer.Option(min=1, help="Machines; default: trainer.num_nodes.")
    ] = None,
    gpus_per_node: Annotated[
        int | None,
        typer.Option(min=0, help="GPUs of each, a process for each; default: trainer.devices."),
    ] = None,
    tasks_per_node: Annotated[
        int, typer.Option(min=1, help="Processes of each machine, where it has no GPUs.")
    ] = 1,
    cpus_per_task: Annotated[int, typer.Option(min=1, help="Cores of each process.")] = 8,
    mem_per_cpu: Annotated[str, typer.Option(help="Memory for each core.")] = "4G",
    time: Annotated[str, typer.Option(help="Limit, as sbatch has it.")] = "24:00:00",
    partition: Annotated[str | None, typer.Option(help="Partition (queue).")] = None,
    account: Annotated[str | None, typer.Option(help="Account that is charged.")] = None,
    array: Annotated[
        int,
        typer.Option(min=1, help="Seeds of each experiment, from its own upwards: an array."),
    ] = 1,
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Tasks of an array that run at the same time.")
    ] = None,
    notice: Annotated[
        int,
        typer.Option(min=30, help="Seconds before the limit at which the run keeps its step."),
    ] = 120,
    run_dir: Annotated[
        Path | None,
        typer.Option(help="Directory of the run; default runs/NAME/TIME. One that is there is "
        "gone on with."),
    ] = None,
    no_report: Annotated[
        bool, typer.Option("--no-report", help="Leave out baselines and report.html.")
    ] = False,
    submit: Annotated[bool, typer.Option("--submit", help="Submit it, too.")] = False,
) -> None:  # fmt: skip
    """Write a job for SLURM that trains an experiment, beside where its run will be.

    Experiments are validated first, as by `graphium check`. Stores that are missing get a job of
    their own, without GPUs, on which the training waits. Shortly before its time limit a run keeps
    its step, goes back into the queue, and goes on from there. Several experiments, or several
    seeds (--array), are tasks of one array.
    """
    console = Console(highlight=False, soft_wrap=True)
    overrides = [word for word in words if "=" in word]
    paths = [Path(word) for word in words if "=" not in word]
    if not paths:
        raise UsageError("give an experiment, for example: graphium slurm expts/demo.yaml")
    _check_words(time, mem_per_cpu, partition, account)
    first = _load(paths[0], overrides, None)
    gpus = first.trainer.devices if gpus_per_node is None else gpus_per_node
    if first.trainer.accelerator == "cpu" and gpus_per_node:
        raise UsageError(
            "trainer.accelerator is cpu, and the GPUs would be idle: leave out --gpus-per-node, or "
            "set trainer.accelerator=auto"
        )
    if first.trainer.accelerator == "cpu":
        gpus, tasks_per_node = 0, max(tasks_per_node, first.trainer.devices)
    resources = Resources(
        nodes or first.trainer.num_nodes, gpus or tasks_per_node, gpus, cpus_per_task,
        mem_per_cpu, time, partition, account,
    )  # fmt: skip
    per_node = resources.tasks_per_node
    number = resources.nodes * per_node
    place = ranks.Place(0, number, 0, per_node, "localhost", 0)
    experiments = [_load(path, overrides, place) for path in paths]
    if array > 1 or len(paths) > 1:
        overrides = [word for word in overrides if not word.startswith("seed=")]
    base = run_dir or _new_base(first.name if len(paths) == 1 else "several")
    tasks = _tasks(paths, experiments, array, base)
    for task, experiment in zip(tasks, [e for e in experiments for _ in range(array)], strict=True):
        _check_run_dir(task, experiment)
    missing = _missing(experiments)

    from graphium.store.prepare import cache_root

    base.parent.mkdir(parents=True, exist_ok=True)
    where = Place(Path.cwd(), Path(sys.executable).parent, cache_root().absolute())
    logs = Path.cwd() / base  # as a job sees it
    script = train_script(
        first.name, tasks, overrides, resources, where, logs.with_name(f"{base.name}.log"),
        notice=notice, at_once=at_once, report=not no_report,
    )  # fmt: skip
    written = [_write(base.with_name(f"{base.name}.sbatch"), script)]
    if missing:
        text = prepare_script(
            first.name, paths, overrides, resources, where,
            logs.with_name(f"{base.name}.prepare.log"), notice=notice,
        )  # fmt: skip
        written.insert(0, _write(base.with_name(f"{base.name}.prepare.sbatch"), text))
        console.print(f"to be prepared first: {', '.join(missing)}")
    what = f"{len(tasks)} runs, each on" if len(tasks) > 1 else "a run on"
    devices = "GPUs" if gpus else "CPU processes"
    size = first.batch.size / number
    console.print(
        f"{what} {resources.nodes} machine(s) with {per_node} {devices}: {number} ranks of "
        f"{size:g} molecules a step"
    )
    for path in written:
        console.print(f"wrote {path}")
    if submit:
        _submit(written, console)
    else:
        console.print(f"submit with: {_commands(written)}")


def _check_words(time: str, memory: str, partition: str | None, account: str | None) -> None:
    """Refuse what sbatch would not take, before anything is written."""
    for name, value, pattern, example in (
        ("--time", time, _TIME, "24:00:00"),
        ("--mem-per-cpu", memory, _MEMORY, "4G"),
        ("--partition", partition, _WORD, "gpu"),
        ("--account", account, _WORD, "chemistry"),
    ):
        if value is not None and not re.fullmatch(pattern, value):
            raise UsageError(f"{name} is {value!r}; write it as {example}")


def _load(path: Path, overrides: list[str], place: ranks.Place | None) -> "Experiment":
    """Read and validate an experiment, with its tables."""
    found = list(table_mistakes(load_config(path, overrides)))
    if found:
        raise config_error(found)
    return load_experiment(path, overrides, place)


def _new_base(name: str) -> Path:
    """Return a path for the run and its scripts that nothing has taken."""
    time = datetime.now().astimezone().strftime("%Y-%m-%d_%H-%M-%S")
    folder = Path(os.environ.get("GRAPHIUM_RUNS_DIR", "runs")) / name
    base, number = folder / time, 1
    while base.exists() or base.with_name(f"{base.name}.sbatch").exists():
        number += 1
        base = folder / f"{time}_{number}"
    return base


def _tasks(
    paths: list[Path], experiments: list["Experiment"], seeds: int, base: Path
) -> list[Task]:
    if len(paths) == 1 and seeds == 1:
        return [Task(paths[0], None, base)]
    tasks = [
        Task(path, one.seed + i, base / f"{one.name}-{one.seed + i}")
        for path, one in zip(paths, experiments, strict=True)
        for i in range(seeds)
    ]
    if len({task.run_dir for task in tasks}) < len(tasks):
        raise UsageError("experiments have the same name and seed; give each a name of its own")
    return tasks


def _check_run_dir(task: Task, experiment: "Experiment") -> None:
    """Make sure that the run can be started, or gone on with, where it is to be."""
    if has_begun(task.run_dir):
        seed = experiment.seed if task.seed is None else task.seed
        check_same_experiment(task.run_dir, experiment.model_copy(update={"seed": seed}))
    elif task.run_dir.exists() and any(task.run_dir.iterdir()):
        raise UsageError(f"{task.run_dir} exists and is no run; choose another --run-dir")


def _missing(experiments: list["Experiment"]) -> list[str]:
    from graphium.store.prepare import cache_root, missing

    found = [what for one in experiments for what in missing(one, cache_root())]
    return list(dict.fromkeys(found))


def _write(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def _commands(scripts: list[Path]) -> str:
    *before, last = (shlex.quote(str(script)) for script in scripts)
    if not before:
        return f"sbatch {last}"
    return f"job=$(sbatch --parsable {before[0]}) && sbatch --dependency=afterok:$job {last}"


def _submit(scripts: list[Path], console: Console) -> None:
    """Submit the scripts, each after the one before has succeeded."""
    depends: list[str] = []
    for script in scripts:
        command = ["sbatch", "--parsable", *depends, str(script)]
        try:
            done = subprocess.run(  # noqa: S603  # what the user asked for
                command, capture_output=True, text=True, check=True
            )
        except FileNotFoundError:
            raise GraphiumError(
                f"there is no sbatch here; on a machine that has it: {_commands(scripts)}"
            ) from None
        except subprocess.CalledProcessError as error:
            raise GraphiumError(
                f"sbatch refused {script} (exit code {error.returncode}): {error.stderr.strip()}"
            ) from error
        job = done.stdout.strip().split(";")[0]
        depends = [f"--dependency=afterok:{job}"]
        console.print(f"submitted {script} as job {job}")
    console.print(f"look at it with: squeue --job {job}")
