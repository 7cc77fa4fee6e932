"""Archives that are damaged or made to do harm: nothing outside the folder, and all or nothing."""

import gzip
import io
import json
import os
import shutil
import stat
import struct
import tarfile
import zipfile
from contextlib import suppress

import pytest
from conftest import CONTENT
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphium.download.archives import ArchiveLimits, unpack
from graphium.download.pins import LOCK
from graphium.errors import DownloadError

SMALL = ArchiveLimits(files=5, size=200_000, ratio=20, free=10_000)


def member(name, content=b"x", **options):
    """Return a member of a tar archive; options are those of ``TarInfo``."""
    info = tarfile.TarInfo(name)
    info.size = len(content)
    for key, value in options.items():
        setattr(info, key, value)
    return info, content


def tar(*members, form=tarfile.PAX_FORMAT):
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=form) as archive:
        for info, content in members:
            archive.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zipped(*members):
    """Return a zip archive of (name, content, mode of the file system) members."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content, *mode in members:
            info = zipfile.ZipInfo(name)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.external_attr = (mode[0] if mode else 0) << 16
            archive.writestr(info, content)
    return buffer.getvalue()


def link(name, target, kind):
    return member(name, b"", type=kind, linkname=target)


GOOD = {
    "a.tar": tar(member("./t/a.csv", CONTENT), member("b.csv", mode=0o4777)),
    "a.tar.gz": gzip.compress(tar(member("./t/a.csv", CONTENT), member("b.csv"))),
    "a.tgz": gzip.compress(tar(member("t", b"", type=tarfile.DIRTYPE), member("t/a.csv", CONTENT))),
    "a.zip": zipped(("t/", b""), ("t/a.csv", CONTENT), ("b.csv", b"x")),
}

EVIL_TAR = {
    "leads out of the folder": [member("../out.csv")],
    "leads out of": [member("a/../../out.csv")],
    "is absolute": [member("/tmp-out.csv")],
    "a symbolic link": [link("l", "/etc", tarfile.SYMTYPE), member("l/out.csv")],
    "a hard link": [member("a.csv"), link("h", "a.csv", tarfile.LNKTYPE)],
    "a device": [member("null", b"", type=tarfile.CHRTYPE)],
    "a pipe": [member("pipe", b"", type=tarfile.FIFOTYPE)],
    "of an unknown kind": [member("odd", b"", type=b"Z")],
    "taken by another": [member("a.csv"), member("a.csv", b"y")],
    "is taken by": [member("A.csv"), member("a.CSV")],
    "taken by another member": [member("caf\u00e9"), member("cafe\u0301")],
    "its name is taken": [member("a"), member("a/b")],
    "name is taken by another": [member("a/b"), member("a")],
    "a backslash": [member("..\\out.csv")],
    "a colon": [member("C:out.csv")],
    "control characters": [member("a\nb.csv")],
    "too long": [member("a" * 256)],
    "has no name": [member(".")],
    "more than 5 members": [member(f"{number}.csv") for number in range(6)],
    "more than 10,240 bytes": [member("a.csv", bytes(10_241))],
}


def put(tmp_path, name, content):
    path = tmp_path / name
    path.write_bytes(content)
    return path


def refuse(path, limits=SMALL):
    """Unpack, expect an error, look that nothing is left; return the error's text."""
    before = around(path)
    with pytest.raises(DownloadError) as error:
        unpack(path, path.parent / "out", limits, lambda _: None)
    assert around(path) == before
    return str(error.value)


def around(path):
    """All that stands beside a file, and what stands beside that; other tests have theirs there."""
    return sorted([*path.parent.rglob("*"), *path.parent.parent.iterdir()])


@pytest.mark.parametrize("name", GOOD)
def test_honest_archives_are_unpacked_and_their_files_listed(tmp_path, name):
    path = put(tmp_path, name, GOOD[name])
    noted = {}

    def note(members):
        assert not (tmp_path / "out").exists()
        noted.update(members)

    unpack(path, tmp_path / "out", ArchiveLimits(), note)

    assert (tmp_path / "out" / "t" / "a.csv").read_bytes() == CONTENT
    assert noted["t/a.csv"].size == len(CONTENT)
    modes = [stat.S_IMODE(one.stat().st_mode) for one in (tmp_path / "out").rglob("*.csv")]
    assert all(mode & 0o7111 == 0 for mode in modes)
    assert {one.name for one in tmp_path.iterdir()} == {name, "out"}


