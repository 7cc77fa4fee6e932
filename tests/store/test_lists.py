import json
import logging
import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem

from graphium.config.data import DatasetConfig
from graphium.errors import DataError
from graphium.store.prepare import prepare_dataset, store_path
from graphium.store.read import open_store


@pytest.fixture
def prepare(tmp_path):
    """Write a csv with one column of lists and prepare it."""

    def of(rows, *, level="node", **options):
        path = tmp_path / "lists.csv"
        cells = [cell if isinstance(cell, str) else json.dumps(cell) for _, cell in rows]
        pd.DataFrame({"smiles": [text for text, _ in rows], "x": cells}).to_csv(path, index=False)
        levels = {"x": level} if level else {}
        config = DatasetConfig(table=str(path), levels=levels, **options)
        return open_store(prepare_dataset("lists", config, tmp_path / "root", workers=1))

    return of


def values(store, column="x"):
    return store.labels([column]).values[:, 0].tolist()


def test_rows_are_rejected_with_the_reason_and_the_rest_is_kept(prepare):
    rows = [("[H]C([H])O", [9, 1, 9, 2]), ("CCO", [1, 2]), ("C([H])O", [3, 9, 4])]
    store = prepare(rows)

    assert [(one.row, one.reason) for one in store.rejects()] == [
        (1, "labels: 'x' has 2 numbers for 3 atoms")
    ]
    assert values(store) == [1, 2, 3, 4]
    assert store.record.coverage["x"].left_out == 3


def test_an_order_that_is_not_clear_stops_the_preparation(prepare):
    with pytest.raises(DataError, match="atom_order: map"):
        prepare([("CO", [1, 2]), ("[CH3:2][OH:1]", [3, 4])])


def test_other_hydrogens_or_another_order_make_another_store(tmp_path):
    table = tmp_path / "t.csv"
    table.write_text("smiles,y\nCO,1\n")
    options = ({}, {"hydrogens": "written"}, {"hydrogens": "explicit"}, {"atom_order": "map"})

    paths = [store_path(DatasetConfig(table=str(table), **one), tmp_path) for one in options]

    assert len({*paths}) == len(options)


def test_levels_are_inferred_from_lengths_as_written(prepare):
    atoms = prepare([("[H]CCCO", [9, 1, 2, 3, 4])], level=None)
    bonds = prepare([("[H]C([H])CCO", [9, 9, 1, 2, 3])], level=None)

    assert [column.level for column in (*atoms.columns, *bonds.columns)] == ["node", "edge"]


def test_the_order_of_columns_changes_no_label(tmp_path):
    table = pd.DataFrame(
        {
            "smiles": ["CO", "[H]CN"],
            "a": [[1.0, 2.0], [9.0, 3.0, 4.0]],
            "y": [0.5, 0.25],
            "b": [[5.0], None],
            "c": [None, [6.0, 7.0]],
        }
    )
    levels = {"a": "node", "b": "edge", "c": "node"}
    found = []
    for number, columns in enumerate((list(table), ["c", "b", "y", "smiles", "a"])):
        path = tmp_path / f"{number}.parquet"
        table[columns].to_parquet(path)
        config = DatasetConfig(table=str(path), levels=levels)
        store = open_store(prepare_dataset("t", config, tmp_path / "root", workers=1))
        found.append({one: store.labels([one]).values.tolist() for one in ("a", "b", "c", "y")})

    assert found[0] == found[1]
    assert found[0]["a"] == [[1], [2], [3], [4]]


def test_counts_are_told_when_a_table_is_prepared(prepare, caplog):
    with caplog.at_level(logging.WARNING):
        prepare([("[H]C([H])O", [9, 1, 9, 2])])

    assert "2 labels of column 'x' are of hydrogens that are no atoms" in caplog.text


DATA = os.environ.get("GRAPHIUM_TEST_DATA")


def charges_as_given(text, charges, *, keep_hydrogens):
    """Read one row of the raw table with RDKit alone: charges in the order of its atoms."""
    options = Chem.SmilesParserParams()
    options.removeHs = not keep_hydrogens
    maps = [atom.GetAtomMapNum() for atom in Chem.MolFromSmiles(text, options).GetAtoms()]
    return np.array([charges[number - 1] for number in maps], np.float32)


def is_the_same_molecule_with_the_same_charges(text, charges, other, other_charges):
    """Say whether some match of the one molecule onto the other carries every charge over."""
    mol, pattern = Chem.MolFromSmiles(text), Chem.MolFromSmiles(other)
    number = {charge: 1 + i for i, charge in enumerate(np.unique(charges))}
    for one, its_charges in ((mol, charges), (pattern, other_charges)):
        for atom, charge in zip(one.GetAtoms(), its_charges, strict=True):
            atom.SetAtomMapNum(0)
            atom.SetIsotope(number.get(charge, 0))  # an isotope only matches itself
    return all(charge in number for charge in other_charges) and mol.HasSubstructMatch(pattern)


@pytest.mark.skipif(not DATA, reason="GRAPHIUM_TEST_DATA names no folder of real tables")
def test_charges_in_the_order_of_atom_maps_are_those_of_the_table_in_atom_order(tmp_path):
    folder = Path(str(DATA)) / "node_level"
    raw = folder / "atomic_charges_500_raw.csv.gz"

    def read(table, column, **options):
        config = DatasetConfig(table=str(table), **options)
        store = open_store(prepare_dataset("t", config, tmp_path, workers=1))
        labels = store.labels([column]).values[:, 0]
        return store.smiles(), np.split(labels, np.cumsum(store.graphs().num_atoms)[:-1])

    texts, heavy = read(raw, "charges", atom_order="map")
    _, every = read(raw, "charges", atom_order="map", hydrogens="written")
    others, expected = read(folder / "atomic_charges_500.parquet", "charge")

    assert sum(map(len, heavy)) == sum(map(len, expected)) == 10_069
    assert sum(map(len, every)) == 18_528
    given = pd.read_csv(raw).charges.map(json.loads)
    for row, text in enumerate(texts):
        np.testing.assert_array_equal(
            heavy[row], charges_as_given(text, given[row], keep_hydrogens=False)
        )
        np.testing.assert_array_equal(
            every[row], charges_as_given(text, given[row], keep_hydrogens=True)
        )
        assert is_the_same_molecule_with_the_same_charges(
            text, heavy[row], others[row], expected[row]
        )
