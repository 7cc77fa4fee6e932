import random
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rdkit import Chem, rdBase

from graphium.errors import DataError
from graphium.graphs.mol_block import RowStatus
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.identity import join_key, split_key
from graphium.molecules.parse import parse_smiles
from graphium.molecules.scaffold import scaffold_smiles

DRUGS = [
    "CC(=O)Oc1ccccc1C(=O)O",
    "CN1CCC[C@H]1c1cccnc1",
    "C[C@@H](O)[C@H](N)C(=O)O",
    "F/C(Cl)=C/c1ccc2[nH]ccc2c1",
    "OC[C@H]1OC(O)[C@H](O)[C@@H](O)[C@@H]1O",
    "C1CC2CCC1CC2",
    "[O-][N+](=O)c1ccccc1",
    "CCN(CC)CC",
]
IONS = ["Cl", "[Na+]", "O", "[Br-]", "CS(=O)(=O)O"]


def _random_writing(mol: Chem.Mol, seed: int) -> str:
    return Chem.MolToRandomSmilesVect(mol, 1, randomSeed=seed)[0]


def _disguise(smiles: str, random_: random.Random) -> str:
    """Return another writing, sometimes with a label, a map, an ion or without stereo."""
    mol = Chem.Mol(parse_smiles(smiles))
    atom = random_.choice(list(mol.GetAtoms()))
    match random_.randrange(7):
        case 0:
            atom.SetAtomMapNum(random_.randrange(1, 50))
        case 1:
            atom.SetIsotope(2 * atom.GetAtomicNum() + 1)
        case 2:
            Chem.RemoveStereochemistry(mol)
        case 3:
            mol = Chem.CombineMols(mol, Chem.MolFromSmiles(random_.choice(IONS)))
        case 4:
            mol = Chem.CombineMols(mol, mol)
        case 5:
            count = mol.GetNumAtoms()
            mol = Chem.AddHs(mol, onlyOnAtoms=[atom.GetIdx()])
            for hydrogen in list(mol.GetAtoms())[count:]:
                hydrogen.SetIsotope(2)
    return _random_writing(mol, random_.randrange(1, 10**6))


def _hashes(smiles):
    chunk = featurize_chunk(smiles)
    assert (chunk.status == RowStatus.OK).all()
    return [row.tobytes() for row in chunk.block.join_hash], [
        row.tobytes() for row in chunk.block.split_hash
    ]


def _values_by_key(keys, values):
    groups = defaultdict(set)
    for key, value in zip(keys, values, strict=True):
        groups[key].add(value)
    return groups


def _check_that_hashes_never_part_equal_keys(smiles):
    joins, splits = _hashes(smiles)
    for make, hashes in ((join_key, joins), (split_key, splits)):
        for key, values in _values_by_key(map(make, smiles), hashes).items():
            assert len(values) == 1, key


@pytest.mark.parametrize(
    "count", [150, pytest.param(2500, marks=pytest.mark.slow)], ids=["some", "thousands"]
)
def test_equal_keys_have_equal_hashes_on_disguised_real_molecules(pool, count):
    random_ = random.Random(0)
    salts = pool[pool.str.contains(".", regex=False)]
    odd = pool[pool.str.contains(r"\[2H|\[H\]|:\d|->|\*|\[13C", regex=True)]
    sources = [pool.sample(2 * count, random_state=0), salts.sample(count, random_state=0)]
    sample = pd.concat([*sources, odd.sample(min(count, len(odd)), random_state=0)])
    good = [smiles for smiles in sample if isinstance(parse_smiles(smiles), Chem.Mol)]
    with rdBase.BlockLogs():
        disguised = [_disguise(smiles, random_) for smiles in good]
    _check_that_hashes_never_part_equal_keys(good + disguised)


def test_hashes_tell_different_connectivity_apart_on_real_molecules(pool):
    sample = pool.sample(1000, random_state=1).tolist()
    sample = [smiles for smiles in sample if isinstance(parse_smiles(smiles), Chem.Mol)]
    _, splits = _hashes(sample)
    merged = _values_by_key(splits, map(split_key, sample))
    assert sum(len(keys) > 1 for keys in merged.values()) <= 1


