import numpy as np
import pandas as pd
import pytest

from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.config.keys import KeysConfig
from graphium.errors import StoreError
from graphium.store.keys import build_keys, load_keys
from graphium.store.prepare import missing, prepare_experiment
from graphium.store.read import open_store
from graphium.store.verify import verify_store

DEFAULT = KeysConfig()
FIRST = [
    "CCO",  # 0
    "OCC",  # 1: the same
    "C[C@H](N)O",  # 2
    "C[C@@H](N)O",  # 3: its mirror image: another molecule, the same split group
    "CC(=O)O",  # 4
    "c1ccccc1CC",  # 5
    "c1ccccc1CCC",  # 6: the same scaffold as 5
]
SECOND = [
    "CC(=O)[O-].[Na+]",  # 7
    "[Na+].CC([O-])=O",  # 8: the same
    "C(C)O",  # 9: as 0
    "CC(=O)[O-].[K+]",  # 10: split group of 7
    "CCC",  # 11
]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("mix")
    datasets = {}
    for name, smiles in {"a": FIRST, "b": SECOND}.items():
        path = root / f"{name}.csv"
        pd.DataFrame({"smiles": smiles, "y": range(len(smiles))}).to_csv(path, index=False)
        datasets[name] = DatasetConfig(table=str(path), split={"kind": "scaffold"})
    experiment = Experiment(
        name="e", datasets=datasets, tasks={"t": {"dataset": "a", "labels": ["y"], "loss": "mae"}}
    )
    before = missing(experiment, root)
    paths = prepare_experiment(experiment, root, workers=1)
    return experiment, root, [open_store(path) for path in paths.values()], before


def groups(numbers):
    return sorted(np.flatnonzero(numbers == one).tolist() for one in np.unique(numbers))


def test_equal_molecules_are_joined_within_and_across_stores(prepared):
    _, root, stores, _ = prepared

    index = load_keys(stores, root, DEFAULT)

    assert index.starts.tolist() == [0, 7, 12]
    assert groups(index.molecule) == [[0, 1, 9], [2], [3], [4], [5], [6], [7, 8], [10], [11]]
    assert index.molecule.tolist() == [0, 0, 1, 2, 3, 4, 5, 6, 6, 0, 7, 8]  # by first occurrence


def test_split_groups_hold_stereoisomers_and_salts_together(prepared):
    _, root, stores, _ = prepared

    index = load_keys(stores, root, DEFAULT)

    assert groups(index.split_group) == [
        [0, 1, 9], [2, 3], [4], [5], [6], [7, 8, 10], [11],
    ]  # fmt: skip


def test_rings_share_scaffolds_and_chains_stand_alone(prepared):
    _, root, stores, _ = prepared

    index = load_keys(stores, root, DEFAULT)

    assert groups(index.scaffold) == [[0, 1, 9], [2, 3], [4], [5, 6], [7, 8, 10], [11]]


def test_scaffold_hashes_do_not_depend_on_the_mix(prepared):
    _, root, stores, _ = prepared
    whole = load_keys(stores, root, DEFAULT).scaffold

    build_keys(stores[1:], root, DEFAULT, scaffolds=True, workers=1)

    np.testing.assert_array_equal(load_keys(stores[1:], root, DEFAULT).scaffold, whole[7:])


def test_what_is_missing_is_named_until_it_is_prepared(prepared):
    experiment, root, _, before = prepared

    assert len(before) == 2
    assert before[0].startswith("dataset 'a'")
    assert missing(experiment, root) == []
    only_b = {"b": experiment.datasets["b"].model_copy(update={"smiles": None})}
    alone = experiment.model_copy(update={"datasets": {**only_b, "a": experiment.datasets["a"]}})
    assert missing(alone, root) == ["the key index of its datasets"]


def test_an_index_that_was_not_made_is_an_error(prepared):
    _, root, stores, _ = prepared

    with pytest.raises(StoreError, match=r"no key index of b-.*, a-.*graphium data prepare"):
        load_keys(stores[::-1], root, DEFAULT)


def test_a_damaged_index_is_named_and_refused(prepared):
    _, root, stores, _ = prepared
    folder = build_keys(stores[:1], root, DEFAULT, scaffolds=False, workers=1)
    assert verify_store(folder) == []
    shard = folder / "arrays" / "molecule" / "c.0"
    content = bytearray(shard.read_bytes())
    content[3] ^= 1
    shard.write_bytes(content)

    (problem,) = verify_store(folder)

    assert "key index: arrays/molecule/c.0" in problem
    with pytest.raises(StoreError, match=r"molecule/c\.0 was changed"):
        load_keys(stores[:1], root, DEFAULT)


def test_stores_of_another_rdkit_are_not_joined(prepared, monkeypatch):
    _, root, stores, _ = prepared
    versions = {"featurizer": "1", "rdkit": "1999.1"}
    monkeypatch.setattr("graphium.store.keys.content_versions", lambda: versions)

    with pytest.raises(StoreError, match=r"this is featurizer 1 and rdkit 1999\.1"):
        build_keys(stores[::-1], root, DEFAULT, scaffolds=False, workers=1)
