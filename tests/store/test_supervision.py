import json
import logging
import os
import signal
import threading
import time

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from graphium.config.data import DatasetConfig
from graphium.errors import StoreError
from graphium.molecules.featurize import featurize_chunk
from graphium.store.chunk_bytes import unpack_chunk
from graphium.store.faults import VARIABLE
from graphium.store.limits import Limits
from graphium.store.pool import Job, WorkerPool
from graphium.store.prepare import prepare_dataset
from graphium.store.read import open_store

QUICK = Limits(row_timeout=1.0, worker_memory=1.0)
HANG, CRASH, EXIT, MEMORY = "C1CCCCCCCC1", "C1CCCCCCC1", "C1CCCCCC1", "C1CCCCC1"
FAULTS = {HANG: "hang", CRASH: "crash", EXIT: "exit", MEMORY: "memory"}
GOOD = ["CCO", "c1ccccc1", "CC(=O)[O-].[Na+]", "N#N", "C[C@H](N)O"]


def nothing(_):
    pass


@pytest.fixture
def faults(monkeypatch):
    monkeypatch.setenv(VARIABLE, json.dumps(FAULTS))


def job(smiles, kind="sizes", **options):
    rows = pa.table({"smiles": pa.array(smiles, pa.string())})
    return Job({"kind": kind, "hydrogens": "implicit", **options}, rows, "the work")


def write(path, smiles, **columns):
    pd.DataFrame({"smiles": smiles, "y": np.arange(float(len(smiles))), **columns}).to_csv(
        path, index=False
    )
    return DatasetConfig(table=str(path))


def digests(store):
    return {name: array.sha256 for name, array in store.record.arrays.items()}


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (HANG, "timeout: not done after 1 s"),
        (CRASH, "crashed: SIGSEGV"),
        (EXIT, "crashed: exit code 3"),
        (MEMORY, "crashed: more than 1 GB of memory"),
    ],
)
def test_a_row_that_hangs_or_kills_its_worker_is_refused_and_all_others_are_kept(
    bad, reason, faults, tmp_path, caplog
):
    smiles = [*GOOD, bad, *GOOD, "not a SMILES"]

    store = open_store(
        prepare_dataset("a", write(tmp_path / "a.csv", smiles), tmp_path, workers=1, limits=QUICK)
    )

    assert store.source_rows().tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert [(one.row, one.smiles) for one in store.rejects()] == [(5, bad), (11, "not a SMILES")]
    assert store.rejects()[0].reason.startswith(reason)
    assert store.labels(["y"]).values[:, 0].tolist() == [0, 1, 2, 3, 4, 6, 7, 8, 9, 10]
    assert store.record.failures == {reason.split(":")[0]: 1, "syntax": 1}
    assert "row 5 of it is refused" in caplog.text


def test_a_store_with_refused_rows_does_not_depend_on_the_number_of_workers(faults, tmp_path):
    smiles = [*GOOD, CRASH, *GOOD, HANG, *GOOD, EXIT, *GOOD]
    config = write(tmp_path / "a.csv", smiles)
    stores = [
        open_store(
            prepare_dataset("a", config, tmp_path / str(n), workers=n, limits=QUICK, segment_rows=9)
        )
        for n in (1, 2, 3)
    ]

    assert stores[0].record.failures == {"crashed": 2, "timeout": 1}
    assert stores[0].num_molecules == 20
    assert digests(stores[0]) == digests(stores[1]) == digests(stores[2])


def test_refusing_a_row_changes_nothing_of_the_others(faults, tmp_path):
    with_bad = write(tmp_path / "a.csv", [*GOOD, HANG])
    without = write(tmp_path / "b.csv", [*GOOD, "bad"])

    refused, plain = (
        open_store(prepare_dataset("a", config, tmp_path, workers=1, limits=QUICK))
        for config in (with_bad, without)
    )

    same = [name for name in digests(plain) if "reject" not in name and name != "status"]
    assert {k: digests(refused)[k] for k in same} == {k: digests(plain)[k] for k in same}


def test_a_row_that_hangs_in_a_computed_label_is_refused_too(monkeypatch, tmp_path):
    config = write(tmp_path / "a.csv", ["CCO", "CCN", "CCC"])
    config = config.model_copy(update={"computed": ["gasteiger_charge"]})
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import graphium.molecules.computed as computed\n"
        "whole = computed.gasteiger_charges\n"
        "def charges(mol):\n"
        "    while mol.GetAtomWithIdx(2).GetSymbol() == 'N': pass\n"
        "    return whole(mol)\n"
        "computed.gasteiger_charges = charges\n"
    )

    store = open_store(prepare_dataset("a", config, tmp_path, workers=1, limits=QUICK))

    assert [(one.row, one.reason.split(":")[0]) for one in store.rejects()] == [(1, "timeout")]
    assert store.num_molecules == 2


def test_a_row_that_hangs_where_many_are_done_at_once_is_found(monkeypatch, tmp_path):
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    (tmp_path / "sitecustomize.py").write_text(
        "import graphium.molecules.featurize as featurize\n"
        "whole = featurize.hash_chunk\n"
        "def hash_chunk(properties, *rest):\n"
        "    while 7 in properties.num_atoms: pass\n"
        "    return whole(properties, *rest)\n"
        "featurize.hash_chunk = hash_chunk\n"
    )
    config = write(tmp_path / "a.csv", [*GOOD, "C" * 7, *GOOD, "N" * 7, *GOOD])

    limits = Limits(row_timeout=0.5)
    store = open_store(prepare_dataset("a", config, tmp_path, workers=1, limits=limits))

    assert [one.smiles for one in store.rejects()] == ["C" * 7, "N" * 7]
    assert {one.reason for one in store.rejects()} == {"timeout: not done after 0.5 s"}
    assert store.num_molecules == 3 * len(GOOD)


