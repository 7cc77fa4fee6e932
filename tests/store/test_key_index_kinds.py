"""What the kinds of keys make of the rows of stores: molecules, split groups, parts."""

import json
from collections import defaultdict

import numpy as np
import pandas as pd
import pytest

from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.config.keys import KeysConfig
from graphium.errors import StoreError
from graphium.molecules.identity import join_key, split_key
from graphium.store.grouping import by_first_occurrence, number_equal, unite
from graphium.store.keys import build_keys, load_keys
from graphium.store.layout import MANIFEST
from graphium.store.prepare import missing, prepare_experiment
from graphium.store.read import open_store

SMILES = [
    "C[C@H](N)O",  # 0
    "C[C@@H](N)O",  # 1: mirror image of 0
    "Cc1c[nH]cn1",  # 2
    "Cc1cnc[nH]1",  # 3: tautomer of 2 by a mobile hydrogen
    "CC(=O)CC(C)=O",  # 4
    "CC(O)=CC(C)=O",  # 5: enol of 4
    "CC(=O)O",  # 6
    "CC(=O)[O-].[Na+]",  # 7: salt of 6
    "OC(C)=O",  # 8: as 6
    "CCCC",  # 9
]
RELATIVES = [
    "C[C@H](N)O{}",
    "C[C@@H](N)O{}",
    "O(C(N)C){}",
    "CC([NH3+])O{}.[Cl-]",
    "[13CH3]C(N)O{}",
    "[CH3:4]C(N)O{}",
    "{}c1c[nH]cn1",
    "{}c1cnc[nH]1",
    "CC(=O)CC(=O){}",
    "CC(O)=CC(=O){}",
]
"""Molecules with a chain of carbon; under some kinds of keys, some of them are the same."""


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("kinds")
    datasets = {}
    for name, smiles in {"a": SMILES[:5], "b": SMILES[5:]}.items():
        path = root / f"{name}.csv"
        pd.DataFrame({"smiles": smiles, "y": range(len(smiles))}).to_csv(path, index=False)
        datasets[name] = {"table": str(path), "split": {"kind": "random", "fractions": [1, 0, 0]}}
    tasks = {name: {"dataset": name, "labels": ["y"], "loss": "mae"} for name in datasets}
    experiment = Experiment(name="e", datasets=datasets, tasks=tasks)
    paths = prepare_experiment(experiment, root, workers=1)
    return experiment, root, [open_store(path) for path in paths.values()]


def groups(numbers):
    found = [np.flatnonzero(numbers == one).tolist() for one in np.unique(numbers)]
    return sorted(members for members in found if len(members) > 1)


@pytest.mark.parametrize(
    ("join", "split", "molecules", "together"),
    [
        ("stereo", "connectivity", [[6, 8]], [[0, 1], [6, 8]]),
        ("connectivity", "connectivity", [[0, 1], [6, 8]], [[0, 1], [6, 8]]),
        ("inchi", "inchikey14", [[2, 3], [6, 8]], [[0, 1], [2, 3], [6, 7, 8]]),
        ("tautomer", "tautomer", [[2, 3], [4, 5], [6, 8]], [[0, 1], [2, 3], [4, 5], [6, 8]]),
        # One molecule is in one part, though the split key alone would part it.
        ("tautomer", "connectivity", [[2, 3], [4, 5], [6, 8]], [[0, 1], [2, 3], [4, 5], [6, 8]]),
        ("stereo", "inchikey14", [[6, 8]], [[0, 1], [2, 3], [6, 7, 8]]),
    ],
)
def test_kinds_of_keys_decide_what_is_joined_and_what_stays_together(
    prepared, join, split, molecules, together
):
    _, root, stores = prepared
    keys = KeysConfig(join=join, split=split)

    folder = build_keys(stores, root, keys, scaffolds=False, workers=2)

    index = load_keys(stores, root, keys)
    assert groups(index.molecule) == molecules
    assert groups(index.split_group) == together
    for members in together:  # unequal groups may share a hash: the hash reads no hydrogens
        assert len(set(index.group_hash[members].tolist())) == 1
    numbers = index.molecule.tolist()
    assert list(dict.fromkeys(numbers)) == list(range(max(numbers) + 1))  # by first occurrence
    assert json.loads((folder / MANIFEST).read_bytes())["keys"] == keys.model_dump()


