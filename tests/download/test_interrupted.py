"""Processes that are killed or meet, disks that are full, and what is shown meanwhile."""

import errno
import io
import json
import os
import subprocess
import sys
import time

import file_server as turns
import pytest
from conftest import CONTENT
from rich.console import Console

from graphium.download import archives, partial, progress
from graphium.download.limits import Limits
from graphium.download.progress import DownloadProgress
from graphium.errors import DownloadError


def test_two_downloads_into_one_folder_do_not_meet(server, get, folder):
    server.add("/data.bin", CONTENT, turns.stall(10))
    server.add("/other.bin", CONTENT)
    folder.mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, server.url("/data.bin"), str(folder)], env={}
    ) as other:
        wait_for(lambda: server.requests)
        with pytest.raises(DownloadError, match="Another graphium downloads into"):
            get("/other.bin")
        other.kill()
    assert get("/other.bin").file.how == "downloaded"


KILLED = """
import sys
from pathlib import Path
from graphium.config.sources import DatasetSource
from graphium.download.limits import Limits
from graphium.download.mix import download
from graphium.download.progress import DownloadProgress
source = DatasetSource.model_validate({"licence": "x", "files": [{"url": sys.argv[1]}]})
list(download({"data": source}, Path(sys.argv[2]), Limits(checkpoint=1000), DownloadProgress()))
"""


def wait_for(condition):
    until = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_download_that_is_killed_leaves_no_file_of_the_name_and_goes_on(server, get, folder):
    server.add("/data.bin", CONTENT, turns.stall(45_000))
    note = folder / "data.bin.part.json"
    with subprocess.Popen(
        [sys.executable, "-c", KILLED, server.url("/data.bin"), str(folder)], env={}
    ) as process:
        wait_for(note.exists)
        process.kill()
    noted = json.loads(note.read_text())["bytes"]
    assert not (folder / "data.bin").exists()

    assert get().file.path.read_bytes() == CONTENT
    assert server.requests[-1][1]["Range"] == f"bytes={noted}-"


class FullDisk(io.FileIO):
    """Has room for so many bytes."""

    room = 30_000

    def write(self, piece):
        left = self.room - os.fstat(self.fileno()).st_size
        if left <= 0:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        return super().write(piece[:left])


def test_a_full_disk_is_named_and_what_has_arrived_is_kept(server, get, folder, monkeypatch):
    server.add("/data.bin", CONTENT)
    opened = partial.Path.open

    def fill(path, mode="r", **options):
        return (
            FullDisk(path, "a+") if path.name.endswith(".part") else opened(path, mode, **options)
        )

    with monkeypatch.context() as patch:
        patch.setattr(partial.Path, "open", fill)
        with pytest.raises(DownloadError, match=r"is full after [\d,]+ bytes\. Make room"):
            get()
    assert not (folder / "data.bin").exists()

    assert get().file.path.read_bytes() == CONTENT
    first = int(server.requests[-1][1]["Range"].removeprefix("bytes=").rstrip("-"))
    assert 0 < first <= FullDisk.room


def test_a_disk_that_is_full_while_an_archive_is_unpacked_leaves_no_half(tmp_path, monkeypatch):
    path = tmp_path / "a.zip"
    with archives.zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.csv", CONTENT)

    def full(*_):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(archives, "sync_tree", full)
    with pytest.raises(DownloadError, match="is full while"):
        archives.unpack(path, tmp_path / "a", archives.ArchiveLimits(), lambda _: None)
    assert os.listdir(tmp_path) == ["a.zip"]


def test_a_folder_that_cannot_be_written_is_named(server, get, folder):
    folder.write_text("a file")
    with pytest.raises(DownloadError, match=r"File exists\. Mend it, or choose another"):
        get()
    folder.unlink()
    (folder / "data.bin").mkdir(parents=True)
    with pytest.raises(DownloadError, match="is a folder; a file of this name is to come"):
        get()
    (folder / "other.bin.part").mkdir()
    with pytest.raises(DownloadError, match=r"Is a directory\. Mend it"):
        get("/other.bin")


def test_waits_double_up_to_a_limit():
    limits = Limits(first_wait=1, longest_wait=5)
    assert [limits.wait_before(attempt) for attempt in range(2, 7)] == [1, 2, 4, 5, 5]


def test_a_terminal_shows_a_bar_that_learns_its_length(monkeypatch):
    screen = io.StringIO()
    console = Console(file=screen, force_terminal=True, width=100)
    monkeypatch.setattr(progress, "Console", lambda **_: console)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)

    with DownloadProgress() as shown, shown.file("data.bin", None) as meter:
        meter.expect(2_000_000)
        meter.advance(1_000_000)
        shown.say("once [more]")
        shown._bars.refresh()

    assert "data.bin" in screen.getvalue()
    assert "1.0/2.0 MB" in screen.getvalue()
    assert "once [more]" in screen.getvalue()


def test_a_log_gets_a_line_now_and_then(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress.time, "monotonic", lambda: now[0])
    with DownloadProgress() as shown, shown.file("data.bin", None) as meter:
        for count in (1_000, 2_000, 3_000):
            now[0] += 6.0
            meter.advance(count)
            meter.expect(9_000)

    assert capsys.readouterr().err == "data.bin: 3,000 of 9,000 bytes\n"
