"""Training reads encodings that a store keeps, and computes the others."""

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from graphium.batching import kept
from graphium.batching.collate import collate
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.errors import StoreError
from graphium.store.add_encoding import add_encoding
from graphium.store.encodings import EncodingPlan, plan_encoding
from graphium.store.prepare import prepare_experiment, store_path
from graphium.store.read import open_store
from graphium.store.segment_encoding import EncodingJob, write_encoding

ENCODINGS = {
    "random_walk": {"steps": 4},
    "laplacian": {"k": 4, "normalization": "random_walk"},
    "commute": {"level": "edge"},
}


class Here:
    """Does what workers do, in this process."""

    def run(self, jobs, report):
        for job in jobs:
            plan = EncodingPlan.model_validate(job.header["encoding"])
            where, writer = Path(job.header["store"]), job.header["writer"]
            yield write_encoding(EncodingJob(where, plan, job.header["number"], writer), report)


def experiment(folder, **encodings):
    """Two tables that share molecules, written in other ways, and a salt."""
    tables = {
        "a": ["CCO", "c1ccccc1C", "CC(=O)[O-].[Na+]", "bad", "C1CCCCC1", "CCC", "C", "OC"],
        "b": ["OCC", "N#N", "CC1CC1", "Cc1ccccc1", "CCCCCCO", "[Na+].[Cl-]", "NCC"],
    }
    for name, smiles in tables.items():
        frame = pd.DataFrame({"smiles": smiles, "y": np.arange(len(smiles)) / 3})
        frame.to_csv(folder / f"{name}.csv", index=False)
    return Experiment.model_validate(
        {
            "name": "e",
            "datasets": {
                name: {
                    "table": str(folder / f"{name}.csv"),
                    "split": {"kind": "random", "fractions": [1, 0, 0]},
                }
                for name in tables
            },
            "tasks": {n: {"dataset": n, "labels": ["y"], "loss": "mae"} for n in tables},
            "features": {"encodings": {**ENCODINGS, **encodings}},
        }
    )


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("prepared")
    prepare_experiment(experiment(root), root, workers=1)
    return root


@pytest.fixture
def root(prepared, tmp_path):
    return shutil.copytree(prepared, tmp_path / "root")


def add(one, root, dataset, kind, precision="float32", **changes):
    store = open_store(store_path(one.datasets[dataset], root))
    config = getattr(one.features.encodings, kind).model_copy(update=changes)
    return add_encoding(store, plan_encoding(store.record, kind, config, precision), Here())


def arrays(mix):
    return {**mix.graphs.encodings, **mix.graphs.bond_encodings}


def assert_same(mix, other):
    assert list(arrays(mix)) == list(arrays(other))
    for name, values in arrays(other).items():
        np.testing.assert_array_equal(arrays(mix)[name], values)
    molecules = np.arange(mix.graphs.num_molecules)[::-1].copy()
    ours, theirs = (collate(one.graphs, one.tasks, molecules, {}) for one in (mix, other))
    for name, values in theirs.encodings.items():
        assert ours.encodings[name].equal(values)
    for name, values in theirs.bond_encodings.items():
        assert ours.bond_encodings[name].equal(values)


@pytest.mark.parametrize("kinds", [["laplacian"], ["laplacian", "random_walk", "commute"]])
@pytest.mark.parametrize("datasets", [["a"], ["b"], ["a", "b"]])
def test_batches_from_stored_encodings_equal_computed_ones(kinds, datasets, root):
    one = experiment(root)
    computed = open_mix(one, root)
    assert computed.report.encodings == []
    for dataset in datasets:
        for kind in kinds:
            add(one, root, dataset, kind)

    mix = open_mix(one, root)

    assert_same(mix, computed)
    read = [line for line in mix.report.encodings if line.endswith("is read from its store")]
    assert len(read) == len(kinds) * len(datasets)
    assert f"encodings: laplacian of {datasets[0]} is read from its store" in mix.report.lines()


def test_stored_values_are_what_is_read(root):
    """So that the equality above is not that of computing twice."""
    one = experiment(root)
    rounded = [add(one, root, name, "laplacian", "float16").manifest.error for name in "ab"]

    exact = open_mix(one, root)
    mix = open_mix(experiment(root, stored="float16"), root)

    vectors = "laplacian_vectors"
    off = np.abs(arrays(mix)[vectors] - arrays(exact)[vectors]).max()
    assert 0 < off <= max(rounded) < 2e-3
    assert "laplacian of a is computed" in exact.report.encodings[0]
    assert "laplacian of a is read from its store (float16: off by" in mix.report.encodings[0]


def test_a_mismatch_of_parameters_is_never_used_and_is_said(root):
    one = experiment(root)
    computed = open_mix(one, root)
    add(one, root, "a", "laplacian", k=5)
    add(one, root, "b", "laplacian", normalization="symmetric")
    add(one, root, "b", "random_walk")

    mix = open_mix(one, root)
    never = open_mix(experiment(root, stored="never"), root)

    assert_same(mix, computed)
    assert_same(never, computed)
    assert [line.partition(": its")[0] for line in mix.report.encodings] == [
        "laplacian of a is computed",
        "random_walk of b is read from its store",
        "laplacian of b is computed",
    ]
    assert len(never.report.encodings) == 3


def test_a_mix_that_was_opened_before_is_not_taken_for_one_with_stored_values(root, monkeypatch):
    monkeypatch.setattr(kept, "WORTH_MOLECULES", 1)
    one = experiment(root, stored="float16")
    computed = arrays(open_mix(one, root))["laplacian_vectors"]
    added = add(one, root, "a", "laplacian", "float16")

    read = arrays(open_mix(one, root))["laplacian_vectors"]
    shutil.rmtree(added.path)
    again = open_mix(one, root)

    assert 0 < np.abs(read - computed).max() < 2e-3
    np.testing.assert_array_equal(arrays(again)["laplacian_vectors"], computed)
    assert again.report.encodings == []


def test_encodings_of_each_batch_are_not_read(root):
    one = experiment(root, compute="step")
    add(one, root, "a", "laplacian")

    assert open_mix(one, root).graphs.encodings == {}


def test_a_damaged_encoding_stops_the_opening(root):
    one = experiment(root)
    added = add(one, root, "a", "laplacian")
    (shard,) = added.path.glob("segments/*/laplacian_values/c.0.0")
    shard.write_bytes(shard.read_bytes()[:-1])

    with pytest.raises(StoreError, match=r"laplacian_values/c\.0\.0 has"):
        open_mix(one, root)


def test_real_molecules_have_the_same_bits_stored_and_computed(pool, tmp_path):
    """Bases of equal eigenvalues, too: both are found by the same code, molecule by molecule."""
    smiles = [*pool[::5_000], *[text for text in pool[:50_000] if "." in text][:50]]
    table = tmp_path / "real.csv"
    pd.DataFrame({"smiles": smiles, "y": range(len(smiles))}).to_csv(table, index=False)
    one = Experiment.model_validate(
        {
            "name": "e",
            "datasets": {"a": {"table": str(table)}},
            "tasks": {"a": {"dataset": "a", "labels": ["y"], "loss": "mae"}},
            "features": {"encodings": {**ENCODINGS, "heat_kernel": {}, "electrostatic": {}}},
        }
    )
    prepare_experiment(one, tmp_path, workers=1)
    computed = open_mix(one, tmp_path)
    for kind in one.features.encodings.at("node"):
        add(one, tmp_path, "a", kind)

    mix = open_mix(one, tmp_path)

    assert len(mix.report.encodings) == 4
    assert_same(mix, computed)
