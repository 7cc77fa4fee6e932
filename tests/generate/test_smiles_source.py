"""Molecules of invented tables: a stream that begins again, and numbered atoms."""

import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem

from graphium.errors import DataError
from graphium.generate.smiles import open_smiles
from graphium.molecules.atom_maps import number_atoms

NAMES = [f"{'C' * (k + 1)}" for k in range(11)]


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    path = tmp_path_factory.mktemp("source") / "alkanes.csv"
    cells = [*NAMES[:5], "", *NAMES[5:]]  # one row without a SMILES
    path.write_text("smiles,y\n" + "".join(f"{cell},1\n" for cell in cells))
    return open_smiles(str(path), None)


@settings(max_examples=30, deadline=None)
@given(start=st.integers(0, 40), sizes=st.lists(st.integers(1, 15), max_size=4))
def test_blocks_follow_each_other_and_begin_again_at_the_end(source, start, sizes):
    blocks = list(source.blocks(start, sizes))

    assert [len(block) for block in blocks] == sizes
    taken = [text for block in blocks for text in block]
    assert taken == [NAMES[(start + k) % len(NAMES)] for k in range(len(taken))]


def test_rows_without_a_smiles_do_not_count(source):
    assert source.num_rows == len(NAMES)


def test_a_table_without_any_smiles_is_refused(tmp_path):
    (tmp_path / "none.csv").write_text("smiles,y\n,1\n,2\n")
    with pytest.raises(DataError, match=r"none\.csv, column 'smiles', has no SMILES"):
        open_smiles(str(tmp_path / "none.csv"), None)


@pytest.mark.parametrize(
    "smiles",
    ["C", "CCO", "c1ccc2[nH]ccc2c1", "C[C@H](N)C(=O)[O-].[Na+]", "F/C=C/Cl", "[2H]C([2H])Cl",
     "O=C(O)c1ccccc1O", "C[N+](C)(C)C", "[H][H]", "N[C@@H](Cc1c[nH]c2ccccc12)C(O)=O"],
)  # fmt: skip
def test_numbered_atoms_are_those_of_the_same_molecule_in_the_order_of_their_numbers(smiles):
    numbered = number_atoms(smiles, np.random.default_rng(3))

    written = Chem.MolFromSmiles(numbered.smiles, sanitize=False)
    maps = [int(number) for number in re.findall(r":(\d+)\]", numbered.smiles)]
    assert sorted(maps) == list(range(written.GetNumAtoms()))
    elements = [atom.GetAtomicNum() for atom in written.GetAtoms()]
    assert [numbered.atomic_numbers[number] for number in maps] == elements
    plain = re.sub(r":\d+\]", "]", numbered.smiles)
    assert Chem.CanonSmiles(plain) == Chem.CanonSmiles(smiles)


def test_orders_differ_from_molecule_to_molecule():
    random = np.random.default_rng(0)
    assert len({number_atoms("CCCCCCO", random).smiles for _ in range(10)}) > 5


@pytest.mark.parametrize("smiles", ["C1CC", "words", ""])
def test_what_is_no_smiles_has_no_numbered_atoms(smiles):
    assert number_atoms(smiles, np.random.default_rng(0)) is None
