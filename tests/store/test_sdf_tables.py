"""From SDF files to stores: labels and coordinates stay on their atoms; bad records are rows."""

import numpy as np
import pytest
from rdkit import Chem
from sdf import SMILES, element_labels, fields, record, shuffled

from graphium.config.data import DatasetConfig
from graphium.graphs.properties import ATOM_PROPERTIES
from graphium.molecules.featurize import featurize_chunk
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store

BAD_VALENCE = """five bonds
     made              3D

  6  5  0  0  0  0  0  0  0  0999 V2000
    0.0000    0.0000    0.0000 C   0  0
    1.0000    0.0000    0.0000 C   0  0
    0.0000    1.0000    0.0000 C   0  0
    0.0000    0.0000    1.0000 C   0  0
   -1.0000    0.0000    0.0000 C   0  0
    0.0000   -1.0000    0.0000 C   0  0
  1  2  1  0
  1  3  1  0
  1  4  1  0
  1  5  1  0
  1  6  1  0
M  END
$$$$
"""


@pytest.fixture(scope="module")
def mols():
    return [shuffled(smiles, seed) for seed, smiles in enumerate(SMILES)]


def write_table(path, mols, *, some_heavy):
    labels = element_labels(mols)
    if some_heavy:  # lists of all atoms of the block, or of its heavy atoms alone
        for mol, one in zip(mols[1:6:2], labels[1:6:2], strict=True):
            heavy = [k for k, atom in enumerate(mol.GetAtoms()) if atom.GetAtomicNum() > 1]
            one["element"] = [one["element"][k] for k in heavy]
            one["both"] = [[one["both"][k][other] for other in heavy] for k in heavy]
    texts = [
        record(mol, {"y": k + 0.5, **one}, v3000=k % 2 == 1)
        for k, (mol, one) in enumerate(zip(mols, labels, strict=True))
    ]
    flat = shuffled("CCO", 1, embed=False)
    query = Chem.MolFromSmarts("[C,N]CO")
    texts += ["\n$$$$\n", BAD_VALENCE, record(flat, {"y": 7}), "no block\n$$$$\n"]
    path.write_text("".join([*texts, record(query, {})]))


@pytest.fixture(scope="module", params=["implicit", "written"])
def store(request, mols, tmp_path_factory):
    folder = tmp_path_factory.mktemp("sdf")
    write_table(folder / "a.sdf", mols, some_heavy=request.param == "implicit")
    config = DatasetConfig(
        table=str(folder / "a.sdf"), hydrogens=request.param, conformers={"kind": "given"}
    )  # fmt: skip
    return open_store(prepare_dataset("a", config, folder, workers=1))


def elements(block):
    return block.atom_table[block.atom_code][:, ATOM_PROPERTIES.index("atomic_number")]


def known(store, column, level):
    labels = store.labels([column])
    assert next(one.level for one in store.columns if one.name == column) == level
    return labels.values.reshape(-1)


def test_bad_records_are_rows_with_a_reason(store):
    found = {one.row: one.reason for one in store.rejects()}
    first = len(SMILES)

    assert found.pop(first) == "empty"
    assert found.pop(first + 1).startswith("valence: Explicit valence for atom # 0 C, 5")
    assert found.pop(first + 3) == "syntax: its mol block cannot be read"
    assert found.pop(first + 4).startswith("syntax: it is a query")
    assert not found
    assert store.num_molecules == first + 1


def test_numbers_of_properties_are_labels_and_text_is_a_column(store):
    kinds = {one.name: (one.level, one.kind) for one in store.columns}

    assert kinds["y"] == ("graph", "number")
    assert kinds["name"] == ("graph", "text")
    assert "mol" not in kinds
    assert store.labels(["y"]).values[:3, 0].tolist() == [0.5, 1.5, 2.5]


def test_labels_of_atoms_bonds_and_pairs_stay_on_their_atoms(store):
    block = store.graphs()
    labelled = slice(len(SMILES))  # the last molecule has no lists
    molecule = np.repeat(np.arange(len(SMILES)), block.num_bonds[labelled])
    ends = block.bond_ends[: len(molecule)] + block.atom_offsets()[molecule][:, None]
    numbers = elements(block)[: block.atom_offsets()[len(SMILES)]]
    pairs = [
        np.outer(one, one)[np.triu_indices(len(one), 1)]
        for one in np.split(numbers, block.atom_offsets()[1 : len(SMILES)])
    ]

    np.testing.assert_array_equal(known(store, "element", "node"), numbers)
    np.testing.assert_array_equal(known(store, "ends", "edge"), numbers[ends].sum(axis=1))
    np.testing.assert_array_equal(known(store, "both", "nodepair"), np.concatenate(pairs))


def test_coordinates_are_those_of_the_file_on_the_right_atoms(store, mols):
    block = store.graphs(positions=True)

    for number, mol in enumerate(mols):
        first, end = block.atom_offsets()[number : number + 2]
        given = mol.GetConformer().GetPositions()
        distance = np.linalg.norm(given[None] - block.positions[first:end, None], axis=2)
        nearest = distance.argmin(axis=1)
        found = [mol.GetAtomWithIdx(int(k)).GetAtomicNum() for k in nearest]
        assert distance.min(axis=1).max() < 1e-4  # the file has four decimals
        assert found == elements(block)[first:end].tolist()


def test_a_drawing_is_no_conformer_and_is_counted(store):
    assert store.record.conformers.molecules == len(SMILES)
    assert store.record.conformers.missing == {"two_dimensional": 1}
    first = store.graphs().atom_offsets()[-2]
    assert np.isnan(store.graphs(positions=True).positions[first:]).all()


@pytest.mark.parametrize("hydrogens", ["implicit", "written", "explicit"])
def test_a_block_is_predicted_in_its_own_order(mols, hydrogens):
    blocks = [record(mol, {}).partition("$$$$")[0] for mol in mols]
    given = DatasetConfig(table="a.sdf", conformers={"kind": "given"}).conformers

    chunk = featurize_chunk(blocks, hydrogens, ranks=False, conformers=given)
    same = featurize_chunk(list(SMILES), "implicit" if hydrogens == "implicit" else "explicit")

    np.testing.assert_array_equal(chunk.block.join_hash, same.block.join_hash)
    for number, mol in enumerate(mols):
        first, end = chunk.block.atom_offsets()[number : number + 2]
        kept = [
            k
            for k, atom in enumerate(mol.GetAtoms())
            if hydrogens != "implicit" or atom.GetAtomicNum() > 1 or mol.GetNumAtoms() == 2
            or atom.GetIsotope()
        ]  # fmt: skip
        expected = mol.GetConformer().GetPositions()[kept]
        np.testing.assert_allclose(chunk.block.positions[first:end], expected, atol=1e-4)


def test_a_property_with_smiles_can_be_read_instead_of_the_blocks(tmp_path, mols):
    text = "".join(record(mol, {"smi": "CCO", "y": 1}) for mol in mols[:3])
    (tmp_path / "a.sdf").write_text(text + fields({}))
    config = DatasetConfig(table=str(tmp_path / "a.sdf"), smiles="smi")

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1))

    assert store.smiles() == ["CCO"] * 3
