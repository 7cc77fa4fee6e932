import random
from typing import get_args

import pytest
from rdkit import Chem

from graphium.config.keys import JoinKind, SplitKind
from graphium.molecules.identity import join_key, split_key

JOIN_KINDS = get_args(JoinKind)
SPLIT_KINDS = get_args(SplitKind)

ONE_MOLECULE = {
    "written in another order": ("OCC", "C(C)O"),
    "with hydrogens": ("[H]OC([H])([H])C", "CCO"),
    "with atom maps": ("[CH3:7][CH2:1][OH:3]", "CCO"),
    "Kekule and aromatic": ("C1=CC=CC=C1O", "c1ccccc1O"),
    "fragments in another order": ("[Na+].CC(=O)[O-]", "CC(=O)[O-].[Na+]"),
    "dummy atoms with maps": ("[*:2]CC[*:1]", "*CC*"),
    "two ways of a nitro group": ("CN(=O)=O", "C[N+](=O)[O-]"),
    "hydrogens only": ("[2H][H]", "[H][2H]"),
}

# What the pair differs in -> (the pair, the join kinds and the split kinds that hold it together)
RELATIVES = {
    "R and S": (("C[C@H](N)C(=O)O", "C[C@@H](N)C(=O)O"), {"connectivity"}, {*SPLIT_KINDS}),
    "E and Z": (("F/C=C/F", "F/C=C\\F"), {"connectivity"}, {*SPLIT_KINDS}),
    "stereo not given": (("F/C=C/F", "FC=CF"), {"connectivity"}, {*SPLIT_KINDS}),
    "isotopes": (("C[13CH2]O", "CCO"), {"connectivity"}, {*SPLIT_KINDS}),
    "deuterium": (("[2H]OCC", "CCO"), {"connectivity"}, {*SPLIT_KINDS}),
    "a salt": (("CC(=O)[O-].[Na+]", "CC(=O)[O-].[K+]"), set(), {*SPLIT_KINDS}),
    "a proton": (("CC(=O)O", "CC(=O)[O-]"), set(), {"inchikey14"}),
    "a zwitterion": (("NCC(=O)O", "[NH3+]CC(=O)[O-]"), {"inchi"}, {"inchikey14"}),
    "a mobile hydrogen": (
        ("Cc1c[nH]cn1", "Cc1cnc[nH]1"),
        {"inchi", "tautomer"},
        {"inchikey14", "tautomer"},
    ),
    "keto and enol": (("CC(=O)CC(C)=O", "CC(O)=CC(C)=O"), {"tautomer"}, {"tautomer"}),
    "a charge of a metal": (("[Fe+2]", "[Fe+3]"), set(), set()),
    "a radical": (("C[CH2]", "CC"), set(), set()),
    "where a methyl is": (("Cc1ccccc1Cl", "Cc1cccc(Cl)c1"), set(), set()),
}


@pytest.mark.parametrize("kind", JOIN_KINDS)
@pytest.mark.parametrize("pair", ONE_MOLECULE.values(), ids=ONE_MOLECULE)
def test_one_molecule_has_one_join_key_of_every_kind(pair, kind):
    assert join_key(pair[0], kind) == join_key(pair[1], kind)


@pytest.mark.parametrize("kind", SPLIT_KINDS)
@pytest.mark.parametrize("pair", ONE_MOLECULE.values(), ids=ONE_MOLECULE)
def test_one_molecule_has_one_split_key_of_every_kind(pair, kind):
    assert split_key(pair[0], kind) == split_key(pair[1], kind)


@pytest.mark.parametrize("kind", JOIN_KINDS)
@pytest.mark.parametrize("difference", RELATIVES)
def test_each_kind_joins_what_it_says(difference, kind):
    (one, other), joining, _ = RELATIVES[difference]
    assert (join_key(one, kind) == join_key(other, kind)) == (kind in joining)


@pytest.mark.parametrize("kind", SPLIT_KINDS)
@pytest.mark.parametrize("difference", RELATIVES)
def test_each_kind_keeps_together_in_a_split_what_it_says(difference, kind):
    (one, other), _, keeping = RELATIVES[difference]
    assert (split_key(one, kind) == split_key(other, kind)) == (kind in keeping)


def test_an_amino_acid_keeps_its_stereo_in_its_canonical_tautomer():
    assert "@" in join_key("C[C@H](N)C(=O)O", "tautomer")


def test_what_has_no_inchi_stands_for_itself():
    assert join_key("*CC*", "inchi") == "smiles:*CC*"
    assert split_key("*CCC.*CCC", "inchikey14") == "smiles:*CCC"
    assert join_key("*CC*", "inchi") != join_key("*CCC*", "inchi")


@pytest.mark.parametrize("kind", SPLIT_KINDS)
def test_equally_large_fragments_are_ranked_by_the_form_of_the_kind(kind):
    tautomers = "Cc1c[nH]cn1", "Cc1cnc[nH]1"
    rival = "CC1CCOC1"
    keys = [split_key(f"{rival}.{one}", kind) for one in tautomers]
    keys += [split_key(f"{one}.{rival}.O", kind) for one in tautomers]
    if kind == "connectivity":
        keys = keys[::2]  # the two are no relatives there
    assert len(set(keys)) == 1


@pytest.mark.parametrize(
    "count", [60, pytest.param(2_000, marks=pytest.mark.slow)], ids=["some", "thousands"]
)
def test_real_molecules_keep_their_keys_when_they_are_written_anew(pool, count):
    random_ = random.Random(3)
    for smiles in pool.sample(count, random_state=3):
        mol = Chem.MolFromSmiles(smiles)
        if mol is None:
            continue
        seed = random_.randrange(1, 999)
        again = Chem.MolToRandomSmilesVect(mol, 1, randomSeed=seed)[0]
        if join_key(again) != join_key(smiles):
            continue  # RDKit's own canonical SMILES is not always stable
        for kind in JOIN_KINDS:
            assert join_key(again, kind) == join_key(smiles, kind), smiles
        for kind in SPLIT_KINDS:
            assert split_key(again, kind) == split_key(smiles, kind), smiles
