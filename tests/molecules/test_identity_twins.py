"""Molecules that the hash cannot tell apart, or should not: the keys decide."""

import random

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from rdkit import Chem

from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.identity import join_key, split_key
from graphium.molecules.parse import parse_smiles
from graphium.store.grouping import group

DECALIN, BICYCLOPENTYL = "C1CCC2CCCCC2C1", "C1CCC(C1)C1CCCC1"

RINGS = ["C1CCCC1", "C1CCOC1", "C1CC(F)NC1", "C1CCC2CCCC2C1", "C1CC2CCC1C2", "S1CCC(C)CC1"]
LINKERS = ["", "C", "O", "CC", "C=O", "NC"]


def hashes(smiles):
    chunk = featurize_chunk(list(smiles))
    assert len(chunk.rows) == len(smiles)
    return chunk.block.join_hash, chunk.block.split_hash


def written_anew(smiles, random_):
    mol = Chem.MolFromSmiles(smiles)
    return Chem.MolToRandomSmilesVect(mol, 1, randomSeed=random_.randrange(1, 10**6))[0]


def twins(ring, linker, atom, bond):
    """Return two molecules in which every atom sees the same, as far as one can see from it.

    The one is two equal rings on one atom of a linker, or bound to each other. In the other one, a
    bond of each ring crosses over to the other ring: a-b and c-d become a-d and c-b.
    """
    half = Chem.MolFromSmiles(ring)
    size = half.GetNumAtoms()
    free = [one.GetIdx() for one in half.GetAtoms() if one.GetTotalNumHs()]
    bonds = [one for one in half.GetBonds() if one.IsInRing()]
    at, cut = free[atom % len(free)], bonds[bond % len(bonds)]
    begin, end = cut.GetBeginAtomIdx(), cut.GetEndAtomIdx()
    middle = Chem.MolFromSmiles(linker) if linker else Chem.Mol()
    straight = Chem.RWMol(Chem.CombineMols(Chem.CombineMols(half, half), middle))
    for ring_atom, beside in (
        [(at, 2 * size), (size + at, 2 * size)] if linker else [(at, size + at)]
    ):
        straight.AddBond(ring_atom, beside, Chem.BondType.SINGLE)
    crossed = Chem.RWMol(straight)
    crossed.RemoveBond(begin, end)
    crossed.RemoveBond(size + begin, size + end)
    crossed.AddBond(begin, size + end, Chem.BondType.SINGLE)
    crossed.AddBond(size + begin, end, Chem.BondType.SINGLE)
    found = []
    for mol in (straight, crossed):
        for one in mol.GetAtoms():
            one.SetNoImplicit(False)
            one.SetNumExplicitHs(0)
        Chem.SanitizeMol(mol)
        found.append(Chem.MolToSmiles(mol))
    return found


def test_decalin_and_bicyclopentyl_share_a_hash_and_are_two_molecules():
    joins, splits = hashes([DECALIN, BICYCLOPENTYL])

    assert (joins[0] == joins[1]).all()
    assert (splits[0] == splits[1]).all()
    assert join_key(DECALIN) != join_key(BICYCLOPENTYL)
    assert split_key(DECALIN) != split_key(BICYCLOPENTYL)


@given(
    st.sampled_from(RINGS),
    st.sampled_from(LINKERS),
    st.integers(0, 20),
    st.integers(0, 20),
    st.randoms(use_true_random=False),
)
@settings(max_examples=150, deadline=None)
def test_twins_share_a_hash_and_are_parted_by_their_keys(ring, linker, atom, bond, random_):
    one, other = twins(ring, linker, atom, bond)
    assume(one != other)
    written = [written_anew(smiles, random_) for smiles in (one, other, other, one, one)]

    for hash_, key in zip(hashes(written), (join_key, split_key), strict=True):
        assert len(np.unique(hash_, axis=0)) == 1
        numbers = group(hash_, lambda rows, key=key: [key(written[row]) for row in rows])
        assert numbers.tolist() == [0, 1, 1, 0, 0]


def test_twins_in_a_salt_and_in_a_mixture_stay_apart_too():
    smiles = [f"{one}.{two}" for one in ("Cl", BICYCLOPENTYL) for two in (DECALIN, BICYCLOPENTYL)]
    joins, _ = hashes(smiles)

    numbers = group(joins, lambda rows: [join_key(smiles[row]) for row in rows])

    assert numbers.tolist() == [0, 1, 2, 3]
    assert split_key(smiles[0]) != split_key(smiles[1])


def inverted(mol, which):
    """Return the molecule with one stereo element the other way round."""
    copy = Chem.Mol(mol)
    centers = [
        atom
        for atom in copy.GetAtoms()
        if atom.GetChiralTag()
        in (Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW)
    ]
    if not centers:
        return None
    centers[which % len(centers)].InvertChirality()
    return Chem.MolToSmiles(copy)


def is_isomorphic(one, other):
    first, second = Chem.MolFromSmiles(one), Chem.MolFromSmiles(other)
    return first.HasSubstructMatch(second, useChirality=True) and second.HasSubstructMatch(
        first, useChirality=True
    )


def test_real_stereoisomers_are_told_apart_and_stay_in_one_part(pool):
    random_ = random.Random(0)
    chiral = pool[pool.str.contains("@")].sample(150, random_state=4)
    parted = 0
    for smiles in chiral:
        mol = parse_smiles(smiles)
        other = inverted(mol, random_.randrange(9)) if isinstance(mol, Chem.Mol) else None
        if other is None:
            continue
        joins, splits = hashes([smiles, other])
        assert (joins[0] == joins[1]).all(), smiles
        assert (splits[0] == splits[1]).all(), smiles
        assert split_key(smiles) == split_key(other), smiles
        is_same = join_key(smiles) == join_key(other)
        assert is_same == is_isomorphic(smiles, other), smiles  # a meso form is its mirror image
        parted += not is_same
    assert parted > 100


@pytest.mark.parametrize(
    ("smiles", "largest"),
    [
        ("CC(=O)[O-].[Na+]", "CC(=O)[O-]"),
        ("CCN.Cl", "CCN"),
        ("CCO.CCN", "CCN"),
        ("CCN.CCO", "CCN"),
        ("[2H]C([2H])([2H])O.[Na+].[Cl-]", "CO"),
        ("[H+].[H][H]", "[H+]"),
        ("[H][H].[2H][2H]", "[H][H]"),
        ("*CC*.CCN", "CCN"),
        ("[*:1]CC[*:2].CC", "*CC*"),
        ("[Na+].[Na+].[O-]S(=O)(=O)[O-]", "O=S(=O)([O-])[O-]"),
    ],
)
def test_the_largest_fragment_is_the_one_with_most_heavy_atoms(smiles, largest):
    assert split_key(smiles) == largest
    turned = ".".join(reversed(smiles.split(".")))
    assert split_key(turned) == largest
    assert join_key(turned) == join_key(smiles)
    for one, other in zip(hashes([smiles]), hashes([turned]), strict=True):
        np.testing.assert_array_equal(one, other)
