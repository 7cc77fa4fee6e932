"""Cells that a spreadsheet would evaluate: written as they are unless asked otherwise."""

import csv
import gzip

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tiny_model import write_tiny_model
from typer.testing import CliRunner

from graphium.apply.model import load_model
from graphium.apply.predict import predict_file
from graphium.apply.spreadsheets import guard_file, guarded, unguarded
from graphium.cli.data import app
from graphium.errors import DataError, UsageError

HOSTILE = ["=1+1", "+cmd|' /C calc'!A0", "-2+3", "@SUM(1)", "\t=1", "\r=1", "=", "-", "'=1", "-inf"]
HARMLESS = ["CCO", "-0.5", "+3", "-1e-05", "-.5", "1e3", "[Na+]", "a=b", "", "'", "'x", "007"]


@pytest.mark.parametrize("cell", HOSTILE)
def test_what_looks_like_a_formula_gets_an_apostrophe(cell):
    assert guarded(cell) == f"'{cell}"


@pytest.mark.parametrize("cell", HARMLESS)
def test_numbers_and_other_cells_stay_as_they_are(cell):
    assert guarded(cell) == cell


@given(st.text(alphabet="'=+-@\t\r0.eC", max_size=6) | st.text())
def test_the_guard_can_be_taken_back(cell):
    assert unguarded(guarded(cell)) == cell


def rows_of(path):
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.reader(file))


@pytest.fixture
def hostile_table(tmp_path):
    path = tmp_path / "in.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([["smiles", "@id", "y"], *(["CCO", h, "-0.5"] for h in HOSTILE)])
    return path


def test_predictions_keep_every_cell_by_default_and_are_guarded_on_request(tmp_path, hostile_table):
    model = load_model(write_tiny_model(tmp_path / "checkpoint"))
    plain, safe = tmp_path / "plain.csv", tmp_path / "safe.csv"
    predict_file(model, hostile_table, plain)
    predict_file(model, hostile_table, safe, for_spreadsheets=True)
    header, *rows = rows_of(plain)
    assert [row[1] for row in rows] == HOSTILE
    assert header[1] == "@id"
    assert rows_of(safe) == [[guarded(cell) for cell in row] for row in [header, *rows]]
    assert {row[2] for row in rows_of(safe)[1:]} == {"-0.5"}


def test_formats_that_keep_text_as_text_take_no_guards(tmp_path, hostile_table):
    model = load_model(write_tiny_model(tmp_path / "checkpoint"))
    with pytest.raises(UsageError, match=r"for-spreadsheets is for \.csv"):
        predict_file(model, hostile_table, tmp_path / "out.parquet", for_spreadsheets=True)


def test_any_csv_is_copied_with_guards_and_back(tmp_path, hostile_table):
    safe, back = tmp_path / "safe.csv.gz", tmp_path / "back.csv"
    run = CliRunner().invoke(app, ["for-spreadsheets", str(hostile_table), "-o", str(safe)])
    assert run.exit_code == 0, run.output
    assert f"{len(HOSTILE) + 1} cells changed" in run.output
    with gzip.open(safe, "rt", newline="") as file:
        assert all(guarded(cell) == cell or "'" in cell for row in csv.reader(file) for cell in row)
    guard_file(safe, back, undo=True)
    assert rows_of(back) == rows_of(hostile_table)


def test_letters_that_are_not_utf_8_and_long_cells_go_through(tmp_path):
    source, safe = tmp_path / "in.tsv", tmp_path / "safe.tsv"
    cell = b"x" * 200_000
    source.write_bytes(b"\xef\xbb\xbf=a\tb\n\xe9\t" + cell + b"\n")
    guard_file(source, safe)
    assert safe.read_bytes() == b"'=a\tb\n\xe9\t" + cell + b"\n"


def test_what_is_no_csv_is_refused_and_nothing_is_left(tmp_path):
    source = tmp_path / "in.parquet"
    source.write_bytes(b"PAR1")
    with pytest.raises(DataError, match="no csv or tsv"):
        guard_file(source, tmp_path / "safe.csv")
    assert list(tmp_path.iterdir()) == [source]


@pytest.mark.parametrize(
    ("content", "why"),
    [(None, "No such file"), (b'a,b\n"x,1\ny,2\n', "unexpected end of data")],
    ids=["missing", "open-quote"],
)
def test_a_table_that_cannot_be_read_is_named_and_nothing_is_left(tmp_path, content, why):
    source = tmp_path / "in.csv"
    if content is not None:
        source.write_bytes(content)
    before = list(tmp_path.iterdir())
    with pytest.raises(DataError, match=rf"in\.csv cannot be read: .*{why}"):
        guard_file(source, tmp_path / "safe.csv")
    assert list(tmp_path.iterdir()) == before
