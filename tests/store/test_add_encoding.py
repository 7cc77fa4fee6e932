"""Encodings that are added to a finished store."""

import shutil
import signal

import numpy as np
import pytest
from fault_server import FaultServer
from in_process import EncodesInProcess, prepare_here, small_table

from graphium.cli.store_info import describe_store
from graphium.config.encodings import (
    CommuteConfig,
    ElectrostaticConfig,
    EncodingsConfig,
    HeatKernelConfig,
    LaplacianConfig,
    RandomWalkConfig,
    ShortestPathConfig,
    TransitionConfig,
)
from graphium.config.features import FeaturesConfig
from graphium.errors import DataError, StoreError
from graphium.graphs.encodings.compute import encode
from graphium.graphs.encodings.stacks import split_molecules
from graphium.store import encodings as on_disk
from graphium.store.add_encoding import add_encoding, add_encodings
from graphium.store.encodings import (
    choose_stored,
    encoding_folders,
    plan_encoding,
    stored_encodings,
)
from graphium.store.layout import ENCODINGS, MANIFEST
from graphium.store.read import open_store
from graphium.store.verify import verify_store

KINDS = {
    "random_walk": RandomWalkConfig(steps=5),
    "laplacian": LaplacianConfig(k=4, normalization="symmetric"),
    "heat_kernel": HeatKernelConfig(times=[0.5, 2.0]),
    "transition": TransitionConfig(steps=2, level="edge"),
    "shortest_path": ShortestPathConfig(),
    "commute": CommuteConfig(level="edge"),
    "electrostatic": ElectrostaticConfig(),
}
LAPLACIAN = KINDS["laplacian"]


def add(path, kind, config, precision="float32", runner=None):
    store = open_store(path)
    return add_encoding(
        store, plan_encoding(store.record, kind, config, precision), runner or EncodesInProcess()
    )


def read(path, one):
    """Return the arrays of all segments together."""
    parts = [one.read(number) for number in range(len(open_store(path).record.segments))]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}


def computed(path, kind, config):
    block = open_store(path).graphs()
    only = EncodingsConfig(**{"random_walk": None, "laplacian": None, kind: config})
    molecules = split_molecules(block.num_atoms, block.num_bonds, block.bond_ends)
    encoded = encode(molecules, FeaturesConfig(encodings=only))
    return {**encoded.atoms, **encoded.bonds}


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    root = tmp_path_factory.mktemp("root")
    return prepare_here(small_table(root / "t.csv", 30), root, 10)


@pytest.fixture
def store(made, tmp_path):
    return shutil.copytree(made, tmp_path / "stores" / made.name)


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_added_is_what_is_computed(kind, store):
    before = (store / MANIFEST).read_bytes()

    one = add(store, kind, KINDS[kind])

    expected = computed(store, kind, KINDS[kind])
    found = read(store, one)
    assert sorted(found) == sorted(expected)
    for name, values in expected.items():
        np.testing.assert_array_equal(found[name], values)
    assert one.manifest.error == 0
    assert (store / MANIFEST).read_bytes() == before
    assert verify_store(store) == []
    assert f"  {kind} (" in describe_store(open_store(store))


def test_workers_make_the_same(store):
    (one,) = add_encodings(store, {"laplacian": LAPLACIAN}, workers=2)

    digests = {name: array.sha256 for name, array in one.manifest.arrays.items()}
    shutil.rmtree(one.path)
    again = add(store, "laplacian", LAPLACIAN)
    assert {name: array.sha256 for name, array in again.manifest.arrays.items()} == digests
    assert again.path == one.path


def test_float16_says_by_how_much_it_is_off(store):
    one = add(store, "laplacian", LAPLACIAN, "float16")

    expected = computed(store, "laplacian", LAPLACIAN)
    off = [np.abs(values - expected[name]).max() for name, values in read(store, one).items()]
    assert 0 < one.manifest.error == pytest.approx(max(off))
    assert one.manifest.error < 2e-3
    assert "as float16 (off by at most" in describe_store(open_store(store))


def test_what_does_not_fit_float16_is_refused_and_leaves_nothing(tmp_path):
    """Commuting along a chain of n atoms takes up to 2 (n - 1)^2 steps."""
    table = tmp_path / "t.csv"
    table.write_text(f"smiles,y\n{'C' * 300},1\n")
    store = prepare_here(table, tmp_path, 10)

    with pytest.raises(DataError, match=r"commute has values up to 1\d+, more than the 65504"):
        add(store, "commute", CommuteConfig(), "float16")

    assert list((store / ENCODINGS).iterdir()) == []
    assert verify_store(store) == []
    assert add(store, "commute", CommuteConfig()).manifest.error == 0


