import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.config.data import DatasetConfig
from graphium.errors import DataError
from graphium.store import read
from graphium.store.packed_labels import STORAGES, pack_labels
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store

VALUES = {
    "bit": st.sampled_from([0.0, 1.0]),
    "code": st.integers(-1, 254).map(float),
    "float": st.floats(width=32, allow_nan=False),
}


@given(data=st.data(), storage=st.sampled_from(STORAGES))
def test_what_is_packed_comes_back_in_blocks_of_any_size(data, storage):
    molecules, width = data.draw(st.integers(0, 9)), data.draw(st.integers(1, 20))
    cell = st.just(np.nan) | VALUES[storage]
    cells = data.draw(st.lists(cell, min_size=molecules * width, max_size=molecules * width))
    labels = np.array(cells, np.float32).reshape(molecules, width)
    positions = data.draw(st.lists(st.integers(0, width - 1), min_size=1, unique=True))

    packed = pack_labels(storage, labels)
    blocks = list(packed.unpack(data.draw(st.integers(1, 5)), positions))

    found = np.concatenate([np.zeros((0, len(positions)), np.float32), *blocks])
    np.testing.assert_array_equal(found, labels[:, positions])
    assert packed.known.shape == (molecules, -(-width // 8))


@pytest.mark.parametrize(
    ("storage", "value"), [("bit", 2), ("bit", 0.5), ("bit", -1), ("code", 255), ("code", -2)]
)
def test_a_label_that_the_scan_did_not_see_is_refused(storage, value):
    with pytest.raises(DataError, match=rf"table changed.*now has {value}"):
        pack_labels(storage, np.array([[0, value]], np.float32))


def test_missing_labels_take_no_place_among_the_values():
    labels = np.full((1_000, 16), np.nan, np.float32)
    labels[3, 5] = labels[900, 0] = 1

    sizes = {one: pack_labels(one, labels).values.nbytes for one in STORAGES}

    assert sizes == {"bit": 1, "code": 2, "float": 8}


COLUMNS = {
    "active": [0, 1, None, 1, 0, 1],
    "weight": [0.5, None, 1.5, 2.5, None, -0.0],
    "class": [2, 7, None, -1, 254, 0],
    "toxic": [None, None, None, None, 1, None],
    "count": [0, 300, None, 1, 2, 3],
    "empty": [None] * 6,
}


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """A store of three segments whose columns take turns in how they are kept."""
    root = tmp_path_factory.mktemp("mixed")
    rows = pd.DataFrame({"smiles": ["C", "CC", "CCC", "no", "CO", "CN"], **COLUMNS})
    rows.to_csv(root / "t.csv", index=False)
    config = DatasetConfig(table=str(root / "t.csv"), computed=["maccs_keys"])
    return open_store(prepare_dataset("t", config, root, workers=1, segment_rows=2))


def test_the_whole_table_decides_how_a_column_is_kept(mixed):
    found = {column.name: column.storage for column in mixed.record.plan.columns}

    assert found == {
        "active": "bit", "weight": "float", "class": "code", "toxic": "bit", "count": "float",
        "empty": "bit",
    }  # fmt: skip
    dtypes = {name: one.dtype for name, one in mixed.record.segments[0].arrays.items()}
    assert dtypes["graph_bit_labels"] == dtypes["graph_code_labels"] == "|u1"
    assert dtypes["graph_float_labels"] == "<f4"


@pytest.mark.parametrize("cells", [1, 4, 1 << 20])
def test_columns_kept_in_different_ways_are_read_as_one_table(mixed, monkeypatch, cells):
    monkeypatch.setattr(read, "BLOCK_CELLS", cells)
    wanted = ["toxic", "count", "maccs_keys.164", "class", "active", "weight", "empty"]
    keys = [0, 0, 0, 1, 0]  # has oxygen
    frame = pd.DataFrame(COLUMNS).drop(index=3).assign(**{"maccs_keys.164": keys})[wanted]

    table = mixed.labels(wanted)

    np.testing.assert_array_equal(table.values, frame.to_numpy(np.float32))
    assert table.rows.tolist() == [0, 1, 2, 3, 4]
    assert np.signbit(table.values[4, 5]), "a negative zero keeps its sign"
    assert mixed.labels(["toxic"]).rows.tolist() == [3]
    assert mixed.labels(["empty"]).values.shape == (0, 1)


def test_columns_of_every_kind_are_counted(mixed):
    coverage = mixed.record.coverage

    assert [coverage[name].labels for name in COLUMNS] == [4, 3, 4, 1, 4, 0]
