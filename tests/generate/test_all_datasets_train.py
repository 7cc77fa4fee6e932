"""All seven datasets are prepared from invented tables and train all their tasks."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.generate.conftest import REPOSITORY

pytestmark = pytest.mark.slow

STEPS = 200
ROWS = 160
EPOCHS = {"toymix": 10, "largemix": 7, "ultralarge": 21}
"""Enough for STEPS steps of 16 molecules."""
TASKS = {
    "toymix": {"qm9", "tox21", "zinc"},
    "largemix": {"l1000_vcap", "l1000_mcf7", "pcba_1328", "pcqm4m_g25", "pcqm4m_n4"},
    "ultralarge": {"pm6_83m_g62", "pm6_83m_n7"},
}


@pytest.fixture(scope="module")
def tables(write_mix, tmp_path_factory):
    root = tmp_path_factory.mktemp("generated")
    for mix in TASKS:
        write_mix(mix, root / mix, ROWS)
    return root


def train(mix, ranks, tables, run):
    """Train as a user would, on small channels; the stores are prepared by the first run."""
    environment = os.environ | {
        "GRAPHIUM_CACHE_DIR": str(tables / "cache"),
        "GRAPHIUM_DATA": str(tables),
        "GRAPHIUM_TEST_DATA": str(tables),
        "OMP_NUM_THREADS": "1",
    }
    options = [
        f"trainer.devices={ranks}", f"trainer.max_epochs={EPOCHS[mix]}", "trainer.accelerator=cpu",
        "trainer.threads=1", "batch.size=16", "optimizer.lr=1e-3", "optimizer.warmup_epochs=0",
        "model.trunk.width=24", "model.trunk.depth=2", "report.baselines=false", "report.worst=0",
    ]  # fmt: skip
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "graphium-train"),
            *(f"expts/{mix}/gine.yaml", *options, "--run-dir", str(run)),
        ],
        cwd=REPOSITORY,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return pd.read_csv(run / "metrics.csv")


@pytest.mark.parametrize("ranks", [1, 2])
@pytest.mark.parametrize("mix", TASKS)
def test_every_task_of_a_mix_learns(mix, ranks, tables, tmp_path):
    metrics = train(mix, ranks, tables, tmp_path / "run")

    assert metrics["step"].max() >= STEPS
    losses = metrics[(metrics["metric"] == "loss") & (metrics["part"] == "train")]
    by_task = losses.dropna(subset="task").pivot(index="step", columns="task", values="value")
    assert set(by_task.columns) == TASKS[mix]
    assert np.isfinite(by_task.to_numpy()).all()
    assert (by_task.iloc[-1] < by_task.iloc[0]).all(), by_task
