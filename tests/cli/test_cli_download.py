"""``graphium data download`` as users call it."""

import fnmatch
import hashlib
import json
import re

import file_server
import pytest
import yaml

from graphium.cli.main import main
from graphium.download.mix import find_mix

TABLE = b"smiles,y\nCCO,1\nCC,2\n"


@pytest.fixture
def run(capsys):
    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(["data", "download", *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return call


@pytest.fixture
def server(monkeypatch):
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)
    server = file_server.FileServer()
    yield server
    server.close()


@pytest.fixture
def mix(server, tmp_path, monkeypatch):
    """A mix in ``data/`` of the working directory, with one dataset to ask for by name."""
    server.add("/a.csv", TABLE)
    server.add("/b.csv", TABLE)
    sources = {
        "datasets": {
            "a": {
                "licence": "CC0",
                "note": "Mind the gap.",
                "files": [{"url": server.url("/a.csv")}],
            },
            "b": {
                "licence": "CC BY",
                "on_request": True,
                "files": [
                    {
                        "url": server.url("/b.csv"),
                        "size": len(TABLE),
                        "sha256": hashlib.sha256(TABLE).hexdigest(),
                    }
                ],
            },
        }
    }
    folder = tmp_path / "data" / "mine"
    folder.mkdir(parents=True)
    (folder / "sources.yaml").write_text(yaml.safe_dump(sources))
    (folder / "mix.yaml").write_text("datasets: {}\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GRAPHIUM_DATA", raising=False)
    return folder


def test_a_mix_is_downloaded_by_name_and_only_checked_afterwards(run, mix):
    code, out, _ = run("mine")
    assert code == 0
    assert "a: a.csv, 20 bytes, SHA-256 " in out
    assert "downloaded" in out
    assert "licences: a: CC0" in out
    assert "note on a: Mind the gap." in out
    assert (mix.parent / "downloads" / "mine" / "a.csv").read_bytes() == TABLE
    assert not (mix.parent / "downloads" / "mine" / "b.csv").exists()

    code, out, _ = run(mix / "mix.yaml")
    assert (code, "unchanged" in out) == (0, True)


def test_files_go_where_the_mixes_read_them(run, mix, tmp_path, monkeypatch):
    assert f"export GRAPHIUM_DATA={tmp_path}/data/downloads" in run("mine")[1]

    monkeypatch.setenv("GRAPHIUM_DATA", str(tmp_path / "all"))
    code, out, _ = run("mine")
    assert (code, "export" in out) == (0, False)
    assert (tmp_path / "all" / "mine" / "a.csv").read_bytes() == TABLE


def test_one_dataset_goes_where_one_says(run, mix, tmp_path):
    code, out, _ = run(mix, "--only", "b", "--to", tmp_path / "there")
    assert code == 0
    assert [path.name for path in (tmp_path / "there").glob("*.csv")] == ["b.csv"]
    assert "a.csv" not in out


def test_a_dry_run_lists_files_sizes_and_places_and_asks_nobody(run, mix, server):
    code, out, _ = run("mine", "--dry-run", "--only", "a", "--only", "b")
    assert code == 0
    assert "mine, to data/downloads/mine" in out
    assert "a.csv: size unknown, SHA-256 pinned when it comes, to come" in out
    assert "b.csv: 20 bytes, SHA-256 known, to come" in out
    assert server.url("/b.csv") in out
    assert "2 files, 20 bytes and 1 file of unknown size" in out
    assert server.requests == []
    assert not (mix.parent / "downloads").exists()

    run("mine")
    _, out, _ = run("mine", "--dry-run")
    assert "a.csv: 20 bytes, SHA-256 pinned, there" in out
    assert "left out (--only downloads them): b" in out


def test_an_error_has_exit_code_3_and_the_next_call_goes_on(run, mix, server):
    server.add("/a.csv", TABLE, file_server.cut(5), file_server.die)
    code, out, err = run("mine", "--attempts", 1)
    assert (code, out) == (3, "")
    assert "the connection ended after 5 of 20 bytes" in err
    assert "5 bytes are kept; the same command goes on from there" in err

    server.files["/a.csv"].turns.clear()
    assert run("mine")[0] == 0
    assert server.requests[-1][1]["Range"] == "bytes=5-"


def test_the_largest_size_is_an_option(run, mix):
    code, _, err = run("mine", "--only", "b", "--max-size", "0.00000001")
    assert code == 3
    assert "--max-size 1 " in err


@pytest.mark.parametrize(
    ("word", "words"),
    [("toymixx", "(did you mean 'toymix'?)"), ("none/at/all", "Give its name, its folder")],
)
def test_a_mix_that_is_not_there_is_named(run, mix, word, words):
    code, _, err = run(word)
    assert code == 2
    assert words in err


def test_a_dataset_that_is_not_there_is_named(run, mix):
    code, _, err = run("mine", "--only", "c")
    assert code == 2
    assert "has no dataset 'c'" in err
    assert "it has a, b." in err


def test_a_folder_without_sources_and_bad_sources_are_mistakes(run, mix):
    (mix / "sources.yaml").write_text("datasets: {a: {licence: x, files: [{url: 'ftp://x/a'}]}}")
    code, _, err = run("mine")
    assert code == 2
    assert "data/mine/sources.yaml:1  datasets.a.files.0.url" in err

    (mix / "sources.yaml").unlink()
    code, _, err = run(mix)
    assert code == 2
    assert "has no sources.yaml" in err


@pytest.mark.parametrize("name", ["toymix", "largemix", "ultralarge"])
def test_our_mixes_are_found_from_anywhere(run, name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, _ = run(name, "--dry-run")
    assert code == 0
    assert f"{name}, to " in out


def test_the_lock_file_is_json_that_others_can_read(run, mix):
    run("mine")
    lock = json.loads((mix.parent / "downloads" / "mine" / "checksums.lock.json").read_text())
    assert lock["files"]["a.csv"]["sha256"] == hashlib.sha256(TABLE).hexdigest()


@pytest.mark.parametrize("name", ["largemix", "ultralarge"])
def test_the_tables_of_our_mixes_are_among_their_sources(name, monkeypatch):
    monkeypatch.setenv("GRAPHIUM_DATA", "all")
    sources = find_mix(name).sources.datasets
    text = "".join(path.read_text() for path in find_mix(name).path.parent.glob("*.yaml"))
    tables = set(re.findall(rf"table: \$GRAPHIUM_DATA/{name}/(\S+)", text))
    names = [file.name for dataset in sources.values() for file in dataset.files]

    unknown = {table for table in tables if not fnmatch.filter(names, table)}
    assert tables
    assert all("0-2_th2" in table for table in unknown)  # no address of them is known
