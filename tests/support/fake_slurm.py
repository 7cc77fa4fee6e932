"""``sbatch``, ``srun`` and ``scontrol`` that run jobs on this machine, as SLURM would on its nodes.

Each machine of a job is pretended: its tasks are processes here. A job that asks to go back into
the queue starts again when its script has ended.
"""

import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

PROGRAMS = ("sbatch", "srun", "scontrol")


def install(folder: Path) -> dict[str, str]:
    """Write the programs; return the environment that finds them."""
    folder.mkdir()
    for name in PROGRAMS:
        program = folder / name
        program.write_text(f'#!/bin/sh\nexec {sys.executable} {__file__} {name} "$@"\n')
        program.chmod(0o755)
    path = os.pathsep.join([str(folder), os.environ["PATH"]])
    return {"PATH": path, "FAKE_SLURM": str(folder)}


def sbatch(words: list[str]) -> None:
    """Start a job in the background, and print its number."""
    folder = Path(os.environ["FAKE_SLURM"])
    job = 4000 + len(list(folder.glob("job-*.json")))
    after = [re.sub(r"\D", "", word) for word in words if word.startswith("--dependency=afterok:")]
    (folder / f"job-{job}.json").write_text(json.dumps({"script": words[-1], "after": after}))
    with (folder / f"runner-{job}.log").open("w") as log:
        subprocess.Popen(
            [sys.executable, __file__, "job", str(job)], stdout=log, stderr=log, stdin=None,
            start_new_session=True,
        )  # fmt: skip
    print(job)


def run_job(job: str) -> None:
    """Run a job's tasks when those it depends on have succeeded."""
    folder = Path(os.environ["FAKE_SLURM"])
    said = json.loads((folder / f"job-{job}.json").read_text())
    for other in said["after"]:
        while not (folder / f"ended-{other}").exists():
            time.sleep(0.05)
        if (folder / f"ended-{other}").read_text() != "0":
            (folder / f"ended-{job}").write_text("never")
            return
    script = Path(said["script"]).read_text()
    options = dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script, flags=re.M))
    first, last = 0, -1
    if "array" in options:
        first, last = map(int, options["array"].split("%")[0].split("-"))
    numbers = [str(n) for n in range(first, last + 1)] or [None]
    codes = [run_task(folder, job, number, said["script"], options) for number in numbers]
    unseen = folder / f"ended-{job}.tmp"  # who waits for the file must not find it empty
    unseen.write_text(str(max(codes)))
    unseen.rename(folder / f"ended-{job}")


def run_task(folder: Path, job: str, number: str | None, script: str, options: dict) -> int:
    """Run the script, again as often as it asks for it; return its last exit code."""
    nodes, per_node = int(options["nodes"]), int(options["ntasks-per-node"])
    environment = {
        **os.environ,
        "SLURM_JOB_ID": job if number is None else str(int(job) * 10 + int(number)),
        "SLURM_JOB_NODELIST": f"node[1-{nodes}]" if nodes > 1 else "node1",
        "SLURM_NNODES": str(nodes),
        "SLURM_NTASKS": str(nodes * per_node),
        "SLURM_NTASKS_PER_NODE": str(per_node),
        "SLURM_CPUS_PER_TASK": options["cpus-per-task"],
        "SLURM_PROCID": "0",
        "SLURM_LOCALID": "0",
    }
    if number is not None:
        environment |= {"SLURM_ARRAY_JOB_ID": job, "SLURM_ARRAY_TASK_ID": number}
    name = job if number is None else f"{job}_{number}"
    log = options["output"].replace("%a", number or "")
    for restart in range(10):
        environment["SLURM_RESTART_COUNT"] = str(restart)
        with Path(log).open("a") as out:
            done = subprocess.run(
                ["bash", script], env=environment, stdout=out, stderr=out, check=False
            )
        requeued = folder / "requeued"
        asked = requeued.read_text().split().count(name) if requeued.exists() else 0
        if asked == restart:
            return done.returncode
    raise AssertionError("the job always goes back into the queue")


def srun(words: list[str]) -> int:
    """Start the tasks of a step; if one fails, kill the others."""
    folder = Path(os.environ["FAKE_SLURM"])
    options = [word for word in words if word.startswith("--")][: len(words)]
    command = words[next(i for i, word in enumerate(words) if not word.startswith("--")) :]
    tasks, nodes = int(os.environ["SLURM_NTASKS"]), int(os.environ["SLURM_NNODES"])
    if "--ntasks=1" in options:
        tasks = nodes = 1
    processes = []
    for task in range(tasks):
        place = {
            "SLURM_STEP_ID": "0",
            "SLURM_NTASKS": str(tasks),
            "SLURM_NNODES": str(nodes),
            "SLURM_PROCID": str(task),
            "SLURM_LOCALID": str(task % (tasks // nodes)),
            "SLURM_NODEID": str(task // (tasks // nodes)),
        }
        processes.append(subprocess.Popen(command, env={**os.environ, **place}))
    pids = folder / "tasks"
    pids.with_suffix(".tmp").write_text(" ".join(str(one.pid) for one in processes))
    pids.with_suffix(".tmp").rename(pids)
    while any(one.poll() is None for one in processes):
        if "--kill-on-bad-exit=1" in options and any(one.poll() for one in processes):
            for one in processes:
                one.kill()
        time.sleep(0.02)
    pids.unlink()
    return max(abs(one.returncode) for one in processes)


def scontrol(words: list[str]) -> None:
    """Name the machines of a job, which are all this one; or note that a job comes back."""
    if words[:2] == ["show", "hostnames"]:
        count = int(os.environ["SLURM_NNODES"])
        print("\n".join(["127.0.0.1"] * count))
    elif words[0] == "requeue":
        with (Path(os.environ["FAKE_SLURM"]) / "requeued").open("a") as file:
            file.write(f"{words[1]}\n")
    else:
        raise SystemExit(f"scontrol {words} is not known here")


if __name__ == "__main__":
    program, *rest = sys.argv[1:]
    called = {"sbatch": sbatch, "srun": srun, "scontrol": scontrol}
    if program == "job":
        run_job(rest[0])
    else:
        sys.exit(called[program](rest))
