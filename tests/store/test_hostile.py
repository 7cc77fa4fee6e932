"""Hostile rows among good ones: everything is accounted for, and nothing hangs."""

import itertools
import json
import os
import time
from pathlib import Path

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphium.config.data import DatasetConfig
from graphium.graphs.mol_block import RowStatus
from graphium.store import pool as pool_module
from graphium.store.faults import VARIABLE
from graphium.store.featurizer import FEW, SHORT, Featurizer
from graphium.store.limits import Limits
from graphium.store.prepare import prepare_dataset
from graphium.store.process import Worker
from graphium.store.read import open_store
from graphium.testing.hostile import demanding_smiles, graph_smiles, hostile_rows

DATA = os.environ.get("GRAPHIUM_TEST_DATA")
GOOD = ["CCO", "c1ccccc1", "CC(=O)[O-].[Na+]", "N#N", "C[C@H](N)O"]


def as_bytes(row):
    return row.encode() if isinstance(row, str) else row


def as_text(row):
    return row.decode("utf-8", "replace") if isinstance(row, bytes) else row


def write(path, rows):
    """Write rows of bytes or None, and their number as a label."""
    cells = pa.array(rows, pa.binary())
    pq.write_table(pa.table({"smiles": cells, "y": pa.array(map(float, range(len(rows))))}), path)
    return DatasetConfig(table=str(path))


@pytest.fixture
def started(monkeypatch):
    """Every worker that is started, in order."""
    workers = []

    class Recorded(Worker):
        def __init__(self, limits):
            super().__init__(limits)
            self.was_started, self.was_ended = time.monotonic(), None
            workers.append(self)

        def kill(self):
            self.was_ended = time.monotonic()
            super().kill()

    monkeypatch.setattr(pool_module, "Worker", Recorded)
    return workers


@pytest.mark.skipif(DATA is None, reason="GRAPHIUM_TEST_DATA names no folder of real tables")
def test_hostile_rows_among_3000_good_ones_are_all_named_and_no_good_one_is_lost(tmp_path, started):
    good = pd.read_parquet(Path(DATA) / "smiles" / "zinc250k.parquet").iloc[:3_000, 0].tolist()
    hostile = list(hostile_rows().values())
    assert len(hostile) >= 60
    every = len(good) // len(hostile)
    rows, bad = [], []
    for number, text in enumerate(good):
        if number % every == 0 and number // every < len(hostile):
            bad.append(len(rows))
            rows.append(as_bytes(hostile[number // every]))
        rows.append(text.strip().encode())

    store = open_store(prepare_dataset("a", write(tmp_path / "a.parquet", rows), tmp_path))

    assert [one.row for one in store.rejects()] == bad
    assert all(one.reason for one in store.rejects())
    assert store.num_molecules == len(good)
    assert store.num_molecules + len(store.rejects()) == store.num_rows == len(rows)
    assert store.labels(["y"]).values[:, 0].tolist() == store.source_rows().tolist()
    assert len(started) <= os.cpu_count()  # what is cheap to see needs no worker to die


@pytest.mark.parametrize("row", hostile_rows().values(), ids=list(hostile_rows()))
def test_a_hostile_row_is_refused(row, featurizer):
    (chunk,) = featurizer([["CCO", as_text(row), *["C"] * FEW]])

    assert chunk.status[1] != RowStatus.OK
    assert chunk.rows.tolist() == [0, *range(2, FEW + 2)]


@pytest.mark.parametrize("text", demanding_smiles().values(), ids=list(demanding_smiles()))
def test_a_demanding_molecule_is_kept(text, featurizer):
    (chunk,) = featurizer([["CCO", text, *["C"] * FEW]])

    assert (chunk.status == RowStatus.OK).all()


@pytest.fixture(scope="module")
def featurizer():
    made = Featurizer()
    yield made
    made.close()


def test_a_few_short_texts_start_no_worker(started):
    few = Featurizer()
    list(few([["C" * SHORT, None, "bad"], ["C"] * (FEW - 3)]))
    assert started == []

    list(few([["C" * (SHORT + 1)]]))
    list(few([["C"] * (FEW + 1)]))
    assert len(started) == 1


def test_predictions_go_on_without_a_row_that_hangs(monkeypatch):
    monkeypatch.setenv(VARIABLE, json.dumps({"CCCC": "hang", "CCC": "exit"}))
    featurizer = Featurizer(limits=Limits(row_timeout=1.0))
    chunks = list(featurizer([["C"] * FEW, ["CC", "CCC", "CCCC", "CCCCC"], []]))

    assert chunks[1].status.tolist() == [0, RowStatus.CRASHED, RowStatus.TIMEOUT, 0]
    assert chunks[1].block.num_atoms.tolist() == [2, 5]
    assert [len(chunk.status) for chunk in chunks] == [FEW, 4, 0]


def test_a_featurizer_that_was_interrupted_can_be_used_again(started):
    featurizer = Featurizer()
    chunks = featurizer([["C"] * FEW, ["CC"]])
    next(chunks)
    chunks.close()
    assert started[0]._process.poll() is not None

    assert next(featurizer([["CC"] * (FEW + 1)])).block.num_molecules == FEW + 1


def test_each_of_many_rows_that_hang_costs_one_deadline(monkeypatch, tmp_path, started):
    bad = [f"C{'N' * k}" for k in range(1, 6)]
    monkeypatch.setenv(VARIABLE, json.dumps(dict.fromkeys(bad, "hang")))
    rows = [text.encode() for one in bad for text in (*GOOD, one)]
    config = write(tmp_path / "a.parquet", rows)

    store = open_store(
        prepare_dataset("a", config, tmp_path, workers=1, limits=Limits(row_timeout=1.0))
    )

    assert [one.smiles for one in store.rejects()] == bad
    assert {one.reason for one in store.rejects()} == {"timeout: not done after 1 s"}
    assert store.num_molecules == len(GOOD) * len(bad)
    ended = started[: len(bad)]
    assert all(worker.was_ended is not None for worker in ended)  # once for each
    # The next one had been started while the row hung: nobody waits for a start.
    assert all(after.was_started < worker.was_ended for worker, after in itertools.pairwise(ended))
    assert len(started) <= len(bad) + 2


def test_rdkit_itself_is_ended_where_no_cap_keeps_it_from_hanging(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import graphium.molecules.parse as parse\n"
        "parse.MAX_RINGS = parse.MAX_HEAVY_ATOMS = parse.MAX_ATOMS = parse.MAX_LENGTH = 10**9\n"
    )
    rows = hostile_rows()
    bad = [rows["a complete graph of 60 atoms"], rows["a hypercube of 512 atoms"]]
    limits = Limits(row_timeout=1.0)
    config = write(tmp_path / "a.parquet", [b"CCO", bad[0].encode(), b"CC", bad[1].encode()])

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1, limits=limits))

    assert store.source_rows().tolist() == [0, 2]
    assert [one.smiles for one in store.rejects()] == bad
    assert {one.reason for one in store.rejects()} == {"timeout: not done after 1 s"}


def test_a_graph_becomes_a_smiles_with_its_atoms_and_bonds():
    cube = [(a, a ^ (1 << k)) for a in range(8) for k in range(3) if a < a ^ (1 << k)]
    (chunk,) = Featurizer()([[graph_smiles(cube)]])

    assert (chunk.block.num_atoms[0], chunk.block.num_bonds[0]) == (8, 12)
