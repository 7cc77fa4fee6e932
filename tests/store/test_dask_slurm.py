"""The SLURM template of the documentation, with an ``sbatch`` that starts the job here."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from graphium.store.read import open_store

pytest.importorskip("dask_jobqueue", reason="the extra `cluster` is not installed")
pytestmark = [pytest.mark.dist, pytest.mark.slow]

TEMPLATE = Path(__file__).parents[2] / "docs" / "howto" / "dask_slurm.py"

SBATCH = """\
#!/bin/sh
cp "$1" "$JOBS/script"
sh "$JOBS/script" >"$JOBS/out" 2>&1 &
echo $! >>"$JOBS/pids"
echo "Submitted batch job $!"
"""
SCANCEL = """\
#!/bin/sh
kill "$@"
"""


@pytest.fixture
def slurm(tmp_path, monkeypatch):
    """A folder in which jobs leave their script, output and pid."""
    folder = tmp_path / "slurm"
    folder.mkdir()
    for name, script in (("sbatch", SBATCH), ("scancel", SCANCEL)):
        (folder / name).write_text(script)
        (folder / name).chmod(0o755)
    here = os.pathsep.join([str(folder), str(Path(sys.executable).parent), os.environ["PATH"]])
    monkeypatch.setenv("PATH", here)
    monkeypatch.setenv("JOBS", str(folder))
    return folder


def test_the_template_prepares_a_table_on_nodes_that_slurm_gives(slurm, tmp_path):
    table = tmp_path / "pool.csv"
    table.write_text("smiles\n" + "\n".join("C" * k for k in range(1, 60)) + "\n")
    options = ["--store", str(tmp_path / "stores"), "--cores", "2", "--memory", "4GB"]
    options += ["--interface", "lo"]

    done = subprocess.run(
        [sys.executable, str(TEMPLATE), str(table), *options],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert done.returncode == 0, done.stderr + (slurm / "out").read_text()
    (made,) = (tmp_path / "stores" / "stores").iterdir()
    assert open_store(made).num_molecules == 59
    script = (slurm / "script").read_text()
    assert "#SBATCH --requeue" in script
    assert "--nthreads 1" in script
    assert "--nworkers 2" in script
