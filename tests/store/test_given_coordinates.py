"""Coordinates written after SMILES, from a table of real molecules to a store."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from graphium.config.data import DatasetConfig
from graphium.graphs.properties import ATOM_PROPERTIES
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store

GIVEN = {"kind": "given"}


def prepared(path, folder, **options):
    config = DatasetConfig(table=str(path), conformers=GIVEN, **options)
    return open_store(prepare_dataset("d", config, folder, workers=1))


def test_rows_without_coordinates_stay_and_are_counted(tmp_path, caplog):
    rows = ["CO |(0,0,0;1,0,1)|", "CC", "CN |(0,0,;1,0,)|", "CF |(0,0,1)|", "CC |^1:0|", "O |(,,)|"]
    pd.DataFrame({"smiles": rows, "y": range(6)}).to_csv(tmp_path / "a.csv", index=False)

    store = prepared(tmp_path / "a.csv", tmp_path)

    assert store.smiles() == ["CO", "CC", "CN", "CF", "O"]
    assert [one.row for one in store.rejects()] == [4]
    found = store.record.conformers
    assert (found.molecules, found.labels) == (1, 2)
    assert found.missing == {"no_coordinates": 1, "two_dimensional": 2, "wrong_number": 1}
    assert "4 of 5 molecules have no coordinates (" in caplog.text
    assert "2 two_dimensional" in caplog.text
    positions = store.graphs(positions=True).positions
    assert positions[:2].tolist() == [[0, 0, 0], [1, 0, 1]]
    assert np.isnan(positions[2:]).all()


def test_options_of_embedding_are_refused_beside_given_coordinates():
    with pytest.raises(ValueError, match="the table gives the coordinates: none are embedded"):
        DatasetConfig(table="a.csv", conformers={**GIVEN, "seed": 3})


@pytest.mark.skipif("GRAPHIUM_TEST_DATA" not in os.environ, reason="needs $GRAPHIUM_TEST_DATA")
def test_real_coordinates_are_on_atoms_of_their_element_and_make_bonds(tmp_path):
    source = Path(os.environ["GRAPHIUM_TEST_DATA"]) / "largemix" / "pcqm4mv2_2k_cxsmiles.csv.gz"
    table = pd.read_csv(source).head(300)
    table.to_csv(tmp_path / "a.csv", index=False)

    store = prepared(tmp_path / "a.csv", tmp_path)
    block = store.graphs(positions=True)

    assert store.record.conformers.molecules == store.num_molecules == 300
    assert store.record.conformers.missing == {}
    numbers = block.atom_table[block.atom_code][:, ATOM_PROPERTIES.index("atomic_number")]
    for row, cell in enumerate(table["smiles"]):
        mol = Chem.MolFromSmiles(cell)  # RDKit's own reading of the coordinates
        first, end = block.atom_offsets()[row : row + 2]
        expected = mol.GetConformer().GetPositions().astype(np.float32)
        np.testing.assert_array_equal(block.positions[first:end], expected)
        assert [atom.GetAtomicNum() for atom in mol.GetAtoms()] == numbers[first:end].tolist()
