"""graphium slurm: what the scripts say, and what is refused before one is written."""

import re
import shlex
import shutil
import subprocess
from pathlib import Path

import pytest

from graphium.cli.main import main
from graphium.cli.requeue import job_of

TWO_NODES = ("--nodes", "2", "--gpus-per-node", "4", "--time", "2-00:00:00")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "table.csv").write_text("smiles,a\nCCO,1\nCCN,2\n")
    for name in ("small", "other"):
        (tmp_path / f"{name}.yaml").write_text(
            f"name: {name}\ndatasets: {{d: {{table: table.csv}}}}\n"
            "tasks: {a: {dataset: d, labels: [a], loss: mae}}\n"
        )
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("GRAPHIUM_RUNS_DIR", raising=False)
    return tmp_path


def call(*words: str) -> int:
    with pytest.raises(SystemExit) as end:
        main(["slurm", *words])
    return int(end.value.code or 0)


def options(script: Path) -> dict[str, str]:
    return dict(re.findall(r"^#SBATCH --([\w-]+)=?(.*)$", script.read_text(), flags=re.M))


def test_a_script_asks_for_a_task_for_each_gpu_and_comes_back(folder, capsys):
    assert call("small.yaml", "trainer.max_epochs=7", *TWO_NODES, "--partition", "gpu") == 0

    (script,) = (folder / "runs" / "small").glob("*[0-9].sbatch")
    said = options(script)
    wanted = {
        "nodes": "2", "ntasks-per-node": "4", "gpus-per-node": "4", "time": "2-00:00:00",
        "partition": "gpu", "requeue": "", "signal": "USR1@120", "open-mode": "append",
    }  # fmt: skip
    assert wanted.items() <= said.items()
    assert "array" not in said
    text = script.read_text()
    run = script.with_suffix("").relative_to(folder)
    assert f"--run-dir {run} --auto-resume --no-prepare" in text
    assert "small.yaml trainer.max_epochs=7" in text
    assert 'export SRUN_CPUS_PER_TASK="$SLURM_CPUS_PER_TASK"' in text  # else a core a task
    assert f"export GRAPHIUM_CACHE_DIR={folder / 'cache'}" in text  # where stores were looked for
    (prepare,) = (folder / "runs" / "small").glob("*.prepare.sbatch")
    assert "gpus-per-node" not in options(prepare)
    assert options(prepare)["signal"] == "USR1@120"
    assert "graphium data prepare small.yaml trainer.max_epochs=7" in prepare.read_text()
    output = capsys.readouterr().out
    assert "8 ranks of 16 molecules a step" in output
    assert f"sbatch --parsable {prepare.relative_to(folder)}" in output
    for one in (script, prepare):
        subprocess.run([shutil.which("bash") or "bash", "-n", one], check=True)


def test_experiments_and_seeds_are_tasks_of_one_array(folder):
    words = ("small.yaml", "other.yaml", "seed=5", "--array", "2", "--at-once", "3")
    assert call(*words, "--run-dir", "out") == 0
    script = (folder / "out.sbatch").read_text()
    assert options(folder / "out.sbatch")["array"] == "0-3%3"
    assert "SEEDS=(seed=5 seed=6 seed=5 seed=6)" in script
    assert "RUNS=(out/small-5 out/small-6 out/other-5 out/other-6)" in script
    assert "EXPERIMENTS=(small.yaml small.yaml other.yaml other.yaml)" in script


def test_paths_with_spaces_are_one_word_to_sbatch_and_to_the_shell(folder):
    assert call("small.yaml", "--run-dir", "my runs/first") == 0
    text = (folder / "my runs" / "first.sbatch").read_text()
    assert shlex.split(options(folder / "my runs" / "first.sbatch")["output"]) == [
        str(folder / "my runs" / "first.log")
    ]
    assert "--run-dir 'my runs/first' --auto-resume" in text


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["small.yaml", "trainer.max_epoch=3"], "did you mean 'max_epochs'"),
        (["small.yaml", "tasks.a.labels=[aa]"], "did you mean 'a'"),
        (["small.yaml", "--time", "soon"], "24:00:00"),
        (["small.yaml", "--partition", "gpu\n#SBATCH --nice"], "--partition is"),
        (["small.yaml", "trainer.devices=2", "--gpus-per-node", "4"], "trainer.devices is 2"),
        (["small.yaml", "trainer.accelerator=cpu", "--gpus-per-node", "4"], "would be idle"),
        (["trainer.devices=2"], "give an experiment"),
        (["small.yaml", "--run-dir", "here"], "here exists and is no run"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_written(folder, capsys, words, said):
    (folder / "here").mkdir()
    (folder / "here" / "mine.txt").write_text("precious")
    assert call(*words) == 2
    assert said in capsys.readouterr().err
    assert not list(folder.rglob("*.sbatch"))


def test_without_sbatch_the_command_is_told(folder, capsys, monkeypatch):
    monkeypatch.setenv("PATH", str(folder))
    assert call("small.yaml", "--submit") == 1
    assert "there is no sbatch here" in capsys.readouterr().err


def test_a_task_of_an_array_is_named_by_the_array():
    alone = {"SLURM_JOB_ID": "17"}
    assert job_of(alone) == "17"
    assert job_of({**alone, "SLURM_ARRAY_JOB_ID": "12", "SLURM_ARRAY_TASK_ID": "5"}) == "12_5"
    assert job_of({}) is None
