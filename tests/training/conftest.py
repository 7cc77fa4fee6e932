"""Ranks that a test spawns are forked from one process that has imported what they need."""

import multiprocessing
from functools import partial

import pytest
import torch.multiprocessing


@pytest.fixture(scope="session", autouse=True)
def _spawned_ranks_are_forked():
    multiprocessing.set_forkserver_preload(["graphium.training.run", "graphium.testing.toy"])
    forked = partial(torch.multiprocessing.start_processes, start_method="forkserver")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(torch.multiprocessing, "spawn", forked)
        yield
