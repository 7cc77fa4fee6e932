"""Files over a network that fails in every way: the right file under its name, or none."""

import json
from contextlib import suppress
from pathlib import Path

import file_server as turns
import pytest
from conftest import CONTENT, SHA256
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from graphium.download.pins import LOCK
from graphium.errors import DownloadError

OTHER = CONTENT[::-1]
EVIL = {
    "cut": turns.cut(20_000),
    "flip": turns.flip(30_000),
    "flip and cut": turns.flip_and_cut(20_000),
    "die": turns.die,
    "part not asked for": turns.wrong_range(5),
    "part without a range": turns.no_content_range,
    "another part than it says": turns.lied_range,
    "length too long": turns.long_length(10),
    "length too short": turns.long_length(-10),
    "no length": turns.without_length,
    "chunks": turns.chunked(),
    "chunks without an end": turns.chunked(ends=False),
    "more than declared": turns.chunked(b"more"),
    "whole file instead of a part": turns.no_ranges,
    "busy": turns.answer(503),
    "too many requests": turns.answer(429, Retry_After="0"),
    "no such range": turns.answer(416),
    "login page": turns.page,
    "gone": turns.answer(404),
    "to a file": turns.redirect("file:///etc/passwd"),
    "changed": turns.change_to(OTHER),
    "changed, and nothing says so": turns.change_to(OTHER, '"first"'),
}


def left_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".downloading"}


def test_a_file_arrives_whole_and_is_pinned(server, get, folder):
    server.add("/data.bin", CONTENT)

    one = get()

    assert one.file.path == folder / "data.bin"
    assert one.file.path.read_bytes() == CONTENT
    assert (one.file.how, one.file.size, one.file.sha256) == ("downloaded", len(CONTENT), SHA256)
    assert left_in(folder) == {"data.bin", LOCK}
    pinned = json.loads((folder / LOCK).read_text())["files"]["data.bin"]
    assert (pinned["sha256"], pinned["size"]) == (SHA256, len(CONTENT))


def test_a_file_that_is_there_is_checked_and_not_asked_for(server, get):
    server.add("/data.bin", CONTENT)
    get()

    assert get().file.how == "there"
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", EVIL)
@pytest.mark.parametrize("second", ["nothing", "flip", "changed"])
def test_with_a_known_checksum_it_is_the_right_file_or_none(server, get, folder, first, second):
    evil = [EVIL[name] for name in (first, second) if name != "nothing"]
    server.add("/data.bin", CONTENT, turns.cut(10_000), *evil)
    path = folder / "data.bin"

    with suppress(DownloadError):
        get(sha256=SHA256)
    assert not path.exists() or path.read_bytes() == CONTENT


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(evil=st.lists(st.sampled_from(sorted(EVIL)), max_size=5), cut=st.integers(1, 49_999))
def test_whatever_happens_in_turn_no_wrong_file_gets_the_name(server, get, folder, evil, cut):
    path = folder / "data.bin"
    for old in folder.glob("*") if folder.exists() else ():
        old.unlink()
    server.add("/data.bin", CONTENT, turns.cut(cut), *(EVIL[name] for name in evil))

    for _ in range(2):  # the second call finds what the first one left
        with suppress(DownloadError):
            get(sha256=SHA256, size=len(CONTENT))
        assert not path.exists() or path.read_bytes() == CONTENT


NASTY = {
    "Content-Length": ["-1", "1e3", "9" * 30, "\u00b2", "", "50000, 50000"],
    "Content-Range": ["bytes 0-", "bytes */5", "bytes 20000-49999/*", "bytes " + "9" * 5000, "x"],
    "ETag": ["", "W/", "a\u00e9", "x" * 5000, "a\tb"],
    "Last-Modified": ["yesterday", "Wed, 99 Foo 0000 99:99:99 GMT"],
    "Retry-After": ["soon", "-5", "9" * 400, "Wed, 01 Jan 99999999 00:00:00 GMT"],
    "Location": ["", "//", "http://[", "\u00e9", "file:", "http://x:99999/", "data.bin"],
    "Content-Type": ["", "text/html; charset", ";;", "x" * 5000],
    "Content-Encoding": ["br", "gzip, gzip", ""],
    "Transfer-Encoding": ["gzip", "chunked, chunked"],
}


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    answers=st.lists(
        st.tuples(
            st.sampled_from([200, 204, 206, 302, 304, 416, 503, 999]),
            st.fixed_dictionaries(
                {}, optional={name: st.sampled_from(values) for name, values in NASTY.items()}
            ),
        ),
        max_size=3,
    )
)
def test_whatever_headers_say_it_is_the_right_file_or_a_clear_error(server, get, folder, answers):
    def nasty(status, headers):
        def turn(handler, served):
            turns.start(handler, status, headers)
            handler.wfile.write(CONTENT)

        return turn

    path = folder / "data.bin"
    for old in folder.glob("*") if folder.exists() else ():
        old.unlink()
    server.add("/data.bin", CONTENT, turns.cut(20_000), *(nasty(*one) for one in answers))

    with suppress(DownloadError):
        get(sha256=SHA256)
    assert not path.exists() or path.read_bytes() == CONTENT


