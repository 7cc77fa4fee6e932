"""Predictions and embeddings of SDF files."""

import json

import numpy as np
import pandas as pd
import pytest
from rdkit import Chem
from sdf import record, shuffled
from tiny_model import write_tiny_model

from graphium.apply.embed import embed_file
from graphium.apply.model import load_model
from graphium.apply.predict import predict_file


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    return load_model(write_tiny_model(tmp_path_factory.mktemp("model") / "checkpoint"))


@pytest.fixture(scope="module")
def mols():
    found = [shuffled(smiles, seed) for seed, smiles in enumerate(["CCO", "CC#N", "NCC=O"])]
    for number, mol in enumerate(found):
        mol.SetProp("_Name", f"m{number}")
    return found


@pytest.fixture
def table(tmp_path, mols):
    texts = [record(mol, {"id": f"{k:03}"}) for k, mol in enumerate(mols)]
    texts.insert(1, "broken\n\n\n  9  9  0\nM  END\n$$$$\n")
    (tmp_path / "in.sdf").write_text("".join(texts))
    return tmp_path / "in.sdf"


def test_properties_and_names_are_kept_and_blocks_are_not(model, table):
    outcome = predict_file(model, table, table.with_name("out.csv"))

    found = pd.read_csv(table.with_name("out.csv"), dtype=str)
    assert list(found)[:2] == ["name", "id"]
    assert found["name"].tolist() == ["m0", "broken", "m1", "m2"]
    assert found["id"].fillna("").tolist() == ["000", "", "001", "002"]
    assert found["error"].fillna("").tolist() == [
        "",
        "syntax: its mol block cannot be read",
        "",
        "",
    ]
    assert "row 1, 'broken' (syntax" in outcome.message(table)


def test_lists_are_in_the_order_of_the_file(model, table, mols):
    predict_file(model, table, table.with_name("out.csv"))
    found = pd.read_csv(table.with_name("out.csv"))["q_predicted"][3]

    expected = model.predict(["NCC=O"])
    heavy = [atom.GetIdx() for atom in mols[2].GetAtoms() if atom.GetAtomicNum() > 1]
    in_smiles = mols[2].GetSubstructMatch(Chem.MolFromSmiles("NCC=O"))
    by_atom = dict(zip(in_smiles, expected["q_predicted"][0], strict=True))
    np.testing.assert_allclose(json.loads(found), [by_atom[k] for k in heavy], rtol=1e-4)
    assert heavy != list(in_smiles)


def test_a_block_is_embedded_as_its_smiles_is(model, table):
    embed_file(model, table, table.with_name("out.npy"))
    embed_file(model, table, table.with_name("out.npz"))

    expected = model.embed(["CCO", "CC#N", "NCC=O"])
    found = np.load(table.with_name("out.npy"))
    np.testing.assert_allclose(found[[0, 2, 3]], expected, rtol=1e-4, atol=1e-5)
    assert np.isnan(found[1]).all()
    texts = json.loads(np.load(table.with_name("out.npz"))["smiles"].tobytes())
    assert texts == ["m0", "broken", "m1", "m2"]
