"""Stores whose tables get more rows."""

import csv
import hashlib
import logging
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from graphium.batching.mix import open_mix
from graphium.cli.store_info import describe_store
from graphium.config.data import DatasetConfig
from graphium.config.experiment import Experiment
from graphium.errors import DataError, StoreError
from graphium.store import append, share
from graphium.store.append import append_rows
from graphium.store.growth import CannotGrow, plan_growth, rows_behind
from graphium.store.layout import COMMITS, MANIFEST, REJECTS
from graphium.store.planning import make_plan
from graphium.store.pool import WorkerPool
from graphium.store.prepare import prepare_dataset, prepare_experiment, store_path
from graphium.store.read import open_store
from graphium.store.source import find_source
from graphium.store.verify import verify_store


def everything(path):
    """Return the SHA-256 of each logical array, whatever segments it is divided into."""
    store = open_store(path)
    block = store.graphs()
    plan = store.record.plan
    arrays = {
        name: getattr(block, name)
        for name in block.__dataclass_fields__
        if getattr(block, name) is not None
    }
    arrays["rows"] = store.source_rows()
    for level in ("graph", "node", "edge", "nodepair"):
        names = [one.name for one in plan.of_level(level)]
        if names:
            table = store.labels(names)
            arrays |= {f"{level} rows": table.rows, f"{level} values": table.values}
    digests = {
        name: hashlib.sha256(np.ascontiguousarray(array).tobytes()).hexdigest()
        for name, array in arrays.items()
    }
    texts = {one.name: store.text(one.name) for one in plan.text_columns}
    rejects = [(one.row, one.smiles, one.reason) for one in store.rejects()]
    return digests, texts, store.smiles(), rejects, store.record.failures, store.record.coverage


@pytest.fixture
def halves(table, tmp_path):
    """The table of every level in two files."""
    frame = pd.read_parquet(table)
    folder = tmp_path / "halves"
    folder.mkdir()
    frame[:35].to_parquet(folder / "part-1.parquet")
    frame[35:].to_parquet(folder / "part-2.parquet")
    return folder


def config_of(path, **options):
    return DatasetConfig(table=str(path), **options)


def write(path, smiles, **columns):
    pd.DataFrame({"smiles": smiles, **columns}).to_csv(path, index=False)
    return config_of(path)


def grow(path, smiles, *columns):
    """Append lines to a csv."""
    with path.open("a", newline="") as file:
        csv.writer(file, lineterminator="\n").writerows(zip(smiles, *columns, strict=True))


def test_a_store_and_added_rows_equal_the_store_of_both_tables_as_one(halves, tmp_path):
    first, second = halves / "part-1.parquet", halves / "part-2.parquet"
    base = prepare_dataset("x", config_of(first), tmp_path / "a", workers=1, segment_rows=17)
    before = (base / MANIFEST).read_bytes()

    longer = append_rows(base, str(second), workers=1)

    whole = config_of(halves / "part-*.parquet")
    at_once = prepare_dataset("x", whole, tmp_path / "b", workers=1)
    assert everything(longer) == everything(at_once)
    assert verify_store(longer) == []
    assert (base / MANIFEST).read_bytes() == before
    assert verify_store(base) == []
    # Whoever names both files together finds it.
    both = DatasetConfig(table=[str(first), str(second)])
    assert store_path(whole, tmp_path / "a") == store_path(both, tmp_path / "a") == longer


def test_segments_are_shared_and_either_store_may_be_removed(halves, tmp_path):
    base = prepare_dataset("x", config_of(halves / "part-1.parquet"), tmp_path, workers=1)
    longer = append_rows(base, str(halves / "part-2.parquet"), workers=1)
    content = everything(longer)

    (shard,) = base.glob("segments/*/atom_code/c.0")
    assert shard.samefile(longer / shard.relative_to(base))
    shutil.rmtree(base)

    assert everything(longer) == content
    assert verify_store(longer) == []