@pytest.mark.parametrize("reason", EVIL_TAR)
def test_members_of_a_tar_that_could_do_harm_are_refused(tmp_path, reason):
    path = put(tmp_path, "a.tar", tar(*EVIL_TAR[reason]))
    limits = ArchiveLimits(files=5, ratio=1, free=10_240)
    text = refuse(path, limits if "bytes" not in reason else ArchiveLimits(ratio=0, free=10_240))
    assert reason in text
    assert str(path) in text


@pytest.mark.parametrize(
    ("reason", "members"),
    {
        "leads out of the folder": [("../out.csv", b"x")],
        "is absolute": [("/out.csv", b"x")],
        "it is a link": [("l", b"/etc", stat.S_IFLNK | 0o777)],
        "or a device": [("null", b"", stat.S_IFCHR)],
        "a folder with content": [("a", b"x", stat.S_IFDIR)],
        "taken by another": [("a.csv", b"x"), ("A.csv", b"y")],
        "more than 5 members": [(f"{number}.csv", b"x") for number in range(6)],
        "bytes would come out": [("zeros.csv", bytes(10_000_000))],
    }.items(),
)
def test_members_of_a_zip_that_could_do_harm_are_refused(tmp_path, reason, members):
    assert reason in refuse(put(tmp_path, "a.zip", zipped(*members)))


def test_a_zip_that_is_encrypted_is_refused(tmp_path):
    content = bytearray(zipped(("a.csv", b"x")))
    for sign, place in ((b"PK\3\4", 6), (b"PK\1\2", 8)):
        content[content.index(sign) + place] |= 1
    assert "encrypted" in refuse(put(tmp_path, "a.zip", bytes(content)))


def test_a_zip_that_says_less_than_it_holds_is_refused(tmp_path):
    content = bytearray(zipped(("zeros.csv", bytes(10_000_000))))
    for sign, place in ((b"PK\3\4", 22), (b"PK\1\2", 24)):
        struct.pack_into("<I", content, content.index(sign) + place, 100)
    assert "cannot be unpacked" in refuse(put(tmp_path, "a.zip", bytes(content)))


def test_a_tar_that_unfolds_too_far_is_refused_without_unfolding_it(tmp_path):
    path = put(tmp_path, "a.tar.gz", gzip.compress(tar(member("zeros.csv", bytes(20_000_000)))))
    assert "bytes would come out" in refuse(path)


def test_what_a_member_says_to_hold_is_enough_to_refuse_it(tmp_path):
    head = tarfile.TarInfo("huge.csv")
    head.size = 10**12
    path = put(tmp_path, "a.tar", head.tobuf(tarfile.GNU_FORMAT) + bytes(10_240))
    assert "bytes would come out" in refuse(path, ArchiveLimits())


@pytest.mark.parametrize("damage", ["cut off between members", "a header that is none"])
def test_the_middle_of_a_tar_is_not_taken_for_its_end(tmp_path, damage):
    content = tar(member("a.csv"), member("b.csv"))
    rest = b"" if damage.startswith("cut") else b"x" * 512 + content[1024 + 512 :]
    path = put(tmp_path, "a.tar", content[:1024] + rest)
    assert "it is cut off, or a header is damaged" in refuse(path, ArchiveLimits())


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_a_header_that_says_to_be_huge_is_not_read(tmp_path, kind):
    head = tarfile.TarInfo("long")
    head.type, head.size = kind, 10**10
    path = put(tmp_path, "a.tar", head.tobuf(tarfile.GNU_FORMAT) + bytes(5_000_000))
    assert "cannot be unpacked: a header says to be 10,000,000,000 bytes" in refuse(path)


def test_sparse_files_are_refused(tmp_path):
    head = tarfile.TarInfo("holes")
    head.type = tarfile.GNUTYPE_SPARSE
    content = bytearray(head.tobuf(tarfile.GNU_FORMAT))
    content[386:398] = content[398:410] = content[483:495] = b"00000000000\0"
    content[148:156] = b" " * 8
    content[148:156] = f"{sum(content[:512]):06o}\0 ".encode()
    assert "is a sparse file" in refuse(put(tmp_path, "a.tar", bytes(content) + bytes(1024)))


@pytest.mark.parametrize("name", GOOD)
def test_archives_cut_off_anywhere_are_refused(tmp_path, name):
    content = GOOD[name]
    # The two blocks of zeros at the end of a tar, and what fills it up, are dispensable but one.
    used = len(content.rstrip(b"\0")) if name == "a.tar" else len(content)
    for share in range(12):
        place = share * used // 12
        assert "a." in refuse(put(tmp_path, name, content[:place]), ArchiveLimits())


