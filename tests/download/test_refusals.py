"""What ends a download, and what it says: the address, what was found, what to do."""

import base64
import gzip
import hashlib
import socket
from pathlib import Path

import file_server as turns
import pytest
from conftest import CONTENT, SHA256

from graphium.download.mix import download
from graphium.download.pins import LOCK
from graphium.errors import DownloadError


@pytest.fixture
def refused(server, get, folder):
    """Serve turns, expect an error; return its text, after a look that nothing has the name."""

    def call(*evil, content=CONTENT, path="/data.bin", served=None, **options):
        server.add(path, content, *evil, **(served or {}))
        with pytest.raises(DownloadError) as error:
            get(path, **options)
        assert not (folder / path[1:]).exists()
        return str(error.value)

    return call


def test_a_flipped_bit_is_found_and_nothing_of_it_is_kept(refused, folder):
    text = refused(turns.flip(100), sha256=SHA256)
    assert SHA256 in text
    assert "damaged or changed" in text
    assert not list(folder.glob("*.part*"))


def test_an_md5_that_a_source_publishes_is_checked(refused):
    assert "its MD5 is" in refused(md5="0" * 32)


def test_the_declared_size_is_kept_to(refused):
    assert "has 50,000 bytes now, but the file must have 40,000" in refused(size=40_000)
    assert "more than the 50,000" in refused(turns.chunked(b"x"), size=50_000)


def test_the_largest_size_holds_for_what_comes_and_for_what_is_announced(refused, server):
    text = refused(limits={"max_bytes": 10_000})
    assert "50,000 bytes more than are left of the 10,000" in text
    assert "--max-size 1 " in text
    assert "--max-size" in refused(turns.endless, limits={"max_bytes": 10**6})
    assert "has 50,000 bytes now" in refused(size=40_000)  # what has come is longer already
    asked = len(server.requests)
    assert "--max-size" in refused(size=50_000, limits={"max_bytes": 10_000})
    assert len(server.requests) == asked  # known before: nobody was asked


def test_a_disk_without_room_is_found_before_the_first_byte(refused, server):
    text = refused(size=50_000, limits={"spare_bytes": 10**18})
    assert "bytes free, but 50,000 are to come" in text
    assert server.requests == []
    assert "bytes free" in refused(limits={"spare_bytes": 10**18})  # known with the answer


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("file:///etc/passwd", "not with file:"),
        ("ftp://127.0.0.1/data.bin", "not with ftp:"),
        ("http://user:secret@127.0.0.1/data.bin", "user name or password"),
        ("http://example.org/data.bin", "without the SHA-256"),
        ("http://:80/data.bin", "no server"),
        ("http://a..b/data.bin", "no name of a server"),
        ("http://127.0.0.1/a b", "without blanks"),
    ],
)
def test_redirects_lead_only_where_data_may_come_from(refused, target, reason):
    text = refused(turns.redirect(target))
    assert "redirects to" in text
    assert reason in text
    assert "secret" not in text


def test_redirects_in_a_circle_end(refused, server):
    text = refused(*[turns.redirect("/data.bin")] * 20)
    assert "more than 5 times" in text
    assert len(server.requests) == 6


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_honest_redirects_are_followed_and_the_range_with_them(server, get, status):
    there = turns.redirect("/there/x?token=1", status)
    server.add("/data.bin", CONTENT, there, there)
    server.add("/there/x", CONTENT, turns.cut(20_000))

    assert get().file.path.read_bytes() == CONTENT
    assert server.requests[-1][1]["Range"] == "bytes=20000-"


@pytest.mark.parametrize(("status", "words"), [(404, "no such file"), (403, "not give"), (401, "")])
def test_answers_that_do_not_pass_are_not_asked_for_again(refused, server, status, words):
    text = refused(turns.answer(status))
    assert f"answers {status}: " in text
    assert words in text
    assert server.url("/data.bin") in text
    assert len(server.requests) == 1


def test_a_server_that_wants_long_patience_is_not_waited_for(refused):
    assert "after 3,600 s" in refused(turns.answer(503, Retry_After="3600"))


def test_a_web_page_is_no_table(refused):
    assert "answers with a web page" in refused(turns.page)
    disguised = b"<!DOCTYPE html><html>log in</html>"
    assert "it is a web page" in refused(content=disguised, path="/data.csv")


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("data.csv.gz", gzip.compress(CONTENT)[:-100]),
        ("data.csv.gz", CONTENT),
        ("data.parquet", b"PAR1" + CONTENT),
        ("data.parquet", CONTENT),
        ("data.zip", CONTENT),
        ("data.pt", b"PK\3\4" + CONTENT),
        ("data.csv", b""),
    ],
)
def test_without_a_checksum_a_file_must_be_what_its_name_says(refused, name, content, folder):
    text = refused(content=content, path=f"/{name}")
    assert name in text
    assert not (folder / LOCK).exists()


