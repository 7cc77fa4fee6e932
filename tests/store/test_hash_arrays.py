import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from graphium.molecules.featurize import featurize_chunk
from graphium.store.grouping import number_equal
from graphium.store.hash_arrays import pack_hashes, unpack_hashes

NAMES = ("join_hash", "split_hash")


@given(st.data())
def test_hashes_come_back_whether_or_not_both_of_a_molecule_are_equal(data):
    shape = (data.draw(st.integers(0, 30)), 2)
    join, split = (
        data.draw(hnp.arrays(np.uint64, shape, elements=st.integers(0, 2**64 - 1)))
        for _ in range(2)
    )
    same = data.draw(hnp.arrays(bool, shape[0]))
    join[same] = split[same]

    arrays = pack_hashes(join, split)

    found = unpack_hashes(arrays.__getitem__)
    np.testing.assert_array_equal(found[0], join[:, :1])
    np.testing.assert_array_equal(found[1], split[:, :1])
    assert len(arrays["join_hash"]) <= shape[0] - same.sum()


def test_only_molecules_of_several_fragments_take_a_second_hash():
    smiles = ["CCO", "CCO.O", "[H]O[H]", "[Na+].[Cl-]", "C.C", "[H][H]"]

    arrays = pack_hashes(*(getattr(featurize_chunk(smiles).block, n) for n in NAMES))

    assert arrays["join_rows"].tolist() == [1, 3, 4]


@given(
    hnp.arrays(
        np.uint64, st.tuples(st.integers(0, 20), st.integers(1, 3)), elements={"max_value": 2}
    )
)
def test_rows_are_numbered_alike_exactly_when_they_are_equal(values):
    numbers = number_equal(values)

    _, expected = np.unique(values, axis=0, return_inverse=True)
    assert numbers.tolist() == expected.reshape(-1).tolist()