def test_the_hash_of_a_split_group_is_the_same_in_every_mix(prepared):
    _, root, stores = prepared
    for split in ("connectivity", "inchikey14", "tautomer"):
        keys = KeysConfig(split=split)
        for some in (stores, stores[1:]):
            build_keys(some, root, keys, scaffolds=False, workers=1)
        whole, part = (load_keys(some, root, keys) for some in (stores, stores[1:]))
        np.testing.assert_array_equal(whole.group_hash[5:], part.group_hash)


def test_an_index_of_other_keys_is_missing_until_it_is_prepared(prepared, capfd):
    experiment, root, stores = prepared
    other = experiment.model_copy(update={"keys": KeysConfig(join="inchi", split="tautomer")})
    assert missing(experiment, root) == []
    assert missing(other, root) == ["the key index of its datasets"]
    with pytest.raises(StoreError, match=r"no key index.*\(join inchi, split tautomer\)"):
        load_keys(stores, root, other.keys)

    prepare_experiment(other, root, workers=1, progress=True)

    assert missing(other, root) == []
    assert "keys" not in capfd.readouterr().err  # a handful of molecules is no progress to show


def test_a_mix_joins_by_the_keys_of_its_experiment(prepared):
    experiment, root, _ = prepared
    sizes = {}
    for join in ("stereo", "tautomer"):
        one = experiment.model_copy(update={"keys": KeysConfig(join=join)})
        prepare_experiment(one, root, workers=1)
        sizes[join] = len(open_mix(one, root).part)
    assert sizes == {"stereo": 9, "tautomer": 7}


@pytest.fixture(scope="module")
def relatives(tmp_path_factory):
    root = tmp_path_factory.mktemp("relatives")
    smiles = [form.format("C" * count) for count in range(1, 15) for form in RELATIVES]
    table = root / "relatives.csv"
    pd.DataFrame({"smiles": smiles, "y": range(len(smiles))}).to_csv(table, index=False)
    return root, table, smiles


@pytest.mark.parametrize(
    ("join", "split"),
    [
        ("stereo", "connectivity"),
        ("connectivity", "inchikey14"),
        ("inchi", "connectivity"),
        ("inchi", "tautomer"),
        ("tautomer", "inchikey14"),
    ],
)
def test_relatives_never_stand_in_two_parts(relatives, join, split):
    root, table, smiles = relatives
    dataset = {"table": str(table), "split": {"kind": "random", "fractions": [0.5, 0.25, 0.25]}}
    experiment = Experiment(
        name="e",
        keys={"join": join, "split": split},
        datasets={"d": dataset},
        tasks={"t": {"dataset": "d", "labels": ["y"], "loss": "mae"}},
    )
    prepare_experiment(experiment, root, workers=1)

    parts = open_mix(experiment, root).splits()["d"]

    part_of = {row: part for part, rows in parts.items() for row in rows}
    assert len(part_of) == len(smiles)
    assert len(set(part_of.values())) == 3
    for key in (lambda text: split_key(text, split), lambda text: join_key(text, join)):
        together = defaultdict(set)
        for row, text in enumerate(smiles):
            together[key(text)].add(part_of[row])
        assert all(len(one) == 1 for one in together.values())


def test_groups_are_numbered_by_first_occurrence():
    assert by_first_occurrence(np.array([7, 3, 7, 9, 3])).tolist() == [0, 1, 0, 2, 1]
    assert by_first_occurrence(np.empty(0, np.int64)).tolist() == []


def test_united_groups_part_neither_of_two():
    one = np.array([0, 0, 1, 2, 3, 4])
    other = np.array([0, 1, 1, 2, 3, 3])
    assert unite(one, other).tolist() == [0, 0, 0, 1, 2, 2]
    assert unite(np.empty(0, np.int64), np.empty(0, np.int64)).tolist() == []


def test_rows_of_two_numbers_are_numbered_as_numpy_does():
    values = np.random.default_rng(0).integers(0, 6, (500, 2)).astype(np.uint64) << np.uint64(61)
    expected = np.unique(values, axis=0, return_inverse=True)[1].reshape(-1)
    np.testing.assert_array_equal(number_equal(values), expected)
    assert number_equal(values[:0]).tolist() == []