def test_every_kind_of_job_goes_on_without_a_bad_row(faults):
    with WorkerPool(1, QUICK) as pool:
        sizes = next(pool.run([job(["CCO", CRASH, "C"])], nothing))
        join = {"key": "join", "of": "stereo", "number": 0}
        keys = next(pool.run([job(["OCC", EXIT, "CCO"], "keys", **join)], nothing))
        scaffold = {**join, "key": "scaffold"}
        split = next(pool.run([job(["OCC", HANG, HANG], "keys", **scaffold)], nothing))

    assert sizes == {"rows": [0, 2], "atoms": [[3, 3], [1, 1]], "bonds": [[2, 2], [0, 0]]}
    assert keys["keys"] == ["CCO", f"not canonical: {EXIT}", "CCO"]
    assert split["keys"] == ["", *[f"not canonical: {HANG}"] * 2]


def test_a_chunk_from_a_worker_equals_one_made_here():
    smiles = [*GOOD, "bad", None, "C" * 300]
    with WorkerPool(1) as pool:
        theirs, nobody = map(
            unpack_chunk, pool.run_in_order([job(smiles, "featurize"), job([], "featurize")])
        )
    ours = featurize_chunk(smiles, ranks=False)

    for one, other in ((ours, theirs), (ours.block, theirs.block)):
        for name in one.__slots__:
            if name != "block":
                np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
                assert type(getattr(one, name)) is type(getattr(other, name))
    assert nobody.block.num_molecules == 0


def test_results_come_in_the_order_of_their_jobs(faults):
    lists = [["C"], [CRASH, "CC"], ["CCC"], ["CCCC"]]
    with WorkerPool(3, QUICK) as pool:
        chunks = [
            unpack_chunk(one) for one in pool.run_in_order(job(one, "featurize") for one in lists)
        ]

    assert [chunk.block.num_atoms.tolist() for chunk in chunks] == [[1], [2], [3], [4]]


def test_rows_are_reported_once_however_often_they_are_done(faults):
    seen = []
    with WorkerPool(1, QUICK) as pool:
        next(pool.run([job(["C", HANG, "C", EXIT])], seen.append))

    assert sum(seen) == 4


def soon_after_the_start(pool, do):
    """Do something with the first worker when it has been at work for a moment."""

    def wait():
        while not pool._started:
            time.sleep(0.01)
        time.sleep(0.3)
        do(pool._started[0])

    thread = threading.Thread(target=wait, daemon=True)
    thread.start()
    return thread


def test_a_worker_that_is_killed_from_outside_loses_nothing():
    smiles = ["C" * 50] * 20_000
    with WorkerPool(1) as pool:
        killed = []

        def kill(worker):
            worker.kill()
            killed.append(worker)

        soon_after_the_start(pool, kill)
        assert next(pool.run([job(smiles)], nothing))["rows"] == list(range(20_000))
        assert killed[0]._process.poll() == -signal.SIGKILL
        assert killed[0] not in pool._started


def test_workers_that_die_again_and_again_without_a_row_to_blame_are_an_error(monkeypatch):
    monkeypatch.setenv("GRAPHIUM_WORKER_FAULTS", "not JSON")  # no worker can start
    with WorkerPool(1) as pool, pytest.raises(StoreError, match="made the work died 3 times"):
        next(pool.run([job(["C"])], nothing))


def test_a_worker_that_is_stopped_is_not_late(monkeypatch, faults):
    """Time on the wall refuses nothing: a crowded or suspended machine looks like this."""
    smiles = ["CC(C)c1ccccc1" * 3] * 12_000

    def stop_for_a_while(worker):
        os.kill(worker.pid, signal.SIGSTOP)
        time.sleep(2.0)
        os.kill(worker.pid, signal.SIGCONT)

    with WorkerPool(1, Limits(row_timeout=0.2)) as pool:
        stopped = soon_after_the_start(pool, stop_for_a_while)
        assert len(next(pool.run([job(smiles)], nothing))["rows"]) == 12_000
        assert not stopped.is_alive()


def test_a_worker_that_stands_still_is_given_up_after_a_generous_time(monkeypatch):
    monkeypatch.setenv(VARIABLE, json.dumps({HANG: "sleep"}))
    with WorkerPool(1, Limits(row_timeout=0.03)) as pool:
        sizes = next(pool.run([job(["C", HANG])], nothing))

    assert sizes["rows"] == [0]


def test_leaving_a_pool_by_an_error_ends_a_worker_that_hangs(faults):
    pool = WorkerPool(1, Limits(row_timeout=600))
    workers = []

    def interrupt():
        workers.extend(pool._started)
        os.kill(os.getpid(), signal.SIGINT)

    # A suite that a script started in the background inherits an ignored SIGINT.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        threading.Timer(2.0, interrupt).start()
        with pytest.raises(KeyboardInterrupt), pool:
            next(pool.run([job([HANG])], nothing))
    finally:
        signal.signal(signal.SIGINT, before)

    assert [worker._process.poll() for worker in workers] == [-signal.SIGKILL]


def test_no_fault_is_committed_unless_the_environment_says_so(tmp_path, caplog):
    assert VARIABLE not in os.environ
    with caplog.at_level(logging.WARNING):
        store = open_store(
            prepare_dataset("a", write(tmp_path / "a.csv", list(FAULTS)), tmp_path, workers=1)
        )

    assert store.num_molecules == 4
    assert not caplog.records
