"""The decoder against the getters, and each of the guards that stand before it."""

import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rdkit import Chem

from graphium.graphs.mol_block import MolBlock, RowStatus
from graphium.molecules import compiled, decode, fast_path, getters, hashes
from graphium.molecules.compiled import load_kernels
from graphium.molecules.fast_path import SELF_TEST, ChunkReader, equal_properties
from graphium.molecules.featurize import featurize_chunk
from graphium.molecules.parse import parse_graphs, parse_smiles

FOR_THE_GETTERS = [
    "[CH3:1][OH:2]",  # atom maps
    "*CC",
    "C" * 256,
    "[2H]" + "C" * 255,
]


def read(mols, *, is_trusted=True, kernels=None):
    reader = ChunkReader(is_trusted=is_trusted, kernels=kernels)
    for mol in mols:
        reader.add(mol)
    return reader.properties(lambda molecule: mols[molecule])


def parse(smiles):
    return [mol for mol in parse_graphs(list(smiles)) if not isinstance(mol, RowStatus)]


def forget_kernels():
    compiled.load_kernels.cache_clear()
    fast_path.trusted_kernels.cache_clear()


@pytest.fixture(scope="module")
def real(real_tables, pool) -> "list[str]":
    zinc = pd.read_parquet(real_tables / "smiles" / "zinc250k.parquet", columns=["smiles"])
    return [*zinc["smiles"].str.strip().sample(1_000, random_state=0), *pool.sample(3_000)]


@pytest.fixture(params=["numpy", "compiled"])
def kernels(request):
    if request.param == "numpy":
        return None
    found = load_kernels()
    if found is None:
        pytest.skip("numba is not installed")
    return found


def test_this_version_of_rdkit_is_tested_and_passes_the_self_test():
    assert fast_path.is_decoder_trusted()
    assert len(SELF_TEST) >= 50


@pytest.mark.parametrize("every", [4, pytest.param(1, marks=pytest.mark.slow)])
def test_every_property_of_real_molecules_equals_the_getters(every, real, kernels):
    mols = parse(real[::every])
    decoded, num_by_getters = read(mols, kernels=kernels)
    assert equal_properties(decoded, getters.properties_of_chunk(mols))
    assert num_by_getters < len(mols) / 100


def test_what_the_decoder_does_not_know_takes_the_getters_and_keeps_its_place(kernels):
    smiles = [text for pair in zip(SELF_TEST, FOR_THE_GETTERS, strict=False) for text in pair]
    mols = parse(smiles)
    decoded, num_by_getters = read(mols, kernels=kernels)
    assert num_by_getters == len(FOR_THE_GETTERS)
    assert equal_properties(decoded, getters.properties_of_chunk(mols))


def test_a_chunk_may_hold_nothing_but_molecules_for_the_getters(kernels):
    mols = parse(FOR_THE_GETTERS)
    assert equal_properties(read(mols, kernels=kernels)[0], getters.properties_of_chunk(mols))
    assert read([], kernels=kernels)[0].num_atoms.shape == (0,)


def test_an_untested_version_of_rdkit_takes_the_getters_and_gives_the_same(monkeypatch):
    fast = featurize_chunk(SELF_TEST)
    monkeypatch.setattr(fast_path, "TESTED_RDKIT", ("1999.09.1",))
    fast_path.is_decoder_trusted.cache_clear()
    try:
        slow = featurize_chunk(SELF_TEST)
    finally:
        fast_path.is_decoder_trusted.cache_clear()
    assert (fast.num_by_getters, slow.num_by_getters) == (0, len(SELF_TEST))
    assert_equal_blocks(fast.block, slow.block)


@pytest.mark.parametrize("column", range(len(decode.FIELDS)))
def test_the_self_test_notices_a_field_that_is_read_wrongly(monkeypatch, column):
    fields = list(decode.FIELDS)
    fields[column], fields[column - 1] = fields[column - 1], fields[column]
    monkeypatch.setattr(decode, "FIELDS", tuple(fields))
    assert not fast_path.agrees_with_getters(SELF_TEST)


