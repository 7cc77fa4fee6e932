"""Several processes at one folder of stores, and what the name of a store depends on."""

import gzip
import os
import shutil
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from in_process import InProcess, digests, prepare_here, small_table

from graphium.config.data import DatasetConfig
from graphium.errors import DataError, StoreError
from graphium.store.layout import COMMITS, MANIFEST
from graphium.store.prepare import prepare_dataset, store_path
from graphium.store.read import open_store
from graphium.store.records import content_key
from graphium.store.source import content_versions, find_source
from graphium.store.verify import verify_store

CONTENT = b"smiles,y\nCCO,1\nCCN,2\nc1ccccc1,3\n"


def key(table, **options):
    return store_path(DatasetConfig(table=str(table), **options), table.parent).name[-16:]


def refuses(store):
    """Whether the reader says that the store is not finished; it may have become so just now."""
    try:
        open_store(store)
    except StoreError as error:
        return "is not finished" in str(error)
    return False


def test_two_commands_and_a_reader_at_once_make_one_right_store(start_preparing, tmp_path):
    table = small_table(tmp_path / "table.csv", 100)
    other = small_table(tmp_path / "other" / "table.csv", 100, first=7)
    root = tmp_path / "root"
    expected = {
        digests(prepare_here(one, tmp_path / "alone", 12))["smiles"]: one for one in (table, other)
    }
    started = [start_preparing(one, root, 12) for one in (table, table, other)]

    unfinished = 0
    while any(process.poll() is None for process in started):
        for store in root.glob("stores/*"):
            is_finished = (store / MANIFEST).exists()
            if is_finished:
                assert digests(store)["smiles"] in expected
                open_store(store).graphs()
            else:
                unfinished += refuses(store)
        time.sleep(0.01)

    paths = [process.communicate()[0].strip() for process in started]
    assert [process.returncode for process in started] == [0, 0, 0]
    assert paths[0] == paths[1] != paths[2]
    assert unfinished > 0
    assert {digests(store)["smiles"] for store in root.glob("stores/*")} == set(expected)
    for store in root.glob("stores/*"):
        assert verify_store(store) == []


@settings(max_examples=300, deadline=None)
@given(st.integers(0, len(CONTENT) - 1), st.integers(1, 255))
def test_any_changed_byte_of_a_table_is_another_key(tmp_path_factory, position, change):
    changed = bytearray(CONTENT)
    changed[position] ^= change

    def of(content):
        return content_key(sha256_of(content, tmp_path_factory), content_versions(), {})

    assert of(bytes(changed)) != of(CONTENT)


def test_an_edit_far_down_a_table_of_the_same_path_size_and_time_is_another_key(tmp_path):
    path = tmp_path / "table.csv"
    rows = [f"{'C' * (i % 40 + 1)}O,{i:05}" for i in range(5_000)]
    path.write_text("\n".join(["smiles,y", *rows]) + "\n")
    os.utime(path, (1, 1))
    before = key(path)
    rows[4_000] = rows[4_000].replace("04000", "14000")
    path.write_text("\n".join(["smiles,y", *rows]) + "\n")
    os.utime(path, (1, 1))

    assert key(path) != before


def sha256_of(content, tmp_path_factory):
    path = tmp_path_factory.getbasetemp() / "table.smi"  # any bytes are such a table
    path.write_bytes(content)
    return find_source(DatasetConfig(table=str(path))).sha256


def test_only_content_and_options_that_change_it_make_another_key(tmp_path):
    path = tmp_path / "table.csv"
    path.write_bytes(CONTENT)
    before = key(path)
    (tmp_path / "elsewhere").mkdir()
    renamed = shutil.copy(path, tmp_path / "elsewhere" / "renamed.csv")
    os.utime(path, (1, 1))

    assert key(path) == key(renamed) == before
    assert key(path, levels={"a": "node", "b": "edge"}) == key(
        path, levels={"b": "edge", "a": "node"}
    )
    others = [
        key(path, smiles="smiles"),
        key(path, hydrogens="explicit"),
        key(path, computed=["gasteiger_charge"]),
        key(path, computed=["morgan_bits"]),
        key(path, computed=["morgan_bits"], fingerprint={"bits": 1024}),
        key(path, conformers={"kind": "etkdg"}),
        key(shutil.copy(path, tmp_path / "table.smi")),
    ]
    assert len({before, *others}) == 1 + len(others)


@pytest.mark.parametrize("name", ["featurizer", "rdkit"])
def test_versions_that_decide_the_content_make_another_key(name, tmp_path):
    versions = content_versions()
    changed = {**versions, name: "another"}

    assert versions != changed
    assert content_key("0" * 64, versions, {}) != content_key("0" * 64, changed, {})


def test_a_renamed_table_finds_its_store(tmp_path):
    table = small_table(tmp_path / "table.csv", 20)
    store = prepare_here(table, tmp_path, 10)
    renamed = table.rename(tmp_path / "renamed.csv")

    assert prepare_dataset("table", DatasetConfig(table=str(renamed)), tmp_path) == store


def test_rows_packed_otherwise_are_another_store_of_equal_arrays(tmp_path):
    """The key is that of the bytes of the file: it is known before any row is read."""
    plain = small_table(tmp_path / "table.csv", 20)
    stores = [prepare_here(plain, tmp_path, 10)]
    for level in (1, 9):
        packed = tmp_path / f"level{level}.csv.gz"
        packed.write_bytes(gzip.compress(plain.read_bytes(), level, mtime=0))
        stores.append(prepare_here(packed, tmp_path, 10))

    assert len({store.name[-16:] for store in stores}) == 3
    assert len({open_store(store).record.content for store in stores}) == 1


class _Changing(InProcess):
    """Changes the table after the first segment."""

    def __init__(self, change):
        self._change = change

    def run(self, jobs, report):
        for result in super().run(jobs, report):
            self._change()
            yield result


def test_a_table_that_changes_while_it_is_read_is_never_mixed(tmp_path):
    table = tmp_path / "table.csv"
    note = b"n" * 2_000  # so that some hundred rows are more than is read at once
    content = b"smiles,y,note\n" + (b"CCO,1,%b\nCCN,2,%b\nCCC,3,%b\n" % (note, note, note)) * 150
    table.write_bytes(content)

    def change():
        table.write_bytes(content.replace(b"CCN", b"CCS"))

    with pytest.raises(DataError, match=r"table\.csv changed while it was read"):
        prepare_here(table, tmp_path / "root", 50, _Changing(change))

    (store,) = (tmp_path / "root" / "stores").iterdir()
    assert not (store / MANIFEST).exists()
    made = len(list((store / COMMITS).iterdir()))
    assert 0 < made < 9
    table.write_bytes(content)  # back again: what is there is of these rows
    assert prepare_here(table, tmp_path / "root", 50) == store
    assert digests(store) == digests(prepare_here(table, tmp_path / "other", 50))


def test_a_table_that_is_only_touched_goes_on(tmp_path):
    table = small_table(tmp_path / "table.csv", 30)

    store = prepare_here(table, tmp_path / "root", 10, _Changing(table.touch))

    assert verify_store(store) == []
