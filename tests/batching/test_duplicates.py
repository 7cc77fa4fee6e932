import csv
from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from graphium.batching import compact as compact_module
from graphium.batching.compact import compact, decode, empty_labels
from graphium.batching.duplicates import Copies, find_contradictions, merge_copies
from graphium.batching.mix import open_mix
from graphium.config.experiment import Experiment
from graphium.config.tasks import TaskSpec
from graphium.errors import DataError
from graphium.graphs.mol_block import offsets
from graphium.store.prepare import prepare_experiment
from graphium.training.run_files import write_duplicates

TABLE = """\
smiles,part,y,active,charge
CCO,train,1.0,1,"[1, 2, 3]"
OCC,train,9.0,0,"[3, 2, 9]"
CCN,train,2.0,1,
NCC,train,2.1,1,
C(C)N,train,,1,
CCC,train,3.0,0,
CCC,train,,0,
CCCC,val,4.0,1,
CCCC,val,,0,
CC(C)C,val,6.0,0,
CCCCC,test,5.0,1,
OCCC,test,1.0,,
CCCO,test,7.5,,
"""
TASKS = {
    "y": {"dataset": "d", "labels": ["y"], "loss": "mae"},
    "active": {"dataset": "d", "labels": ["active"], "loss": "bce"},
    "charge": {"dataset": "d", "level": "node", "labels": ["charge"], "loss": "mae"},
}


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    root = tmp_path_factory.mktemp("duplicates")
    (root / "d.csv").write_text(TABLE)
    prepare_experiment(experiment(root), root, workers=1)
    return root


def experiment(root, **dataset):
    split = {"kind": "column", "column": "part"}
    datasets = {"d": {"table": str(root / "d.csv"), "split": split, **dataset}}
    datasets["d"]["levels"] = {"charge": "node"}
    return Experiment.model_validate({"name": "e", "datasets": datasets, "tasks": TASKS})


def labels(mix, task):
    data = mix.tasks[task]
    rows = np.repeat(data.source_row, np.diff(data.offset))
    return list(zip(rows.tolist(), data.values[:, 0].tolist(), strict=True))


def test_contradictions_are_counted_shown_and_merged_by_default(prepared):
    mix = open_mix(experiment(prepared), prepared)

    # One standard deviation of the training labels 5, 2.05 and 3 is 1.2.
    assert [mix.report.tasks[name].merged for name in TASKS] == [3, 5, 1]
    assert [mix.report.tasks[name].contradicting for name in TASKS] == [2, 2, 1]
    assert mix.report.tasks["y"].examples == ["rows 0, 1: y is 1, 9", "rows 11, 12: y is 1, 7.5"]
    text = "\n".join(mix.report.lines())
    assert (
        "  2 molecules have merged rows whose labels contradict each other, such as rows 0, 1: "
        "y is 1, 9; rows 11, 12: y is 1, 7.5 (all are in the run's duplicates.csv)"
    ) in text
    assert "(by stereo; parts never divide those of one connectivity)" in text
    assert dict(labels(mix, "y"))[0] == 5
    assert np.isnan(dict(labels(mix, "active"))[0])


def test_labels_that_contradict_each_other_can_be_left_out(prepared):
    merged = open_mix(experiment(prepared), prepared)
    mix = open_mix(experiment(prepared, duplicates="missing"), prepared)

    np.testing.assert_array_equal(
        labels(mix, "y"),
        [(row, np.nan if row in (0, 11) else y) for row, y in labels(merged, "y")],
    )
    charges = [charge for _, charge in labels(mix, "charge")]
    np.testing.assert_array_equal(charges, [np.nan, 2, 3])
    assert mix.report.tasks["y"].contradicting == 2
    assert mix.report.tasks["y"].labels["train"] == {"y": 2}


def test_a_table_with_duplicates_can_be_refused(prepared):
    with pytest.raises(
        DataError,
        match=r"dataset 'd' has 6 rows that are the molecule of an earlier row \(rows 0 and 1, "
        r"2 and 3, 3 and 4, 5 and 6, 7 and 8, \.\.\.\).*duplicates is error",
    ):
        open_mix(experiment(prepared, duplicates="error"), prepared)