@pytest.mark.parametrize("name", GOOD)
def test_a_damaged_archive_gives_its_content_or_an_error(tmp_path, name):
    for share in range(40):
        content = bytearray(GOOD[name])
        content[share * len(content) // 40] ^= 0x10
        path = put(tmp_path, name, bytes(content))
        try:
            unpack(path, tmp_path / f"out{share}", ArchiveLimits(), lambda _: None)
        except DownloadError:
            assert not (tmp_path / f"out{share}").exists()


def rewritten(content, changes):
    """Return a tar with bytes changed, and the checksums of its headers made right again."""
    content = bytearray(content)
    for place, value in changes:
        content[place % min(len(content), 4096)] = value
    for block in range(0, len(content) - 511, 512):
        if content[block + 257 : block + 262] == b"ustar":
            header = content[block : block + 512]
            header[148:156] = b" " * 8
            content[block + 148 : block + 156] = f"{sum(header):06o}\0 ".encode()
    return bytes(content)


MIXED = {
    "pax.tar": tar(member("./t/a.csv"), member("\u00e9" * 60), link("l", "b", tarfile.SYMTYPE)),
    "gnu.tar": tar(member("t/a.csv"), member("b" * 150), form=tarfile.GNU_FORMAT),
    "a.zip": zipped(("t/", b""), ("t/a.csv", b"hello" * 9), ("b.csv", b"x")),
}


@settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    name=st.sampled_from(sorted(MIXED)),
    changes=st.lists(
        st.tuples(st.integers(0, 4095), st.sampled_from([0, 1, 0xFF, *b"-9x/."])), max_size=6
    ),
)
def test_whatever_an_archive_says_it_gives_files_below_the_folder_or_an_error(
    tmp_path, name, changes
):
    path = put(tmp_path, name, rewritten(MIXED[name], changes))
    with suppress(DownloadError):
        unpack(path, tmp_path / "out", SMALL, lambda _: None)
        assert not any(one.is_symlink() for one in (tmp_path / "out").rglob("*"))
        shutil.rmtree(tmp_path / "out")
    assert {one.name for one in tmp_path.iterdir()} <= set(MIXED)


def test_uncommon_compression_and_names_of_nothing_are_refused(tmp_path):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_BZIP2) as archive:
        archive.writestr("a.csv", b"x")
    assert "in an uncommon way" in refuse(put(tmp_path, "a.zip", buffer.getvalue()))
    content = bytearray(zipped(("a", b"x")))
    for sign, place in ((b"PK\3\4", 30), (b"PK\1\2", 46)):
        content[content.index(sign) + place] = 0
    assert "it has no name" in refuse(put(tmp_path, "a.zip", bytes(content)))


def test_an_archive_is_downloaded_unpacked_once_and_checked_ever_after(server, get, folder):
    server.add("/a.zip", GOOD["a.zip"])

    assert get("/a.zip", unpack=True).folder == folder / "a"
    assert (folder / "a" / "t" / "a.csv").read_bytes() == CONTENT
    members = json.loads((folder / LOCK).read_text())["files"]["a.zip"]["members"]
    assert sorted(members) == ["b.csv", "t/a.csv"]

    assert get("/a.zip", unpack=True).file.how == "there"
    (folder / "a" / "b.csv").write_bytes(b"y")
    with pytest.raises(DownloadError, match=r"b\.csv has been changed\. Remove the folder"):
        get("/a.zip", unpack=True)
    (folder / "a" / "b.csv").unlink()
    with pytest.raises(DownloadError, match=r"b\.csv is missing"):
        get("/a.zip", unpack=True)


def test_what_a_killed_process_left_of_unpacking_is_removed(server, get, folder):
    server.add("/a.zip", GOOD["a.zip"])
    half = folder / ".tmp-unpacking-a"
    half.mkdir(parents=True)
    (half / "t").write_bytes(b"half")

    get("/a.zip", unpack=True)

    assert not half.exists()
    assert (folder / "a" / "t" / "a.csv").read_bytes() == CONTENT


def test_a_harmful_archive_is_kept_but_not_unpacked(server, get, folder):
    server.add("/a.tar.gz", gzip.compress(tar(*EVIL_TAR["leads out of the folder"])))
    with pytest.raises(DownloadError, match="leads out of the folder"):
        get("/a.tar.gz", unpack=True)
    assert sorted(os.listdir(folder)) == [".downloading", "a.tar.gz", LOCK]
