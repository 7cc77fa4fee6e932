import pytest
from rdkit.Chem.Scaffolds.MurckoScaffold import MurckoScaffoldSmiles

from graphium.molecules.identity import split_key
from graphium.molecules.scaffold import scaffold_smiles


@pytest.mark.parametrize(
    ("smiles", "scaffold"),
    [
        ("CCO", ""),
        ("[Na+].[Cl-]", ""),
        ("Cc1ccccc1O", "c1ccccc1"),
        ("CC1CCC(=O)CC1", "O=C1CCCCC1"),
        ("c1ccccc1CCC1CC1", "c1ccc(CCC2CC2)cc1"),
        ("[2H]c1ccccc1[C@H](N)C(=O)O.OC(=O)C", "c1ccccc1"),
    ],
)
def test_scaffold_is_rings_and_what_links_them(smiles, scaffold):
    assert scaffold_smiles(smiles) == scaffold


def test_the_counter_ion_does_not_decide():
    acid = "CCCCCCCCCCCCN(CCCC)CCCC"
    assert scaffold_smiles(f"{acid}.Cc1ccccc1S(=O)(=O)O") == ""


def test_agrees_with_rdkit_on_real_molecules(pool):
    for smiles in pool[~pool.str.contains(r"[.\[*]")].sample(300, random_state=0):
        assert scaffold_smiles(smiles) == MurckoScaffoldSmiles(split_key(smiles)), smiles