@pytest.mark.parametrize(
    "header",
    [
        ("Repr-Digest", "md5=:{md5}:, sha-256=:{sha}:"),
        ("Digest", "SHA-256={sha}"),
        ("x-goog-hash", "crc32c=n03x6A==,md5={md5}"),
    ],
)
def test_a_checksum_that_the_server_sends_is_checked(refused, server, get, header):
    def digests(content):
        sha, md5 = hashlib.sha256(content).digest(), hashlib.md5(content).digest()
        text = {"sha": base64.b64encode(sha).decode(), "md5": base64.b64encode(md5).decode()}
        return {header[0]: header[1].format(**text)}

    headers = digests(CONTENT)
    assert "which the server announces" in refused(turns.flip(7), served={"headers": headers})
    # The rest of another file: nothing but the digest tells.
    cut = [turns.cut(20_000), *[turns.flip(7)] * 2]
    text = refused(*cut, served={"headers": headers})
    assert "which the server announces" in text
    server.add("/data.bin", CONTENT, turns.cut(20_000), headers=headers)
    assert get().file.path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    "value", ["", "sha-256", "sha-256=:no base64:", "sha-256=:AAAA:", "ä=:AA=="]
)
def test_checksums_of_the_server_that_nobody_can_read_do_not_count(server, get, value):
    headers = {"Repr-Digest": value.encode().decode("latin-1")}
    server.add("/data.bin", CONTENT, headers=headers)
    assert get().file.how == "downloaded"


def test_a_server_that_lies_about_the_length_is_found_by_the_format(refused):
    content = gzip.compress(CONTENT)
    assert "cut off" in refused(turns.long_length(-10), content=content, path="/data.csv.gz")


def test_without_length_and_checksum_nobody_can_tell_the_end(refused, server, get):
    assert "does not say how long" in refused(turns.without_length)
    server.add("/data.bin", CONTENT, turns.without_length)
    assert get(sha256=SHA256).file.path.read_bytes() == CONTENT


def test_packed_bodies_are_refused_but_for_files_that_are_packed(refused, server, get):
    def packed(handler, served):
        length = {"Content-Encoding": "gzip", "Content-Length": str(len(served.content))}
        turns.start(handler, 200, turns.marks(served) | length)
        handler.wfile.write(served.content)

    assert "packed as gzip" in refused(packed)
    server.add("/data.csv.gz", gzip.compress(CONTENT), packed)
    assert gzip.decompress(get("/data.csv.gz").file.path.read_bytes()) == CONTENT


def test_a_file_that_has_changed_since_the_first_download_is_an_error(server, get, folder):
    server.add("/data.bin", CONTENT)
    get()
    (folder / "data.bin").unlink()

    server.add("/data.bin", CONTENT[::-1])
    with pytest.raises(DownloadError, match=f"was {SHA256} when it was first downloaded"):
        get()
    assert not (folder / "data.bin").exists()
    server.add("/data.bin", CONTENT + b"x")
    with pytest.raises(DownloadError, match="has 50,001 bytes now, but the file must have 50,000"):
        get()
    server.add("/data.bin", CONTENT)
    assert get().file.how == "downloaded"


def test_a_file_that_was_changed_on_disk_is_named_and_left_alone(server, get, folder):
    server.add("/data.bin", CONTENT)
    get()
    (folder / "data.bin").write_bytes(b"mine")

    with pytest.raises(DownloadError, match="Nothing was changed: move it away"):
        get()
    assert (folder / "data.bin").read_bytes() == b"mine"


def test_a_file_from_elsewhere_is_checked_pinned_and_used(server, get, folder):
    folder.mkdir()
    (folder / "data.bin").write_bytes(CONTENT)
    assert get().file.how == "found"
    assert get().file.how == "there"
    assert server.requests == []

    (folder / "other.bin").write_bytes(CONTENT)
    with pytest.raises(DownloadError, match="not the file that it should be"):
        get("/other.bin", sha256="0" * 64)


def test_a_checksum_of_the_sources_that_contradicts_the_first_download_is_an_error(server, get):
    server.add("/data.bin", CONTENT)
    get()
    with pytest.raises(DownloadError, match="If the sources are right, remove"):
        get(sha256="0" * 64)


def test_a_damaged_lock_file_is_named(server, get, folder):
    server.add("/data.bin", CONTENT)
    get()
    (folder / LOCK).write_text('{"format": 1, "files": {"data.bin": {"size": 3}}}')
    with pytest.raises(DownloadError, match=r"lock.json is damaged \(files.data.bin"):
        get()


def test_it_says_plainly_that_nobody_answers(get, server):
    server.close()
    with pytest.raises(DownloadError, match=r"nobody answers at 127.0.0.1 \(attempt 3, the last\)"):
        get()


def test_it_says_plainly_that_the_machine_is_offline(get, server, monkeypatch):
    asked = []

    def unknown(*_, **__):
        asked.append(1)
        raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(DownloadError, match="no connection to the internet") as error:
        get()
    assert "attempt" not in str(error.value)
    assert len(asked) == 1  # it is not tried again


def test_requests_go_through_the_proxy_of_the_environment(server, folder, monkeypatch):
    from graphium.config.sources import DatasetSource
    from graphium.download.limits import Limits
    from graphium.download.progress import DownloadProgress

    def load():
        file = {"url": "http://mirror.invalid/data.bin", "sha256": SHA256}
        source = DatasetSource.model_validate({"licence": "none", "files": [file]})
        limits = Limits(attempts=1)
        (one,) = download({"data": source}, folder, limits, DownloadProgress())
        return one

    address = server.url("").replace("http://", "http://user:secret@")
    monkeypatch.setenv("http_proxy", address)
    server.add("http://mirror.invalid/data.bin", CONTENT)
    assert load().file.path.read_bytes() == CONTENT

    Path(folder / "data.bin").unlink()
    server.close()
    with pytest.raises(DownloadError, match="nobody answers at the proxy http://127") as error:
        load()
    assert "secret" not in str(error.value)