def test_rows_can_be_added_again_and_again(tmp_path):
    configs = [
        write(tmp_path / f"t{k}.csv", ["C" * (k + j) for j in range(1, 4)], y=range(3))
        for k in range(3)
    ]
    store = prepare_dataset("x", configs[0], tmp_path, workers=1, segment_rows=2)

    for config in configs[1:]:
        store = append_rows(store, config.table, workers=1)

    plan = open_store(store).record.plan
    assert [plan.first_row_of(number) for number in range(plan.num_segments)] == [0, 2, 3, 6]
    assert [plan.rows_of(number) for number in range(plan.num_segments)] == [2, 1, 3, 3]
    at_once = prepare_dataset("x", config_of(tmp_path / "t?.csv"), tmp_path / "b", workers=1)
    assert everything(store) == everything(at_once)
    assert "shared    3 rows in 2 segments" in describe_store(open_store(store))
    assert "added     3 rows in 1 segments" in describe_store(open_store(store))


def test_rejected_rows_name_the_file_and_the_row_inside_it(tmp_path):
    base = prepare_dataset("x", write(tmp_path / "a.csv", ["C", "bad"]), tmp_path, workers=1)
    write(tmp_path / "b.csv", ["CC", "CCC", "worse"])

    longer = append_rows(base, str(tmp_path / "b.csv"), workers=1)

    with (longer / REJECTS).open(newline="") as file:
        lines = [tuple(line.values()) for line in csv.DictReader(file)]
    assert [(row, smiles, *place) for row, smiles, _, *place in lines] == [
        ("1", "bad", "a.csv", "1"),
        ("4", "worse", "b.csv", "2"),
    ]


