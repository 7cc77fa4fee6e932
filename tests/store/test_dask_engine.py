import os
import signal
import threading
import time

import pytest

from graphium.errors import StoreError, UsageError
from graphium.store.layout import SEGMENTS
from graphium.store.prepare import DaskEngine, prepare_dataset
from graphium.store.read import open_store
from graphium.store.verify import verify_store

distributed = pytest.importorskip("distributed", reason="the extra `cluster` is not installed")
pytestmark = pytest.mark.dist


def digests(store):
    return {name: array.sha256 for name, array in open_store(store).record.arrays.items()}


@pytest.fixture(scope="module")
def cluster():
    """Two workers, each a process."""
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=1, memory_limit=0, dashboard_address=":0"
    ) as started:
        yield started


def test_a_dask_worker_that_is_killed_in_mid_segment_changes_nothing(
    cluster, config, store_dir, tmp_path
):
    killed = []

    def kill_one():
        while not (begun := list(tmp_path.glob(f"stores/*/{SEGMENTS}/*"))):
            time.sleep(0.002)
        killed.append(int(begun[0].name.split("-")[-2]))  # who writes it: ..., process, token
        os.kill(killed[0], signal.SIGKILL)

    workers = [worker.pid for worker in cluster.workers.values()]
    threading.Thread(target=kill_one, daemon=True).start()
    engine = DaskEngine(cluster.scheduler_address)
    store = prepare_dataset("all", config, tmp_path, workers=1, segment_rows=17, engine=engine)

    assert killed[0] in workers
    assert digests(store) == digests(store_dir)
    prepare_dataset("all", config, tmp_path)  # the killed worker's process may have ended only now
    assert verify_store(store) == []


def test_a_segment_that_cannot_be_written_is_an_error_of_the_store(
    cluster, config, tmp_path, monkeypatch
):
    monkeypatch.setattr("graphium.store.dask_engine.write_one", _fail)
    engine = DaskEngine(cluster.scheduler_address)

    with pytest.raises(StoreError, match="no space"):
        prepare_dataset("all", config, tmp_path, workers=1, segment_rows=17, engine=engine)
    assert not list(tmp_path.glob("stores/*/.tmp-*"))


def test_a_scheduler_that_does_not_answer_is_a_mistake(config, tmp_path):
    with pytest.raises(UsageError, match="No Dask scheduler answers at 'nowhere'"):
        prepare_dataset("all", config, tmp_path, workers=1, engine=DaskEngine("nowhere"))


def _fail(*_):
    raise StoreError("no space is left")
