"""The files that say where a mix is downloaded from."""

import re
from pathlib import Path

import pytest

from graphium.config.addresses import without_secrets
from graphium.config.sources import DatasetSource, SourceFile, Sources, load_sources
from graphium.errors import ConfigError

REPOSITORY = Path(__file__).parents[2]
OURS = sorted(REPOSITORY.glob("data/*/sources.yaml"))


def mistakes(tmp_path, text):
    path = tmp_path / "sources.yaml"
    path.write_text(text)
    with pytest.raises(ConfigError) as error:
        load_sources(path)
    return str(error.value)


def files(*lines):
    entries = "".join(f"      - {{{line}}}\n" for line in lines)
    return f"datasets:\n  a:\n    licence: CC0\n    files:\n{entries}"


@pytest.mark.parametrize("path", OURS, ids=lambda path: path.parent.name)
def test_our_own_sources_are_valid_and_come_over_https(path):
    sources = load_sources(path)
    for dataset in sources.datasets.values():
        assert all(file.url.startswith("https://") for file in dataset.files)


def test_every_mix_of_ours_has_sources():
    assert {path.parent.name for path in OURS} >= {"toymix", "largemix", "ultralarge"}
    default = {
        path.parent.name: sum(
            len(one.files) for one in load_sources(path).datasets.values() if not one.on_request
        )
        for path in OURS
    }
    assert (default["toymix"], default["largemix"], default["ultralarge"]) == (6, 8, 21)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("url: 'ftp://x.org/a.csv'", "must begin with https://, not with ftp:"),
        ("url: 'x.org/a.csv'", "not with nothing:"),
        ("url: 'https:///a.csv'", "names no server"),
        ("url: 'https://me:secret@x.org/a.csv'", "must not hold a user name or password"),
        ("url: 'http://x.org/a.csv'", "without the SHA-256"),
        ("url: 'https://x.org/a b.csv'", "without blanks"),
        ("url: 'https://x.org/ä.csv'", "of ASCII characters"),
        ("url: 'https://x.org:port/a.csv'", "url: "),
        ("url: 'https://x.org/'", "a file's name is of letters"),
        ("url: 'https://x.org/a%2F..%2Fb'", "a file's name is of letters"),
        ("url: 'https://x.org/a', file: ../a.csv", "file: a file's name"),
        ("url: 'https://x.org/a', file: .bashrc", "file: a file's name"),
        ("url: 'https://x.org/a.part'", "are taken"),
        ("url: 'https://x.org/a.csv', unpack: true", "only .zip, .tar, .tar.gz, .tgz"),
        ("url: 'https://x.org/a.csv', sha256: 12", "sha256: should match pattern"),
        ("url: 'https://x.org/a.csv', size: 0", "size: should be greater than 0, got 0"),
        ("url: 'https://x.org/a.csv', sha: 0", "unknown option"),
        ("file: a.csv", "url: required"),
    ],
)
def test_mistakes_are_named_with_their_line(tmp_path, line, words):
    text = mistakes(tmp_path, files(line))
    assert f"{tmp_path}/sources.yaml:5  datasets.a.files.0" in text
    assert words in text
    assert "secret" not in text


def test_all_mistakes_are_listed_at_once(tmp_path):
    text = mistakes(tmp_path, files("url: a", "url: 'https://x.org/a', seize: 3") + "extra: 1\n")
    assert text.startswith("3 mistakes in the sources:")
    assert "(did you mean 'size'?)" in text


def test_names_differ_also_where_letters_have_no_case(tmp_path):
    text = mistakes(tmp_path, files("url: 'https://x.org/a.csv'", "url: 'https://y.org/A.csv'"))
    assert "the name 'A.csv' is taken by datasets.a.files.0" in text
    text = mistakes(
        tmp_path,
        files("url: 'https://x.org/a.csv'", "url: 'https://x.org/a.csv.zip', unpack: true"),
    )
    assert "the name 'a.csv' is taken" in text


def test_a_dataset_without_files_says_why(tmp_path):
    text = mistakes(tmp_path, "datasets:\n  a: {licence: CC0}\n")
    assert "needs a file, or a `note`" in text


@pytest.mark.parametrize("text", ["", "- a", "datasets: [", "datasets: {}"])
def test_a_file_that_holds_no_sources_is_an_error(tmp_path, text):
    assert "sources.yaml" in mistakes(tmp_path, text)


def test_http_is_for_files_with_a_checksum_and_for_this_machine():
    SourceFile(url="http://x.org/a.csv", sha256="0" * 64)
    SourceFile(url="http://127.0.0.1/a.csv")
    SourceFile(url="http://[::1]:80/a.csv")


def test_the_name_is_the_last_part_of_the_address():
    assert SourceFile(url="https://x.org/d/a.tar.gz?download=1", unpack=True).folder == "a"
    assert SourceFile(url="https://x.org/d/a.csv?download=1#top").name == "a.csv"


def test_the_example_of_the_manual_is_valid(tmp_path):
    manual = (REPOSITORY / "docs" / "howto" / "download.md").read_text()
    (example,) = re.findall(r"```yaml\n(.*?)```", manual, re.DOTALL)
    (tmp_path / "sources.yaml").write_text(example)
    assert len(load_sources(tmp_path / "sources.yaml").datasets) == 2


def test_every_field_of_the_sources_is_explained():
    for section in (Sources, DatasetSource, SourceFile):
        assert all(field.description for field in section.model_fields.values())


def test_addresses_are_shown_without_what_may_be_secret():
    assert without_secrets("https://me:pass@x.org:8/a?token=1#x") == "https://x.org:8/a"
    assert "secret" not in without_secrets("https://[secret")