@pytest.mark.parametrize("segments", [0, 2])
def test_after_an_interruption_the_next_process_goes_on(segments, store):
    with pytest.raises(KeyboardInterrupt):
        add(store, "laplacian", LAPLACIAN, runner=EncodesInProcess(segments))
    assert stored_encodings(open_store(store)) == []
    assert verify_store(store) == []
    assert "not finished" in describe_store(open_store(store))

    rest = EncodesInProcess(3 - segments)
    one = add(store, "laplacian", LAPLACIAN, runner=rest)

    assert rest.left == 0
    assert verify_store(store) == []
    for name, values in computed(store, "laplacian", LAPLACIAN).items():
        np.testing.assert_array_equal(read(store, one)[name], values)


def test_adding_it_again_computes_nothing(store):
    one = add(store, "laplacian", LAPLACIAN)

    assert add(store, "laplacian", LAPLACIAN, runner=EncodesInProcess(0)) == one
    assert add(store, "laplacian", LaplacianConfig(k=5)).path != one.path
    assert len(stored_encodings(open_store(store))) == 2


@pytest.mark.parametrize(
    ("asked", "stored", "is_found"),
    [
        (LAPLACIAN, "float32", True),
        (LAPLACIAN, "float16", True),
        (LAPLACIAN, "never", False),
        (LaplacianConfig(k=5, normalization="symmetric"), "float32", False),
        (LaplacianConfig(k=4), "float32", False),
        (LaplacianConfig(k=4, normalization="symmetric", level="edge"), "float32", False),
    ],
)
def test_only_what_is_equal_in_every_parameter_is_chosen(asked, stored, is_found, store):
    added = [add(store, "laplacian", LAPLACIAN)]
    allowed = EncodingsConfig(stored=stored)

    found = choose_stored(stored_encodings(open_store(store)), "laplacian", asked, allowed)

    assert (found in added) == is_found
    other = RandomWalkConfig(steps=4)
    assert choose_stored(added, "random_walk", other, allowed) is None


def test_rounded_values_are_chosen_only_where_they_are_allowed(store):
    half = add(store, "laplacian", LAPLACIAN, "float16")
    found = stored_encodings(open_store(store))

    assert choose_stored(found, "laplacian", LAPLACIAN, EncodingsConfig()) is None
    allowed = EncodingsConfig(stored="float16")
    assert choose_stored(found, "laplacian", LAPLACIAN, allowed) == half
    whole = add(store, "laplacian", LAPLACIAN)
    found = stored_encodings(open_store(store))
    assert choose_stored(found, "laplacian", LAPLACIAN, allowed) == whole


def test_what_another_version_or_another_store_has_made_is_not_read(store, tmp_path, monkeypatch):
    one = add(store, "laplacian", LAPLACIAN)
    other = prepare_here(small_table(tmp_path / "o.csv", 20), tmp_path / "other", 10)
    shutil.copytree(one.path.parent, other / ENCODINGS)

    assert stored_encodings(open_store(other)) == []
    assert "another version of graphium or another store" in describe_store(open_store(other))
    monkeypatch.setattr(on_disk, "ENCODINGS_VERSION", 2)
    assert stored_encodings(open_store(store)) == []


