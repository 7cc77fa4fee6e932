"""Encodings of molecules from real tables, many salts among them, equal their definitions."""

import os
from pathlib import Path

import pyarrow.parquet
import pytest
from plain_encodings import (
    PAIRS,
    assert_atoms_are_plain,
    assert_bonds_are_plain,
    assert_pairs_are_plain,
    real_graphs,
)

DATA = os.environ.get("GRAPHIUM_TEST_DATA")


@pytest.fixture(scope="module")
def graphs():
    if DATA is None:
        pytest.skip("GRAPHIUM_TEST_DATA names no folder of real tables")
    table = pyarrow.parquet.read_table(Path(DATA) / "smiles" / "smiles_pool.parquet")
    smiles = table["smiles"].slice(0, 200_000).to_pylist()
    salts = [text for text in smiles if "." in text][:40]
    return real_graphs([*smiles[:: len(smiles) // 60], *salts])


@pytest.mark.parametrize("name", PAIRS)
def test_all_levels_follow_the_definition(name, graphs):
    assert len(graphs) > 90

    assert_pairs_are_plain(name, graphs)
    assert_atoms_are_plain(name, graphs)
    if name != "shortest_path":
        assert_bonds_are_plain(name, graphs)
