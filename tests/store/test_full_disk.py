"""A disk that is full or fails, at any operation: a message, nothing half done, and a way on."""

import errno
import os
import random
import shutil
import subprocess

import pytest
from in_process import digests, prepare_here, small_table
from recorded_disk import Recorder

from graphium.errors import StoreError
from graphium.store.layout import COMMITS, OWNERS, TEMPORARY
from graphium.store.verify import verify_store

ROWS = 8
"""Of a segment; the table has two."""
GROWING = ("mkdir", "create", "write", "fsync", "link")
"""Operations that fail on a full disk; names can still be changed and removed."""


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    return small_table(tmp_path_factory.mktemp("tables") / "small.csv", 2 * ROWS)


@pytest.fixture(scope="module")
def undisturbed(table, tmp_path_factory):
    return digests(prepare_here(table, tmp_path_factory.mktemp("root"), ROWS))


@pytest.fixture(scope="module")
def num_operations(table, tmp_path_factory):
    with Recorder(top := tmp_path_factory.mktemp("recorded")) as recorder:
        prepare_here(table, top / "root", ROWS)
    return sum(one.kind in GROWING for one in recorder.operations)


def failing(at, number, *, once):
    """Return what fails from an operation on, or only at that."""
    passed = 0

    def before(operation):
        nonlocal passed
        if operation.kind in GROWING:
            passed += 1
            if passed == at or (passed > at and not once):
                raise OSError(number, os.strerror(number))

    return before


def assert_clean_and_continued(table, top, at, number, undisturbed, *, once):
    with (
        Recorder(top, failing(at, number, once=once)),
        pytest.raises(StoreError, match=r"could not be written: .*run the same command again"),
    ):
        prepare_here(table, top / "root", ROWS)
    assert not [path for path in top.rglob("*") if path.name.startswith((TEMPORARY, OWNERS))]
    unfinished = [
        path
        for path in top.glob("root/stores/*/segments/*")
        if not (path.parents[1] / COMMITS / f"{path.name.split('-')[0]}.json").exists()
    ]
    assert len(unfinished) <= 1  # a thread may write one more file after the error was told

    store = prepare_here(table, top / "root", ROWS)

    assert digests(store) == undisturbed
    assert verify_store(store) == []


@pytest.mark.parametrize("once", [True, False], ids=["one failure", "full from then on"])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EIO], ids=["full", "broken"])
def test_an_operation_that_fails_is_told_and_leaves_nothing_half_done(
    number, once, table, undisturbed, num_operations, tmp_path, monkeypatch
):
    for at in random.Random(number).sample(range(1, num_operations), 8):
        top = tmp_path / str(at)
        top.mkdir()
        assert_clean_and_continued(table, top, at, number, undisturbed, once=once)


PREPARE = """
import resource, sys
from graphium.cli.main import main
limit = int(sys.argv.pop(1))
if limit:
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
main(sys.argv[1:])
"""


@pytest.fixture
def command(preparers):
    """Run a command; return its exit code and what it said."""

    def run(*words, limit=0):
        process = preparers.of(os.environ).start(
            PREPARE,
            [str(limit), *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            workers=not limit,  # the limit is inherited by workers that the command itself starts
        )
        return process.communicate()[0], process.returncode

    return run


def assert_told(failed, what):
    said, code = failed
    assert code == 3
    assert "Traceback" not in said
    assert f"could not be written: {what}" in said
    assert "run the same command again" in said


@pytest.fixture
def small_disk(tmp_path):
    """A real file system of 300 kB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("only root may mount a small file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_the_command_tells_that_the_disk_is_full_and_goes_on_when_there_is_space(
    small_disk, command, tmp_path
):
    table = small_table(tmp_path / "table.csv", 2_500)
    words = ("data", "prepare", table, "--store", small_disk, "--workers", "1")

    failed = command(*words)

    assert_told(failed, "no space is left on its disk (")
    assert "the rest of the store takes about" in failed[0]
    assert not list(small_disk.rglob(f"{TEMPORARY}*"))
    done = len(list(small_disk.glob("stores/*/commits/*")))
    assert 0 < done < 3
    subprocess.run(["mount", "-o", "remount,size=9m", str(small_disk)], check=True)
    assert command(*words)[1] == 0
    (store,) = (small_disk / "stores").iterdir()
    assert digests(store) == digests(prepare_here(table, tmp_path / "root", None))
    assert verify_store(store) == []


def test_the_command_tells_that_a_file_must_not_grow(command, tmp_path):
    table = small_table(tmp_path / "table.csv", 400)
    words = ("data", "prepare", table, "--store", tmp_path / "root", "--workers", "1")

    failed = command(*words, limit=1_500)

    assert_told(failed, "a file must become larger than it may (see `ulimit -f`)")
    assert not list(tmp_path.rglob(f"{TEMPORARY}*"))


def test_the_command_tells_that_the_folder_cannot_be_made(command, tmp_path):
    table = small_table(tmp_path / "table.csv", 20)
    (tmp_path / "file").write_text("no folder")

    failed = command("data", "prepare", table, "--store", tmp_path / "file")

    assert_told(failed, "[Errno 20] Not a directory")


@pytest.mark.slow
def test_every_operation_that_may_fail_is_told(table, undisturbed, num_operations, tmp_path):
    for at in range(1, num_operations):
        top = tmp_path / str(at)
        top.mkdir()
        assert_clean_and_continued(table, top, at, errno.ENOSPC, undisturbed, once=at % 2 == 0)
