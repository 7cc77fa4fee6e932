"""Whatever is changed in a store or a key index: ``verify`` names it, and nobody reads it."""

import json
import random
import shutil

import pytest
from in_process import prepare_here, small_table

from graphium.config.data import DatasetConfig
from graphium.config.keys import KeysConfig
from graphium.errors import GraphiumError, StoreError
from graphium.store.commit import commit_store
from graphium.store.keys import build_keys, load_keys
from graphium.store.layout import COMMITS, MANIFEST, PLAN, REJECTS
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store
from graphium.store.verify import verify_store

ROWS = 20
"""Of a segment; the table has two."""
KEYS = KeysConfig()


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Roots with a store and its key index: of a table, and of another table."""
    roots = []
    for number in range(2):
        folder = tmp_path_factory.mktemp("made")
        table = small_table(folder / "table.csv", 2 * ROWS, first=3 * number)
        store = prepare_here(table, folder / "root", ROWS)
        build_keys([open_store(store)], folder / "root", KEYS, scaffolds=False)
        roots.append(folder / "root")
    return roots


@pytest.fixture
def root(made, tmp_path):
    return shutil.copytree(made[0], tmp_path / "root")


@pytest.fixture
def store(root):
    return next(root.glob("stores/*"))


@pytest.fixture
def index(root):
    return next(root.glob("mixes/*"))


@pytest.fixture
def other(made):
    return next(made[1].glob("stores/*"))


def files_of(folder):
    return sorted(path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)


def segment_of(path):
    """Return how a problem of this file begins."""
    if COMMITS in path.parts:
        return f"segment {int(path.stem)}: "
    inside = [part for part in path.parts if part[:5].isdigit()]
    return f"segment {int(inside[0][:5])}: " if inside else ""


def named(problems, paths, folder):
    """Whether the problems are those of exactly these files, each with its segment."""
    names = {path.relative_to(folder) for path in paths}
    found = {
        name for name in names for line in problems if f"{segment_of(name)}{name} " in f"{line} "
    }
    return found == names and len(problems) == len(names)


def read_all(store):
    opened = open_store(store)
    opened.graphs(), opened.smiles(), opened.rejects(), opened.source_rows()
    opened.text("source"), opened.labels(["y", "active"])


def read_index(store, root):
    load_keys([open_store(store)], root, KEYS)


def flip(path, choose):
    content = bytearray(path.read_bytes())
    content[choose.randrange(len(content))] ^= 1 << choose.randrange(8)
    path.write_bytes(content)


def swap(first, second):
    contents = first.read_bytes(), second.read_bytes()
    first.write_bytes(contents[1])
    second.write_bytes(contents[0])


@pytest.mark.parametrize("what", ["store", "index"])
def test_each_of_thousands_of_flipped_bits_is_found_and_its_file_named(what, request):
    """One bit of every file at a time: exactly these files are named."""
    folder = request.getfixturevalue(what)
    files = [path for path in files_of(folder) if path.name != MANIFEST]
    contents = {path: path.read_bytes() for path in files}
    choose = random.Random(0)
    flips = 0
    while flips < 2_000:
        for path in files:
            flip(path, choose)
        flips += len(files)
        assert named(verify_store(folder), files, folder)
        for path, content in contents.items():
            path.write_bytes(content)
    print(f"{flips} flipped bits of {what}: all found and named")
    assert verify_store(folder) == []


def test_every_flipped_bit_of_a_manifest_is_found(store, index):
    choose = random.Random(0)
    for path in (store / MANIFEST, index / MANIFEST):
        content = path.read_bytes()
        for _ in range(200):
            flip(path, choose)
            (problem,) = verify_store(path.parent)
            assert str(path) in problem
            path.write_bytes(content)


def assert_not_read(store, root, choose, flips):
    files = [path for path in files_of(root) if REJECTS not in path.name]  # a list for people
    for path in choose.choices(files, k=flips):
        content = path.read_bytes()
        flip(path, choose)
        with pytest.raises(GraphiumError):
            read_all(store) if path.is_relative_to(store) else read_index(store, root)
        path.write_bytes(content)


def test_flipped_bits_are_not_read(store, root):
    assert_not_read(store, root, random.Random(0), 100)


@pytest.mark.slow
def test_very_many_flipped_bits_are_not_read(store, root):
    assert_not_read(store, root, random.Random(1), 2_000)


def test_every_deleted_or_truncated_file_is_named_and_refused(store, index, root):
    for folder, read in (
        (store, lambda: open_store(store)),
        (index, lambda: read_index(store, root)),
    ):
        for path in files_of(folder):
            content = path.read_bytes()
            for rest in (None, b"", content[: len(content) // 2], content[:-1]):
                path.unlink() if rest is None else path.write_bytes(rest)
                problems = verify_store(folder)
                assert named(problems, [path], folder) or (
                    path.name == MANIFEST and str(path.parent) in problems[0]
                )
                with pytest.raises(StoreError):
                    read()
                path.write_bytes(content)
    assert verify_store(store) == verify_store(index) == []


def pairs_of_shards(store, other):
    """Pairs of shards that could be taken for each other, and which differ."""
    first, second = sorted(store.glob("segments/*"))
    foreign = sorted(other.glob("segments/*"))[0]
    shards = sorted(first.rglob("c.*"))
    inside = [(one, two) for one in shards for two in shards if one < two]
    across = [(one, second / one.relative_to(first)) for one in shards]
    between = [(one, foreign / one.relative_to(first)) for one in shards]
    for one, two in (*inside, *across, *between):
        if two.is_file() and one.read_bytes() != two.read_bytes():
            yield one, two


def test_shards_that_change_places_are_found_and_not_read(store, other, tmp_path):
    """Within a segment, between segments and between stores: each with valid checksums."""
    other = shutil.copytree(other, tmp_path / "other")
    pairs = list(pairs_of_shards(store, other))
    assert len(pairs) > 150
    for one, two in pairs:
        swap(one, two)
        changed = [path for path in (one, two) if path.is_relative_to(store)]
        assert named(verify_store(store), changed, store)
        swap(one, two)
    for one, two in random.Random(0).sample(pairs, 25):
        swap(one, two)
        with pytest.raises(StoreError):
            read_all(store)
        swap(one, two)


def test_arrays_of_a_key_index_that_change_places_are_found_and_not_read(index, store, root):
    molecule, group = (index / "arrays" / name / "c.0" for name in ("molecule", "split_group"))
    molecule.write_bytes(content := (index / "arrays" / "group_hash" / "c.0").read_bytes())
    assert len(content) == (index / "arrays" / "group_hash" / "c.0").stat().st_size
    assert group.is_file()

    assert named(verify_store(index), [molecule], index)
    with pytest.raises(StoreError, match="key index of a mix is damaged"):
        read_index(store, root)


@pytest.mark.parametrize(
    "place", ["notes.txt", "segments/notes.txt", "commits/00002.json", "mine/deep/x"]
)
def test_an_extra_file_is_named(place, store):
    (store / place).parent.mkdir(parents=True, exist_ok=True)
    (store / place).write_text("{}")

    assert verify_store(store) == [f"{place} does not belong here: the manifest does not name it"]


def test_an_extra_link_to_a_folder_is_named(store, tmp_path):
    (store / "elsewhere").symlink_to(tmp_path)

    (problem,) = verify_store(store)

    assert problem.startswith("elsewhere does not belong here")


@pytest.mark.parametrize("name", ["commits/00001.json", PLAN])
def test_a_file_of_another_store_is_named(name, store, other):
    shutil.copy(other / name, store / name)

    assert named(verify_store(store), [store / name], store)


def test_another_store_in_the_place_of_this_one_is_refused(store, other, made):
    shutil.rmtree(store)
    shutil.copytree(other, store)
    config = DatasetConfig(table=str(made[0].parent / "table.csv"))

    for use in (
        lambda: open_store(store),
        lambda: prepare_dataset("table", config, store.parents[1]),
        lambda: verify_store(store)[0] and open_store(store),
    ):
        with pytest.raises(StoreError, match="belongs to a store of other content"):
            use()
    assert verify_store(shutil.copytree(other, store.parent / "my copy")) == []


@pytest.mark.parametrize("what", ["plan", "record", "segment"])
def test_an_unfinished_store_does_not_go_on_with_files_of_another(what, store, other):
    (store / MANIFEST).unlink()
    if what == "plan":
        shutil.copy(other / PLAN, store / PLAN)
    elif what == "record":
        shutil.copy(other / COMMITS / "00001.json", store / COMMITS / "00001.json")
    else:
        folder = json.loads((store / COMMITS / "00001.json").read_text())["folder"]
        shutil.rmtree(store / folder)
        shutil.copytree(other / folder_of(other, 1), store / folder)

    with pytest.raises(StoreError, match=r"other content|damaged"):
        commit_store(store)
    assert not (store / MANIFEST).exists()


def folder_of(store, number):
    return json.loads((store / COMMITS / f"{number:05d}.json").read_text())["folder"]