def test_molecules_of_two_tables_are_no_duplicates(tmp_path):
    datasets = {}
    for name in ("a", "b"):
        (tmp_path / f"{name}.csv").write_text("smiles,y\nCCO,1\nCCC,2\nCCN,3\n")
        table = str(tmp_path / f"{name}.csv")
        split = {"kind": "random", "fractions": [1, 0, 0]}
        datasets[name] = {"table": table, "split": split, "duplicates": "error"}
    tasks = {name: {"dataset": name, "labels": ["y"], "loss": "mae"} for name in datasets}
    both = Experiment.model_validate({"name": "e", "datasets": datasets, "tasks": tasks})
    prepare_experiment(both, tmp_path, workers=1)

    assert len(open_mix(both, tmp_path).part) == 3


def test_a_run_lists_every_contradiction(prepared, tmp_path):
    path = tmp_path / "duplicates.csv"

    write_duplicates(path, open_mix(experiment(prepared), prepared))

    with path.open() as file:
        lines = [list(line.values()) for line in csv.DictReader(file)]
    assert lines == [
        ["CCO", "d", "y", "y", "", "0 1", "1 9", "5"],
        ["OCCC", "d", "y", "y", "", "11 12", "1 7.5", "4.25"],
        ["CCO", "d", "active", "active", "", "0 1", "1 0", ""],
        ["CCCC", "d", "active", "active", "", "7 8", "1 0", ""],
        ["CCO", "d", "charge", "charge", "0", "0 1", "1 9", "5"],
    ]


def test_a_run_without_contradictions_lists_nothing(tmp_path):
    (tmp_path / "d.csv").write_text(
        'smiles,part,y,active,charge\nCCO,train,1,1,"[1, 2, 3]"\nOCC,train,1,1,\n'
    )
    prepare_experiment(experiment(tmp_path), tmp_path, workers=1)

    write_duplicates(tmp_path / "duplicates.csv", open_mix(experiment(tmp_path), tmp_path))

    assert not (tmp_path / "duplicates.csv").exists()


CELL = st.sampled_from([0.0, 1.0, 2.0, np.nan])


@given(
    st.lists(st.tuples(st.integers(0, 4), CELL, CELL), min_size=1, max_size=30),
    st.booleans(),
    st.sampled_from([0.5, 1.0, np.inf]),
    st.sampled_from([1, 7, 100, 1 << 20]),
)
@settings(max_examples=150, deadline=None)
def test_merging_is_what_it_says_place_by_place(rows, is_class, deviation, cells):
    target = np.unique([place for place, *_ in rows], return_inverse=True)[1]
    values = np.array([row for _, *row in rows], np.float32)
    task = {"loss": "ce", "num_classes": 3} if is_class else {"loss": "mse"}
    spec = TaskSpec(
        name="t", dataset="d", level="graph", labels=["a", "b"], metrics=[], **task
    )  # fmt: skip
    given_labels = defaultdict(list)
    for i, place in enumerate(target.tolist()):
        for column in range(2):
            if not np.isnan(values[i, column]):
                given_labels[place, column].append((10 + i, float(values[i, column])))
    size = int(target.max()) + 1

    order = np.argsort(target, kind="stable")
    copies = Copies(
        target=np.arange(size),
        offset=offsets(np.bincount(target)),
        row=10 + order,
        values=compact(spec, values[order]),
    )
    labels = empty_labels(spec, size)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compact_module, "BLOCK_CELLS", cells)
        merge_copies(labels, copies, spec)
        found = find_contradictions(
            labels,
            copies,
            largest=np.full(2, 0 if is_class else deviation),
            place=(np.arange(size), np.arange(size + 1)),
        )

    expected = {}
    for place in range(size):
        for column in range(2):
            copies = given_labels[place, column]
            numbers = [number for _, number in copies]
            used = _merged(numbers, is_class)
            np.testing.assert_allclose(decode(labels)[place, column], used, rtol=1e-6)
            spread = max(numbers) - min(numbers) if numbers else 0
            if spread > (0 if is_class else deviation):
                expected[place, column] = copies
    listed = {
        (int(found.molecule[i]), int(found.column[i])): list(
            zip(
                found.row[found.offset[i] : found.offset[i + 1]].tolist(),
                found.value[found.offset[i] : found.offset[i + 1]].tolist(),
                strict=True,
            )
        )
        for i in range(len(found.molecule))
    }
    assert listed == expected
    assert found.num_molecules == len({place for place, _ in expected})
    np.testing.assert_array_equal(found.used, decode(labels)[found.molecule, found.column])


def _merged(numbers, is_class):
    if not numbers:
        return np.nan
    if not is_class:
        return np.mean(numbers)
    votes = sorted(((numbers.count(one), one) for one in {*numbers}), reverse=True)
    return np.nan if len(votes) > 1 and votes[0][0] == votes[1][0] else votes[0][1]
