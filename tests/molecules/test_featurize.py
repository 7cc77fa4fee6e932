import numpy as np

from graphium.config.features import FeaturesConfig
from graphium.graphs.features import atom_features, atom_width, bond_features, bond_width
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.featurize import featurize_chunk


def test_refused_rows_have_a_reason_and_leave_the_others_alone():
    rows = ["CCO", None, "c1cccc1", "C(C)(C)(C)(C)C", "not a molecule", "CCé", "C" * 1001, "[Na+]"]
    chunk = featurize_chunk(rows)
    assert [RowStatus(code).name for code in chunk.status] == [
        "OK", "EMPTY", "KEKULIZE", "VALENCE", "SYNTAX", "NOT_ASCII", "TOO_BIG", "OK",
    ]  # fmt: skip
    assert chunk.rows.tolist() == [0, 7]
    assert chunk.block.num_atoms.tolist() == [3, 1]
    assert chunk.block.num_bonds.tolist() == [2, 0]


def test_a_chunk_without_molecules_is_an_empty_block():
    block = featurize_chunk([None, ""]).block
    assert block.num_molecules == 0
    assert block.bond_ends.shape == (0, 2)
    features = FeaturesConfig()
    atoms = atom_features(block.atom_table, features.atoms)
    assert atoms.shape == (0, atom_width(features.atoms))
    assert bond_features(block.bond_table, features.bonds).shape == (0, bond_width(features.bonds))


def test_a_molecule_gets_the_same_rows_alone_and_in_a_chunk():
    rows = ["CC(=O)Oc1ccccc1C(=O)O", "[H][H]", "C[C@H](N)C(=O)O", "CCO.[Na+].[Cl-]"]
    together = featurize_chunk(rows).block
    alone = [featurize_chunk([row]).block for row in rows]
    atoms = np.concatenate([block.atom_table[block.atom_code] for block in alone])
    bonds = np.concatenate([block.bond_table[block.bond_code] for block in alone])
    np.testing.assert_array_equal(together.atom_table[together.atom_code], atoms)
    np.testing.assert_array_equal(together.bond_table[together.bond_code], bonds)
    for field in ("join_hash", "split_hash", "bond_ends", "atom_rank"):
        np.testing.assert_array_equal(
            getattr(together, field), np.concatenate([getattr(block, field) for block in alone])
        )
