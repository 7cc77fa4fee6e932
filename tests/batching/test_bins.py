"""Cut points make classes of a column of numbers when an experiment opens, not in the store."""

import os
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.batching.columns import cut_into_classes
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskConfig
from graphium.errors import DataError
from graphium.store.prepare import prepare_experiment

REAL_DATA = os.environ.get("GRAPHIUM_TEST_DATA")
Z = [-7.0, -6.0, -2.5, -2.0, 0.0, 1.9, 2.0, 9.0, None]


def experiment(table, **task):
    columns = {"labels": ["z"], "loss": "hybrid_ce"}
    return Experiment.model_validate(
        {
            "name": "bins",
            "datasets": {"lincs": {"table": str(table), "categories": {"kind": ["a", "b"]}}},
            "tasks": {"l1000": {"dataset": "lincs"} | columns | task},
        }
    )


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    path = tmp_path_factory.mktemp("bins") / "lincs.csv"
    smiles = ["C" * (k + 1) for k in range(len(Z))]
    pd.DataFrame({"smiles": smiles, "z": Z, "kind": ["a"] * len(Z)}).to_csv(path, index=False)
    prepare_experiment(experiment(path, bins=[0]), path.parent / "root", workers=1)
    return path


def classes(table, **task):
    """The class of each row of ``Z``; None where it has no label."""
    spec_and_values = open_mix(experiment(table, **task), table.parent / "root").tasks["l1000"]
    found = dict(
        zip(spec_and_values.source_row.tolist(), spec_and_values.values[:, 0], strict=True)
    )
    return spec_and_values.spec, [found.get(row) for row in range(len(Z))]


def test_two_cuts_make_three_named_classes_of_one_store(table):
    spec, found = classes(table, bins=[-2, 2])

    assert found == [0, 0, 0, 1, 1, 1, 2, 2, None]
    assert spec.num_classes == 3
    assert spec.class_names == ["below -2", "-2 to 2", "from 2"]


def test_four_cuts_make_five_classes_of_the_same_store(table):
    spec, found = classes(table, bins=[-6, -3, 3, 6], loss="ce")

    assert found == [0, 1, 2, 2, 2, 2, 2, 4, None]
    assert spec.num_classes == 5


def test_one_cut_makes_a_yes_or_no_label(table):
    spec, found = classes(table, bins=[2], loss="bce")

    assert found == [0, 0, 0, 0, 0, 0, 1, 1, None]
    assert spec.num_classes is None


def test_a_column_of_classes_is_not_cut(table):
    with pytest.raises(DataError, match="'kind' has categories, and bins cut numbers"):
        classes(table, bins=[2], labels=["kind"], loss="bce")


@given(
    st.lists(st.floats(-9, 9, width=32), min_size=1, max_size=5, unique=True).map(sorted),
    st.lists(st.floats(-10, 10, width=32)),
)
def test_a_class_is_the_number_of_cuts_that_are_not_above(bins, values):
    found = cut_into_classes(np.array(values, np.float32), bins)
    assert found.tolist() == [sum(cut <= value for cut in bins) for value in values]


@pytest.mark.parametrize(
    ("task", "message"),
    [
        ({"bins": [2, -2]}, "must be finite and rise"),
        ({"bins": [2, 2]}, "must be finite and rise"),
        ({"bins": [-2, float("inf")]}, "must be finite and rise"),
        ({"bins": [-2, 2], "loss": "mae"}, "loss 'mae' learns numbers"),
        ({"bins": [-2, 2], "loss": "bce"}, "make 3 classes, and loss 'bce' has 2"),
        ({"bins": [-2, 2], "num_classes": 5}, "bins make 3, not 5"),
        ({"num_classes": 3, "loss": "ce", "ce_share": 0.5}, "only loss 'hybrid_ce' has it"),
    ],
)
def test_cuts_that_make_no_sense_are_refused(task, message):
    with pytest.raises(ValueError, match=message):
        TaskConfig.model_validate({"dataset": "d", "labels": ["z"], "loss": "hybrid_ce"} | task)


@pytest.mark.skipif(REAL_DATA is None, reason="GRAPHIUM_TEST_DATA is not set")
def test_most_real_z_scores_are_of_the_middle_class():
    genes = pd.read_parquet(Path(str(REAL_DATA)) / "largemix" / "l1000_978.parquet").filter(
        like="gene_"
    )
    found = cut_into_classes(genes.to_numpy(np.float32), [-2, 2])
    shares = [(found == one).mean() for one in range(3)]
    assert genes.shape[1] == 978
    assert shares == pytest.approx([0.054, 0.888, 0.058], abs=0.001)
