import os
from pathlib import Path

import pandas as pd
import pytest


@pytest.fixture(scope="session")
def real_tables() -> Path:
    """The folder of real tables that the environment names."""
    folder = os.environ.get("GRAPHIUM_TEST_DATA")
    if not folder:
        pytest.skip("GRAPHIUM_TEST_DATA names no folder of real tables")
    return Path(folder)


@pytest.fixture(scope="session")
def pool(real_tables: Path) -> "pd.Series[str]":
    """SMILES of a million real molecules."""
    path = real_tables / "smiles" / "smiles_pool.parquet"
    return pd.read_parquet(path, columns=["smiles"])["smiles"]
