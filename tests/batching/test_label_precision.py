"""Labels keep what float32 can hold, from the table to the task."""

import numpy as np
import pandas as pd

from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.store.prepare import prepare_experiment


def test_labels_beyond_half_precision_reach_the_task_with_all_their_digits(tmp_path):
    energies = np.array([-16382.880859, -16382.884, 123456.789, 3.0e30, 1e-12, np.nan])
    smiles = ["C" * (k + 1) for k in range(len(energies))]
    pd.DataFrame({"smiles": smiles, "energy": energies}).to_parquet(tmp_path / "pm6.parquet")
    experiment = Experiment.model_validate(
        {
            "name": "precise",
            "datasets": {"pm6": {"table": str(tmp_path / "pm6.parquet")}},
            "tasks": {"energy": {"dataset": "pm6", "labels": ["energy"], "loss": "mae"}},
        }
    )
    prepare_experiment(experiment, tmp_path / "root", workers=1)

    task = open_mix(experiment, tmp_path / "root").tasks["energy"]

    found = dict(zip(task.source_row.tolist(), task.values[:, 0].tolist(), strict=True))
    assert found == dict(enumerate(energies[:5].astype(np.float32).tolist()))