@pytest.mark.parametrize(
    ("evil", "requests"),  # at most
    [
        ([turns.cut(20_000)], 2),
        ([turns.cut(20_000), turns.cut(10_000)], 3),
        ([turns.die, turns.die], 3),
        ([turns.answer(503), turns.answer(429, Retry_After="0")], 3),
        ([turns.cut(20_000), turns.no_ranges], 2),
        ([turns.cut(20_000), turns.wrong_range(-1)], 3),
        ([turns.cut(20_000), turns.no_content_range], 3),
        ([turns.cut(20_000), turns.answer(416)], 3),
        ([turns.long_length(10)], 3),
        ([turns.stall(20_000)], 2),
        ([turns.chunked(ends=False)], 3),
    ],
)
def test_what_passes_is_tried_again_without_a_checksum_too(server, get, folder, evil, requests):
    server.add("/data.bin", CONTENT, *evil)

    assert get().file.path.read_bytes() == CONTENT
    assert 1 < len(server.requests) <= requests


def test_the_rest_of_a_cut_off_file_is_asked_for(server, get):
    server.add("/data.bin", CONTENT, turns.cut(20_000))
    get()

    assert server.requests[1][1]["Range"] == "bytes=20000-"
    assert server.requests[1][1]["If-Range"] == '"first"'


def test_time_of_change_stands_in_for_an_etag_and_without_both_it_starts_anew(server, get):
    served = {"etag": 'W/"weak"', "last_modified": turns.LAST_MODIFIED}
    server.add("/data.bin", CONTENT, turns.cut(20_000), **served)
    server.add("/plain.bin", CONTENT, turns.cut(20_000), etag=None)

    assert get().file.path.read_bytes() == CONTENT
    assert server.requests[1][1]["If-Range"] == turns.LAST_MODIFIED
    assert get("/plain.bin").file.path.read_bytes() == CONTENT
    assert "Range" not in server.requests[3][1]


def test_a_file_that_changes_in_the_middle_is_taken_anew_never_mixed(server, get):
    server.add("/data.bin", CONTENT, turns.cut(20_000), turns.change_to(OTHER))
    assert get().file.path.read_bytes() == OTHER


@pytest.mark.parametrize(
    ("content", "etag"), [(OTHER, '"second"'), (OTHER + b"more", '"first"'), (OTHER[:-1], None)]
)
def test_the_rest_of_another_version_is_not_taken_for_the_rest(server, get, content, etag):
    server.add("/data.bin", CONTENT, turns.cut(20_000), turns.rest_of(content, etag))
    assert get().file.path.read_bytes() == content


def test_a_later_call_goes_on_where_one_gave_up(server, get, folder):
    server.add("/data.bin", CONTENT, turns.cut(20_000), *[turns.die] * 2)

    with pytest.raises(DownloadError, match=r"attempt 3, the last.*20,000 bytes are kept"):
        get()
    assert left_in(folder) == {"data.bin.part", "data.bin.part.json"}

    assert get().file.path.read_bytes() == CONTENT
    assert server.requests[-1][1]["Range"] == "bytes=20000-"
    assert left_in(folder) == {"data.bin", LOCK}


@pytest.mark.parametrize("damage", ["flipped", "shorter", "longer", "unnoted", "nonsense"])
def test_a_part_that_is_not_what_was_noted_is_not_built_on(server, get, folder, damage):
    server.add("/data.bin", CONTENT, turns.cut(20_000), *[turns.die] * 2)
    with pytest.raises(DownloadError):
        get()
    part, note = folder / "data.bin.part", folder / "data.bin.part.json"
    content = part.read_bytes()
    match damage:
        case "flipped":
            part.write_bytes(content[:100] + bytes([content[100] ^ 1]) + content[101:])
        case "shorter":
            part.write_bytes(content[:-1])
        case "longer":  # written after the last note: given up, the rest is used
            part.write_bytes(content + b"noise")
        case "unnoted":
            note.unlink()
        case "nonsense":
            note.write_text('{"bytes": "many"')

    assert get().file.path.read_bytes() == CONTENT
    asked = server.requests[-1][1].get("Range")
    assert asked == ("bytes=20000-" if damage == "longer" else None)


def test_pieces_that_do_not_fit_are_fetched_once_more_in_one(server, get, capsys):
    server.add("/data.bin", CONTENT, turns.flip_and_cut(20_000))

    assert get(sha256=SHA256).file.path.read_bytes() == CONTENT
    assert [request[1].get("Range") for request in server.requests] == [None, "bytes=20000-", None]
    assert "once more in one" in capsys.readouterr().err


def test_attempts_that_bring_much_are_forgiven(server, get):
    server.add("/data.bin", CONTENT, *[turns.cut(5_000)] * 8)
    assert get(limits={"progress": 5_000}).file.path.read_bytes() == CONTENT


def test_a_server_that_trickles_has_stalled(server, get):
    def trickle(handler, served):
        body = turns.begin(handler, served)
        for position in range(30):
            if handler.server.stopped.wait(0.05):
                return
            handler.wfile.write(body[position : position + 1])
            handler.wfile.flush()

    server.add("/data.bin", CONTENT, trickle)
    with pytest.raises(DownloadError, match=r"sent \d+ bytes in"):
        get(limits={"attempts": 1, "timeout": 0.3})
