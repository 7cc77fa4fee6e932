import hashlib
import random

import pytest
from file_server import FileServer

from graphium.config.sources import DatasetSource
from graphium.download.limits import Limits
from graphium.download.mix import download
from graphium.download.progress import DownloadProgress

CONTENT = random.Random(0).randbytes(50_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch):
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def server():
    server = FileServer()
    yield server
    server.close()


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "downloads"


@pytest.fixture
def get(server, folder):
    """Download one file of the server (``/data.bin``) and return what came of it."""

    def call(path="/data.bin", *, limits=None, archive_limits=None, **options):
        chosen = {"first_wait": 0.0, "timeout": 0.5, "attempts": 3, "checkpoint": 15_000}
        source = DatasetSource.model_validate(
            {"licence": "none", "files": [{"url": server.url(path), **options}]}
        )
        (one,) = download(
            {"data": source},
            folder,
            Limits(**(chosen | (limits or {}))),
            DownloadProgress(),
            archive_limits,
        )
        return one

    return call