def test_damage_is_named_and_nothing_damaged_is_read(store):
    one = add(store, "laplacian", LAPLACIAN)
    (shard,) = one.path.glob("segments/00001-*/laplacian_vectors/c.0.0")
    content = bytearray(shard.read_bytes())
    content[len(content) // 2] ^= 1
    shard.write_bytes(content)

    (problem,) = verify_store(store)
    assert problem.startswith(f"encoding {one.path.name}, segment 1: {shard.relative_to(store)} ")
    with pytest.raises(StoreError, match="laplacian_vectors, is damaged"):
        one.read(1)
    shard.unlink()
    with pytest.raises(StoreError, match="is missing"):
        one.check()
    (store / ENCODINGS / "notes.txt").write_text("mine")
    assert len(verify_store(store)) == 2


def test_an_encoding_in_the_place_of_another_is_refused(store):
    one = add(store, "laplacian", LAPLACIAN)
    other = add(store, "laplacian", LaplacianConfig(k=5))
    shutil.rmtree(one.path)
    other.path.rename(one.path)

    with pytest.raises(StoreError, match="belongs to another encoding"):
        stored_encodings(open_store(store))
    assert verify_store(store)


def test_a_manifest_that_was_edited_is_refused(store):
    path = add(store, "laplacian", LAPLACIAN).path / MANIFEST
    path.write_text(path.read_text().replace('"k": 4', '"k": 5'))

    with pytest.raises(StoreError, match="was changed after it was written"):
        stored_encodings(open_store(store))
    (problem,) = verify_store(store)
    assert problem.startswith(f"encoding {path.parent.name}: {path} was changed")


def test_a_longer_store_takes_over_what_was_added_to_the_first(tmp_path):
    table = small_table(tmp_path / "t.csv", 30)
    whole = table.read_text()
    table.write_text("".join(whole.splitlines(keepends=True)[:21]))
    first = prepare_here(table, tmp_path, 10)
    added = add(first, "laplacian", LAPLACIAN)
    table.write_text(whole)
    longer = prepare_here(table, tmp_path, 10)
    assert stored_encodings(open_store(longer)) == []

    rest = EncodesInProcess(1)
    one = add(longer, "laplacian", LAPLACIAN, runner=rest)

    assert rest.left == 0
    (shard,) = added.path.glob("segments/00000-*/laplacian_vectors/c.0.0")
    assert shard.samefile(one.path / shard.relative_to(added.path))
    shutil.rmtree(first)
    for name, values in computed(longer, "laplacian", LAPLACIAN).items():
        np.testing.assert_array_equal(read(longer, one)[name], values)
    assert verify_store(longer) == []


def test_only_segments_of_the_same_graphs_are_taken_over(tmp_path):
    """The first store was made anew meanwhile, with other borders of segments."""
    table = small_table(tmp_path / "t.csv", 30)
    whole = table.read_text()
    start = "".join(whole.splitlines(keepends=True)[:21])
    table.write_text(start)
    first = prepare_here(table, tmp_path, 10)
    table.write_text(whole)
    longer = prepare_here(table, tmp_path, 10)
    shutil.rmtree(first)
    (tmp_path / "aside").mkdir()
    (tmp_path / "aside" / "t.csv").write_text(start)
    longer.rename(tmp_path / "aside" / longer.name)
    assert prepare_here(tmp_path / "aside" / "t.csv", tmp_path, 8) == first
    (tmp_path / "aside" / longer.name).rename(longer)
    add(first, "laplacian", LAPLACIAN)

    one = add(longer, "laplacian", LAPLACIAN)

    for name, values in computed(longer, "laplacian", LAPLACIAN).items():
        np.testing.assert_array_equal(read(longer, one)[name], values)


POINTS = [
    "owner.named", "plan.linked", "store.folders", "arrays.array", "arrays.written", "tree.files",
    "tree.durable", "record.written", "record.linked", "record.durable", "manifest.synced",
    "manifest.renamed", "owner.unfinished", "owner.gone", "tidy.segments",
]  # fmt: skip
"""Steps that adding an encoding passes, as a preparation does."""


@pytest.fixture(scope="module")
def server():
    server = FaultServer()
    yield server
    server.close()


@pytest.mark.parametrize("point", POINTS)
def test_who_is_killed_at_a_step_is_continued_to_the_same_encoding(point, server, made, tmp_path):
    table = small_table(tmp_path / "t.csv", 30)
    root, log = tmp_path / "root", str(tmp_path / "log")
    at = 2 if point.startswith(("arrays", "tree", "record")) and point != "record.durable" else 1

    fault = {"log": log, "point": point, "at": at, "kind": "kill"}
    assert server.run("encode", table, root, 10, **fault) == -signal.SIGKILL

    (store,) = (root / "stores").iterdir()
    # A lock that a dead process has left behind a manifest is all that may be there too much.
    assert all("/owners/" in problem for problem in verify_store(store))
    assert len(stored_encodings(open_store(store))) <= 1
    assert server.run("encode", table, root, 10) == 0
    (one,) = stored_encodings(open_store(store))
    for name, values in computed(made, "laplacian", LaplacianConfig(k=4)).items():
        np.testing.assert_array_equal(read(store, one)[name], values)
    assert verify_store(store) == []
    assert encoding_folders(store) == ([one.path], [])
    assert not list(store.rglob("owners"))