def test_without_numba_everything_is_the_same(monkeypatch, real):
    expected = featurize_chunk(real[:500], compiled=True).block
    monkeypatch.setitem(sys.modules, "graphium.molecules.kernels", None)
    forget_kernels()
    try:
        assert load_kernels() is None
        assert_equal_blocks(featurize_chunk(real[:500], compiled=True).block, expected)
    finally:
        forget_kernels()


def test_compiled_code_that_has_not_followed_a_change_is_not_used(monkeypatch, caplog):
    if load_kernels() is None:
        pytest.skip("numba is not installed")
    featurize_chunk(SELF_TEST, compiled=True)  # numba has made its code of the old constant
    monkeypatch.setattr(hashes, "ROUNDS", 2)
    fast_path.trusted_kernels.cache_clear()
    try:
        assert_equal_blocks(
            featurize_chunk(SELF_TEST, compiled=True).block, featurize_chunk(SELF_TEST).block
        )
    finally:
        fast_path.trusted_kernels.cache_clear()
    assert "out of date" in caplog.text


def test_a_compiled_decoder_that_reads_wrongly_is_not_used(monkeypatch):
    found = load_kernels()
    if found is None:
        pytest.skip("numba is not installed")

    def read_wrongly(buffer):
        decoded = found.decode(buffer)
        return replace(decoded, bonds=decoded.bonds[:, [0, 2, 1, 3, 4, 5]])

    monkeypatch.setattr(fast_path, "load_kernels", lambda: replace(found, decode=read_wrongly))
    fast_path.trusted_kernels.cache_clear()
    try:
        assert fast_path.trusted_kernels() is None
    finally:
        fast_path.trusted_kernels.cache_clear()


@given(data=st.data())
def test_a_damaged_serialisation_is_read_alike_by_both_decoders_or_refused(data):
    kernels = load_kernels()
    if kernels is None:
        pytest.skip("numba is not installed")
    blobs = [Chem.MolFromSmiles(text).ToBinary(0) for text in ("CC(=O)O", "c1ccccc1[O-]", "CC#N")]
    damaged = bytearray(blobs[1])
    for _ in range(data.draw(st.integers(1, 3))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    buffer = decode.join_blobs([blobs[0], bytes(damaged), blobs[2]])
    one, other = decode.decode(buffer), kernels.decode(buffer)
    for name in ("is_refused", "num_atoms", "num_bonds", "atoms", "ends", "bonds"):
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
    assert not one.is_refused[[0, 2]].any()


@pytest.mark.parametrize("cut", range(0, 60, 7))
def test_a_truncated_serialisation_is_refused(kernels, cut):
    blob = Chem.MolFromSmiles("c1ccccc1").ToBinary(0)
    buffer = decode.join_blobs([blob[:cut], blob])
    decoded = decode.decode(buffer) if kernels is None else kernels.decode(buffer)
    assert decoded.is_refused.tolist() == [True, False]


def test_rows_are_the_same_with_ranks_and_without(real):
    with_ranks, without = featurize_chunk(real), featurize_chunk(real, ranks=False)
    assert np.array_equal(with_ranks.status, without.status)
    assert_equal_blocks(replace(with_ranks.block, atom_rank=None), without.block)


def test_plain_texts_give_the_graph_of_rdkits_own_parser(real):
    for text, mol in zip(real, parse_graphs(real), strict=True):
        whole = Chem.MolFromSmiles(text)
        assert whole.ToBinary() == mol.ToBinary(), text


@pytest.mark.parametrize(
    ("smiles", "status"),
    [
        ("C(C)(C)(C)(C)C", RowStatus.VALENCE),
        ("[nH]1cccc1C(F)(F)(F)F", RowStatus.VALENCE),
        ("c1cccc1", RowStatus.KEKULIZE),
        ("[NH4+].c1cccc1", RowStatus.KEKULIZE),
        ("C1CC", RowStatus.SYNTAX),
        ("[Fe+2].C1CC", RowStatus.SYNTAX),
    ],
)
def test_the_step_that_failed_is_the_reason_on_either_way(smiles, status):
    assert next(parse_graphs([smiles])) == parse_smiles(smiles) == status


def assert_equal_blocks(one: MolBlock, other: MolBlock) -> None:
    for name in MolBlock.__dataclass_fields__:
        assert np.array_equal(getattr(one, name), getattr(other, name)), name