@given(st.lists(st.sampled_from(DRUGS), min_size=1, max_size=4), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_order_of_atoms_and_fragments_changes_neither_key_nor_hash(parts, random_):
    rewritten = [
        _random_writing(Chem.MolFromSmiles(part), random_.randrange(1, 999)) for part in parts
    ]
    random_.shuffle(rewritten)
    first, second = ".".join(parts), ".".join(rewritten)
    assert join_key(first) == join_key(second)
    assert split_key(first) == split_key(second)
    assert _hashes([first]) == _hashes([second])


@given(st.lists(st.sampled_from(DRUGS), min_size=1, max_size=3), st.randoms(use_true_random=False))
@settings(max_examples=60, deadline=None)
def test_disguises_of_the_largest_fragment_share_its_split_key_hash_and_scaffold(parts, random_):
    smiles = ".".join(parts)
    variants = [smiles, *(_disguise(smiles, random_) for _ in range(3))]
    variants = [variant for variant in variants if split_key(variant) == split_key(smiles)]
    assert len(set(_hashes(variants)[1])) == 1
    assert len({scaffold_smiles(variant) for variant in variants}) == 1


def test_equally_large_fragments_are_ranked_by_their_canonical_form():
    one, other = "CCCO", "CCCN"
    mixed = [f"{one}.{other}", f"{other}.{one}", f"{one}.{other}.[Na+]"]
    winner = min(one, other)
    assert {split_key(smiles) for smiles in mixed} == {winner}
    _, splits = _hashes([*mixed, winner])
    assert len(set(splits)) == 1


def test_salts_labels_and_stereo_share_the_split_but_not_the_join():
    parent = "C[C@H](N)C(=O)O"
    relatives = [
        "C[C@@H](N)C(=O)O",
        "CC(N)C(=O)O",
        "CC(N)C(=O)O.Cl",
        "[2H]C(C)(N)C(=O)O",
        "[13CH3]C(N)C(=O)O",
        "[H]C([H])([H])C(N)C(=O)O",
    ]
    assert {split_key(smiles) for smiles in relatives} == {split_key(parent)}
    assert len(set(_hashes([parent, *relatives])[1])) == 1
    assert all(join_key(smiles) != join_key(parent) for smiles in relatives)


def test_atom_maps_and_written_hydrogens_change_no_key():
    assert join_key("[CH3:3][OH:1]") == join_key("CO") == join_key("[H]C([H])([H])O[H]")


def test_atom_maps_make_no_stereo():
    assert join_key("C[C@H]([CH3:1])O") == join_key("CC(C)O")
    mapped = "c1csc(C(=N)Nc2cc3c(c[nH]c3cc2)[C@H]2[CH2:3]C[C@H](CC2)NCC)c1"
    plain = "CCN[C@H]1CC[C@@H](c2c[nH]c3ccc(NC(=N)c4cccs4)cc32)CC1"
    assert join_key(mapped) == join_key(plain)
    assert _ranked_graph(mapped) == _ranked_graph(plain)


def test_hydrogen_alone_has_keys_and_hashes():
    smiles = ["[H][H]", "[H+]", "[H+].[Cl-]", "[2H][2H]"]
    _check_that_hashes_never_part_equal_keys(smiles)
    assert split_key("[H+].[Cl-]") == "[Cl-]"


def test_two_small_rings_are_not_one_large_ring():
    joins, _ = _hashes(["C1CC1.C1CC1", "C1CCCCC1"])
    assert len(set(joins)) == 2


def test_canonical_ranks_carry_atoms_of_one_writing_to_those_of_another(pool):
    random_ = random.Random(1)
    sample = pool.sample(400, random_state=2).tolist()
    sample = [smiles for smiles in sample if isinstance(parse_smiles(smiles), Chem.Mol)]
    mapped = "[*:5]CC([*:2])c1ccccc1"
    plain = [*sample, "*CC(*)c1ccccc1"]
    written = [
        _random_writing(parse_smiles(smiles), random_.randrange(1, 999)) for smiles in sample
    ]
    for first, second in zip(plain, [*written, mapped], strict=True):
        if join_key(first) == join_key(second):  # RDKit's own stereo is not always stable
            assert _ranked_graph(first) == _ranked_graph(second), first


def _ranked_graph(smiles):
    """Return elements in order of rank, and bonds between ranks."""
    block = featurize_chunk([smiles]).block
    rank = block.atom_rank.astype(int)
    assert sorted(rank) == list(range(len(rank)))
    elements = block.atom_table[block.atom_code][np.argsort(rank)][:, 0]
    ends = np.sort(rank[block.bond_ends.astype(int)], axis=1)
    types = block.bond_table[block.bond_code][:, 0]
    return elements.tolist(), sorted(map(tuple, np.column_stack([ends, types]).tolist()))


def test_keys_of_a_row_without_molecule_are_an_error_that_says_so():
    with pytest.raises(DataError, match=r"'c1cccc1' \(kekulize\)"):
        join_key("c1cccc1")
