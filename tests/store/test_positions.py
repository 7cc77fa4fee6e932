"""Coordinates of atoms in a store."""

import numpy as np
import pandas as pd
import pytest
import zarr
from typer.testing import CliRunner

from graphium.cli.data import app
from graphium.config.data import ConformersConfig, DatasetConfig
from graphium.errors import DataError
from graphium.molecules.computed import ComputeRequest, compute
from graphium.store.blocks import merge_blocks, select_molecules
from graphium.store.prepare import prepare_dataset, store_path
from graphium.store.read import open_store

SMILES = ["CCO", "no molecule", "C1=C2C3=C1C23", "[Na+].[Cl-]", "CC(C)C", "C" * 9]
ACCEPTED = [text for text in SMILES if " " not in text]
OPTIONS = {"kind": "etkdg", "max_atoms": 8}


@pytest.fixture(scope="module")
def config(tmp_path_factory):
    path = tmp_path_factory.mktemp("tables") / "mols.csv"
    pd.DataFrame({"smiles": SMILES, "y": range(len(SMILES))}).to_csv(path, index=False)
    return DatasetConfig(table=str(path), conformers=OPTIONS)


@pytest.fixture(scope="module")
def store(config, tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    return open_store(prepare_dataset("d", config, root, workers=2, segment_rows=3))


def test_each_atom_has_the_coordinates_that_rdkit_gives(store):
    request = ComputeRequest(conformers=ConformersConfig(**OPTIONS))
    wanted = np.concatenate(compute(request, ACCEPTED).positions)
    np.testing.assert_array_equal(store.graphs(positions=True).positions, wanted)
    assert store.graphs().positions is None


def test_unit_and_method_stand_beside_the_coordinates(store):
    folder = store.path / store.record.segments[0].folder
    attributes = zarr.open_array(folder / "positions", mode="r").attrs.asdict()
    assert attributes["unit"] == "angstrom"
    assert attributes["method"] == {
        "kind": "etkdg", "seed": 42, "optimize": "none", "max_atoms": 8, "attempts": 10,
    }  # fmt: skip


def test_the_number_of_workers_changes_no_coordinate(config, store, tmp_path):
    again = open_store(prepare_dataset("d", config, tmp_path, workers=1, segment_rows=3))
    assert again.record.content == store.record.content


def test_info_says_which_molecules_have_none_and_why(store):
    shown = CliRunner().invoke(app, ["info", str(store.path)]).output
    assert "coordinates of 3 of 5 molecules (kind etkdg, seed 42, optimize none" in shown
    assert "no_conformer          1" in shown
    assert "too_big               1" in shown


def test_coordinates_follow_their_molecules_when_some_are_taken(store):
    block = store.graphs(positions=True)
    taken = select_molecules(block, np.array([3, 0]))
    starts = block.atom_offsets()
    wanted = [block.positions[starts[k] : starts[k + 1]] for k in (3, 0)]
    np.testing.assert_array_equal(taken.positions, np.concatenate(wanted))


def test_molecules_of_a_store_without_coordinates_have_none_beside_others(store):
    merged = merge_blocks([store.graphs(), store.graphs(positions=True)])
    first = merged.positions[: len(merged.positions) // 2]
    assert np.isnan(first).all()
    assert not np.isnan(merged.positions).all()


def test_a_store_without_coordinates_says_how_to_get_them(config, store, tmp_path):
    plain = config.model_copy(update={"conformers": None})
    assert store_path(plain, tmp_path) != store_path(config, tmp_path)
    other = open_store(prepare_dataset("d", plain, tmp_path, workers=1))
    with pytest.raises(DataError, match=r"no coordinates.*conformers: \{kind: etkdg\}"):
        other.graphs(positions=True)
