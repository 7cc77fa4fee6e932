import json
import random
import shutil

import pytest

from graphium.errors import StoreError
from graphium.store.layout import MANIFEST
from graphium.store.read import open_store
from graphium.store.verify import verify_store


@pytest.fixture
def copy(store_dir, tmp_path):
    return shutil.copytree(store_dir, tmp_path / store_dir.name)


def shard(store, name="atom_code"):
    return sorted(store.glob(f"segments/00001-*/{name}/c.*"))[0]


def flip(path, position=None):
    content = bytearray(path.read_bytes())
    content[len(content) // 2 if position is None else position] ^= 1
    path.write_bytes(content)


def read_everything(path):
    store = open_store(path)
    store.graphs()
    store.smiles()
    store.source_rows()
    store.rejects()
    store.text("part")
    for columns in (["y", "z"], ["charge"], ["length"]):
        store.labels(columns)


def test_an_untouched_store_has_no_problems(store_dir):
    assert verify_store(store_dir) == []
    read_everything(store_dir)


def test_a_deleted_shard_is_named_and_refused(copy):
    path = shard(copy)
    path.unlink()

    assert verify_store(copy) == [f"segment 1: {path.relative_to(copy)} is missing"]
    with pytest.raises(StoreError, match=rf"{path} is missing"):
        open_store(copy)


def test_a_truncated_shard_is_named_and_refused(copy):
    path = shard(copy)
    path.write_bytes(path.read_bytes()[:-5])

    (problem,) = verify_store(copy)

    assert problem.startswith(f"segment 1: {path.relative_to(copy)} has ")
    with pytest.raises(StoreError, match="bytes, not"):
        open_store(copy)


def test_a_flipped_byte_is_named_and_stops_the_reading(copy):
    path = shard(copy)
    flip(path)

    (problem,) = verify_store(copy)

    assert problem.startswith(f"segment 1: {path.relative_to(copy)} has other content")
    store = open_store(copy)
    with pytest.raises(StoreError, match=r"segments/00001-.*atom_code is damaged"):
        store.graphs()


def test_swapped_shards_are_found_though_their_checksums_fit(copy):
    first, second = sorted(copy.glob("segments/0000[12]-*/n_atoms/c.0"))
    content = first.read_bytes(), second.read_bytes()
    first.write_bytes(content[1])
    second.write_bytes(content[0])

    assert len(verify_store(copy)) == 2
    with pytest.raises(StoreError, match="n_atoms is damaged: it holds other values"):
        open_store(copy).graphs()


def test_changed_metadata_of_an_array_is_refused_at_once(copy):
    path = shard(copy).parent / "zarr.json"
    path.write_text(path.read_text().replace('"fill_value": 0', '"fill_value": 1'))

    assert f"segment 1: {path.relative_to(copy)} has other content" in verify_store(copy)[0]
    with pytest.raises(StoreError, match="was changed"):
        open_store(copy)


def test_an_added_file_is_named(copy):
    (copy / "segments" / "notes.txt").write_text("mine")

    (problem,) = verify_store(copy)

    assert problem.startswith("segments/notes.txt does not belong here")


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        (lambda text: text.replace('"molecules": 56', '"molecules": 57'), "own SHA-256"),
        (lambda text: text[:-9], "is not JSON"),
        (lambda text: json.dumps({**json.loads(text), "format_version": 99}), "format version 99"),
        (lambda text: json.dumps({"format": "other"}), "no manifest of format"),
    ],
)
def test_an_edited_manifest_is_refused(copy, edit, message):
    path = copy / MANIFEST
    path.write_text(edit(path.read_text()))

    (problem,) = verify_store(copy)

    assert message in problem
    assert str(path) in problem
    with pytest.raises(StoreError, match=message):
        open_store(copy)


def test_every_flipped_bit_is_found_by_verify_and_none_is_read_silently(copy):
    """80 random bits over all files: shards, metadata, records, rejects, manifest."""
    choose = random.Random(0)
    files = sorted(path for path in copy.rglob("*") if path.is_file())
    for _ in range(80):
        path = choose.choice(files)
        content = path.read_bytes()
        if not content:
            continue
        damaged = bytearray(content)
        damaged[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
        path.write_bytes(damaged)

        problems = verify_store(copy)

        assert problems, path
        assert str(path.relative_to(copy)) in problems[0]
        if "segments" in path.parts or path.name == MANIFEST:
            with pytest.raises(StoreError):
                read_everything(copy)
        path.write_bytes(content)
    assert verify_store(copy) == []