@pytest.mark.parametrize("name", ["t.csv", "t.smi"])
def test_a_file_with_more_lines_takes_over_what_was_prepared(name, tmp_path, caplog):
    path = tmp_path / name
    path.write_text("smiles\nC\nCC\nbad\n")
    base = prepare_dataset("x", config_of(path), tmp_path, workers=1)
    with path.open("a") as file:
        file.write("CCC\nCCCC\n")

    with caplog.at_level(logging.INFO):
        longer = prepare_dataset("x", config_of(path), tmp_path, workers=1)

    assert f"The first 3 of the 5 rows of {name} are taken from {base.name}" in caplog.text
    plan = open_store(longer).record.plan
    assert [(one.store, one.rows) for one in plan.earlier] == [(base.name, 3)]
    assert everything(longer) == everything(prepare_dataset("x", config_of(path), tmp_path / "b"))
    assert verify_store(longer) == []
    assert append_rows(base, str(path), workers=1) == longer


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("smiles,y\nC,1\nCC,1\n", "smiles,y\nC,1\nCC,0\nCCC,1\n"),
        ("smiles,y\nC,1\nCC,1", "smiles,y\nC,1\nCC,10\nCCC,1\n"),
        ("smiles,y\nC,1\n", "smiles,y\nC,1\n\n"),
    ],
    ids=["a row changed", "the last row goes on", "no row was added"],
)
def test_a_file_that_did_not_only_get_more_rows_is_prepared_anew(before, after, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(before)
    prepare_dataset("x", config_of(path), tmp_path, workers=1)
    path.write_text(after)

    store = prepare_dataset("x", config_of(path), tmp_path, workers=1)

    assert open_store(store).record.plan.earlier == ()
    assert everything(store) == everything(prepare_dataset("x", config_of(path), tmp_path / "b"))


@pytest.mark.parametrize(
    ("added", "reason"),
    [
        ({"y": ["2"]}, "'y' held 0 and 1 alone and now holds other numbers"),
        ({"y": ["high"]}, r"'y' held numbers and now holds text \(row 0 is 'high'\)"),
        ({"y": ["[1, 2]"]}, "'y' held numbers and now holds lists of numbers"),
        ({"z": ["1"]}, "the new rows lack y; the new rows have z besides"),
    ],
)
def test_rows_that_change_what_a_column_holds_are_refused_or_all_is_prepared_anew(
    added, reason, tmp_path, caplog
):
    path = tmp_path / "a.csv"
    base = prepare_dataset("x", write(path, ["C", "CC"], y=["0", "1"]), tmp_path, workers=1)
    write(tmp_path / "b.csv", ["CCO"], **added)

    with pytest.raises(DataError, match=rf"cannot be added to a-.*: {reason}\. Prepare them as"):
        append_rows(base, str(tmp_path / "b.csv"), workers=1)
    assert list((tmp_path / "stores").iterdir()) == [base]

    if "y" in added:
        grow(path, ["CCO"], added["y"])
        store = prepare_dataset("x", config_of(path), tmp_path, workers=1)
        assert "all are prepared anew: 'y'" in caplog.text
        assert open_store(store).record.plan.earlier == ()


def test_what_cannot_be_added_is_refused_and_says_why(tmp_path, monkeypatch):
    config = write(tmp_path / "a.csv", ["C"], y=[1])
    base = prepare_dataset("x", config, tmp_path, workers=1)
    pd.DataFrame({"smiles": ["CC"], "y": [2]}).to_parquet(tmp_path / "b.parquet")

    with pytest.raises(DataError, match=r"another format \(\.parquet\) than the table of a-"):
        append_rows(base, str(tmp_path / "b.parquet"))
    with pytest.raises(DataError, match=r"a\.csv are in a-.* already"):
        append_rows(base, config.table)
    monkeypatch.setattr(append, "content_versions", lambda: {"rdkit": "1", "featurizer": "0"})
    with pytest.raises(StoreError, match=r"made by featurizer .*; this is featurizer 0, rdkit 1"):
        append_rows(base, str(tmp_path / "b.csv"))


@pytest.mark.parametrize("links", [0, 5, 10_000])
def test_after_an_interruption_the_next_process_makes_the_same_store(links, halves, tmp_path):
    """Stopped before the first link, in the middle of a segment, and before the new rows."""
    base = prepare_dataset(
        "x", config_of(halves / "part-1.parquet"), tmp_path, workers=1, segment_rows=17
    )
    count = 0

    def link(*names):
        nonlocal count
        if count == links:
            raise KeyboardInterrupt
        count += 1
        os.link(*names)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(share.os, "link", link)
        if links == 10_000:
            patch.setattr(append, "write_segments", lambda *_: link() if count else None)
            count = links
        with pytest.raises(KeyboardInterrupt):
            append_rows(base, str(halves / "part-2.parquet"), workers=1)
    assert verify_store(base) == []

    longer = append_rows(base, str(halves / "part-2.parquet"), workers=1)

    assert verify_store(longer) == []
    whole = config_of(halves / "part-*.parquet")
    assert everything(longer) == everything(prepare_dataset("x", whole, tmp_path / "b", workers=1))


def test_segments_that_are_gone_are_made_from_the_table(tmp_path):
    path = tmp_path / "t.csv"
    base = prepare_dataset("x", write(path, ["C", "CC"], y=[1, 0]), tmp_path, workers=1)
    grow(path, ["CCC"], [1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphium.store.prepare.write_segments", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare_dataset("x", config_of(path), tmp_path, workers=1)
    longer = store_path(config_of(path), tmp_path)
    assert len(list((longer / COMMITS).iterdir())) == 1
    shutil.rmtree(longer / COMMITS)
    shutil.rmtree(base)

    assert prepare_dataset("x", config_of(path), tmp_path, workers=1) == longer
    assert verify_store(longer) == []
    assert open_store(longer).smiles() == ["C", "CC", "CCC"]


def test_segments_of_other_borders_are_not_shared(tmp_path):
    """The first store was made anew while the longer one was not finished."""
    path = tmp_path / "t.csv"
    config = write(path, ["C", "CC", "CCC", "CCCC"], y=[1, 0, 1, 1])
    start = path.read_bytes()
    base = prepare_dataset("x", config, tmp_path, workers=1, segment_rows=2)
    grow(path, ["CCCCC"], [1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphium.store.prepare.share_segments", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            prepare_dataset("x", config, tmp_path, workers=1)
    whole = path.read_bytes()
    shutil.rmtree(base)
    path.write_bytes(start)
    assert prepare_dataset("x", config, tmp_path, workers=1, segment_rows=4) == base
    path.write_bytes(whole)

    longer = prepare_dataset("x", config, tmp_path, workers=1)

    assert verify_store(longer) == []
    assert open_store(longer).smiles() == ["C", "CC", "CCC", "CCCC", "CCCCC"]
    assert open_store(longer).labels(["y"]).values[:, 0].tolist() == [1, 0, 1, 1, 1]


CELLS = st.sampled_from(["", "0", "1", "7", "-1", "2.5", "inf", "a", "b", "[1]", "[1, 2]", "[]"])


@pytest.fixture(scope="module")
def pool():
    with WorkerPool(1) as pool:
        yield pool


@given(cells=st.lists(CELLS, min_size=2, max_size=8), at=st.integers(1, 7))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_grown_plan_is_that_of_all_rows_or_is_refused(cells, at, tmp_path, pool):
    at = min(at, len(cells) - 1)
    smiles = ["CC", "C", "CCC", "O", "CO", "CCO", "N", "CN"]
    path = tmp_path / "t.csv"

    def plan(count):
        config = write(path, smiles[:count], y=cells[:count])
        return find_source(config), lambda: make_plan(config, find_source(config), pool, None)

    try:
        before = plan(at)[1]()
    except DataError:  # lists whose level cannot be told
        return
    store = SimpleNamespace(
        path=Path("stores/t-0"),
        record=SimpleNamespace(plan=before),
        distinct_text=lambda _: {cell for cell in cells[:at] if cell},
    )
    source, whole = plan(len(cells))

    grown = plan_growth(store, source, rows_behind(before, source), None)

    if isinstance(grown, CannotGrow):
        event("refused")
        return
    event("grown")
    try:
        at_once = whole()
    except DataError:
        at_once = None
    if any(cell.startswith("[") for cell in cells[:at]):
        return  # what lists are of is decided by the first of them, and not asked again
    assert at_once is not None
    assert varied(grown) == varied(at_once)


def varied(plan):
    """What of a plan does not depend on how the rows came."""
    fields = plan.model_dump(exclude={"earlier", "segment_rows"})
    return {**fields, "skipped": list(plan.skipped)}  # the reason may name another row


def test_one_molecule_in_old_and_new_rows_is_merged_as_in_one_table(tmp_path):
    first = write(tmp_path / "a.csv", ["CCO", "CCC", "c1ccccc1", "CN"], y=[1.0, 2.5, 3.5, 4.5])
    base = prepare_dataset("x", first, tmp_path, workers=1)
    write(tmp_path / "b.csv", ["OCC", "CCCC"], y=[3.0, 5.5])
    append_rows(base, str(tmp_path / "b.csv"), workers=1)
    both = [str(tmp_path / name) for name in ("a.csv", "b.csv")]
    split = {"kind": "random", "fractions": [1, 0, 0]}
    experiment = Experiment.model_validate(
        {
            "name": "e",
            "datasets": {"x": {"table": both, "split": split}},
            "tasks": {"t": {"dataset": "x", "labels": ["y"], "loss": "mae", "normalize": "none"}},
        }
    )
    prepare_experiment(experiment, tmp_path, workers=1)

    mix = open_mix(experiment, tmp_path)

    assert len(list((tmp_path / "stores").iterdir())) == 2  # nothing was prepared again
    assert mix.report.tasks["t"].merged == 1
    assert mix.tasks["t"].values[0, 0] == 2.0  # the mean of row 0 and row 4
    assert mix.sources["x"].molecule[[0, 4]].tolist() == [0, 0]
