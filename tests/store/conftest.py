import os
import subprocess
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from warm_start import Forked

from graphium.config.data import DatasetConfig
from graphium.store.prepare import prepare_dataset

SMILES = ["C", "CCO", "c1ccccc1", "CC(=O)[O-].[Na+]", "C[C@H](N)O", "N#N", "C1CC1C", "O"]
ATOMS = [1, 3, 6, 5, 4, 2, 4, 1]
BONDS = [0, 2, 6, 3, 3, 1, 4, 0]


@pytest.fixture(scope="session")
def table(tmp_path_factory):
    """60 rows with labels at every level, gaps, and rows of each kind of failure."""
    random = np.random.default_rng(0)
    rows = []
    for number in range(60):
        which = number % len(SMILES)
        rows.append(
            {
                "smiles": SMILES[which],
                "y": None if number % 5 == 0 else random.normal(),
                "z": float(number) if number < 3 else None,
                "charge": None if number % 3 else random.normal(size=ATOMS[which]).tolist(),
                "length": None if number % 4 else random.normal(size=BONDS[which]).tolist(),
                "part": [None, "train", "val", "test"][number % 4],
                "mol_id": f"molecule {number}",
            }
        )
    rows[7]["smiles"] = "not a SMILES"
    rows[20]["smiles"] = "C(C)(C)(C)(C)C"
    rows[41]["smiles"] = None
    rows[9]["charge"] = [1.0] * 5
    rows[11]["y"] = np.inf
    path = tmp_path_factory.mktemp("tables") / "all-levels.parquet"
    pd.DataFrame(rows).to_parquet(path)
    return path


@pytest.fixture(scope="session")
def config(table):
    return DatasetConfig(table=str(table))


@pytest.fixture(scope="session")
def store_dir(config, tmp_path_factory):
    """The table's store in four segments; tests copy it before they damage it."""
    root = tmp_path_factory.mktemp("root")
    return prepare_dataset("all", config, root, workers=2, segment_rows=17)


PREPARE = """
import sys
from pathlib import Path
from graphium.config.data import DatasetConfig
from graphium.store.prepare import prepare_dataset
table, root, rows = sys.argv[1:]
config = DatasetConfig(table=table)
print(prepare_dataset("other", config, Path(root), workers=2, segment_rows=int(rows)))
"""


@pytest.fixture
def start_preparing(preparers):
    """Start a process that prepares a table; without a ``__main__`` guard, as users write it."""
    started = []

    def start(table: Path, root: Path, segment_rows: int) -> Forked:
        process = preparers.of(os.environ).start(
            PREPARE,
            [str(table), str(root), str(segment_rows)],
            stdout=subprocess.PIPE,
            text=True,
            workers=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.wait()
        process.stdout.close()
