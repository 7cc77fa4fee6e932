import os
import sys

import pytest
from warm_start import ForkedWorkers, Templates

import graphium.store.process


@pytest.fixture(scope="session", autouse=True)
def _nobody_cuts_the_power():
    """Do not wait for the disk: who is killed loses nothing that was written.

    What a power failure may lose is tested where the operations are recorded, not carried out
    (``store/test_crash_states.py``). Commands that a test starts wait as always.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture(scope="session")
def preparers():
    """Templates of processes that prepare data: of commands and of their workers."""
    if sys.platform != "linux":
        pytest.skip("processes are forked from a template on Linux only")
    command = ["graphium.cli.main", "graphium.cli.data", "graphium.cli.data_parts"]
    templates = Templates(["graphium.store.worker", "graphium.store.prepare", *command])
    yield templates
    templates.close()


@pytest.fixture(scope="session")
def trainers():
    """Templates of processes that train, or that only need torch."""
    if sys.platform != "linux":
        pytest.skip("processes are forked from a template on Linux only")
    workers = ["graphium.store.worker", "graphium.store.prepare"]
    templates = Templates(["graphium.cli.train", "graphium.training.run", *workers])
    yield templates
    templates.close()


@pytest.fixture(scope="session", autouse=True)
def _workers_are_forked(request):
    """Fork the workers that a test needs in its own process; commands start theirs as always."""
    if sys.platform != "linux":
        yield
        return
    module = graphium.store.process
    preparers = request.getfixturevalue("preparers")
    module.subprocess, started = ForkedWorkers(preparers.of), module.subprocess
    yield
    module.subprocess = started
