import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from graphium.graphs.mol_block import RowStatus
from graphium.molecules.getters import molecule_rows
from graphium.molecules.parse import MAX_HEAVY_ATOMS, parse_smiles

ODD_BUT_FINE = [
    "[2H]C([2H])([2H])O",
    "[H]/N=C(/C)O",
    "[CH3:7][OH:2]",
    "*c1ccccc1",
    "[H][H]",
    "[Na+].[Cl-]",
    "N->[Pt](Cl)(Cl)<-N",
    "C[C@](F)(Cl)Br",
    "F/C=C\\F",
    "[13CH4]",
    "C1CC1.C1CC1",
    "O=[N+]([O-])c1ccccc1",
    "CN(=O)=O",
]


def _same(first: Chem.Mol, second: Chem.Mol) -> bool:
    return molecule_rows(first) == molecule_rows(second) and Chem.MolToCXSmiles(
        first
    ) == Chem.MolToCXSmiles(second)


@pytest.mark.parametrize("smiles", ODD_BUT_FINE)
def test_an_accepted_molecule_is_what_rdkit_makes_of_it(smiles):
    mol = parse_smiles(smiles)
    assert isinstance(mol, Chem.Mol)
    assert _same(mol, Chem.MolFromSmiles(smiles))


def test_real_molecules_are_what_rdkit_makes_of_them_and_refused_with_it(pool):
    sample = pool.sample(1500, random_state=0).tolist()
    with rdBase.BlockLogs():
        for smiles in sample:
            expected, mol = Chem.MolFromSmiles(smiles), parse_smiles(smiles)
            if expected is None or isinstance(mol, RowStatus):
                assert expected is None or mol is RowStatus.TOO_BIG, smiles
            else:
                assert _same(mol, expected), smiles


@pytest.mark.parametrize(
    ("smiles", "status"),
    [
        (None, RowStatus.EMPTY),
        (float("nan"), RowStatus.EMPTY),
        ("", RowStatus.EMPTY),
        (" \t\n", RowStatus.EMPTY),
        ("CCO ethanol", RowStatus.SYNTAX),
        ("CCO\tethanol", RowStatus.SYNTAX),
        ("CC\nCC", RowStatus.SYNTAX),
        ("C1CC", RowStatus.SYNTAX),
        ("CC.", RowStatus.SYNTAX),
        ("CC>>CO", RowStatus.SYNTAX),
        ("nonsense", RowStatus.SYNTAX),
        ("C\x00C", RowStatus.NOT_ASCII),
        ("CCO\N{GRINNING FACE}", RowStatus.NOT_ASCII),
        ("CC\u00e9", RowStatus.NOT_ASCII),
        ("CC\u3000O", RowStatus.NOT_ASCII),
        ("\u202eCCO", RowStatus.NOT_ASCII),
        ("C\ud800", RowStatus.NOT_ASCII),
        ("C(C)(C)(C)(C)C", RowStatus.VALENCE),
        ("[NaH250]", RowStatus.SYNTAX),
        ("c1cccc1", RowStatus.KEKULIZE),
        ("c1ccc2c(c1)cccn2(H)", RowStatus.SYNTAX),
    ],
)  # fmt: skip
def test_a_refused_text_says_why(smiles, status):
    assert parse_smiles(smiles) is status


@pytest.mark.parametrize("smiles", ["[Na+999]", "[99999C]", "[C-128]", "[CH999999999]"])
def test_numbers_that_rdkit_would_wrap_are_refused(smiles):
    assert parse_smiles(smiles) is RowStatus.SYNTAX


def test_ring_digits_after_a_bond_are_not_taken_for_a_charge():
    assert isinstance(parse_smiles("C-12CC1C2"), Chem.Mol)
    assert isinstance(parse_smiles("[CH2]%10CC-%10"), Chem.Mol)


def test_blanks_around_a_smiles_do_not_matter():
    assert Chem.MolToSmiles(parse_smiles(" CCO\r\n")) == "CCO"


def _cage(size: int) -> str:
    """Return ``size`` atoms, each bonded to each: no molecule, but a lot of rings."""
    rings = [[] for _ in range(size)]
    number = 0
    for i in range(size):
        for j in range(i + 2, size):
            number += 1
            rings[i].append(f"%({number})")
            rings[j].append(f"%({number})")
    return "".join(f"[U]{''.join(ring)}" for ring in rings)


@pytest.mark.parametrize(
    "smiles",
    [
        "C" * (MAX_HEAVY_ATOMS + 1),
        "C" * 100_000,
        "[" * 30_000,
        ".".join(["C"] * 1001),
        "[H]." * 4500 + "[H]",
        _cage(25),
    ],
    ids=["chain", "endless chain", "brackets", "fragments", "protons", "cage"],
)
def test_what_could_stall_rdkit_is_refused_by_size(smiles):
    assert parse_smiles(smiles) is RowStatus.TOO_BIG


def test_the_largest_allowed_chain_is_read():
    assert parse_smiles("C" * MAX_HEAVY_ATOMS).GetNumAtoms() == MAX_HEAVY_ATOMS


def test_rdkit_says_nothing_about_refused_rows(capfd):
    for smiles in ["c1cccc1", "C(C)(C)(C)(C)C", "C1CC", "[H+]"]:
        parse_smiles(smiles)
    captured = capfd.readouterr()
    assert captured.err == ""
    assert captured.out == ""


@given(st.text(max_size=30) | st.text(alphabet="CNOcno1234()[]=#@H+-./\\%:* ", max_size=40))
@settings(max_examples=300, deadline=None)
def test_any_text_gives_a_molecule_or_a_reason(text):
    mol = parse_smiles(text)
    if isinstance(mol, Chem.Mol):
        assert mol.GetNumAtoms() > 0
        assert text.strip().isascii()
    else:
        assert mol in RowStatus
        assert mol is not RowStatus.OK


def test_reasons_fit_the_column_that_stores_them():
    assert np.iinfo(np.uint8).max >= max(RowStatus)
