"""Long rows and quotes of text tables, which are read block by block."""

import csv
import gzip
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graphium.errors import DataError
from graphium.labels.table import open_table


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("tables")


@pytest.fixture
def small_blocks(monkeypatch):
    monkeypatch.setattr("graphium.labels.readers._BLOCK_BYTES", 64)
    monkeypatch.setattr("graphium.labels.readers._COLUMN_BYTES", 1)
    monkeypatch.setattr("graphium.labels.readers._LONGEST_ROW", 4096)


def cells(path):
    return [
        tuple(row.values())
        for batch in open_table(path).batches()
        for row in batch.to_pylist()
    ]  # fmt: skip


@given(
    lengths=st.lists(st.integers(1, 900), min_size=1, max_size=60),
    filling=st.sampled_from(["C", "\n", '"', ",\n", "é"]),
)
def test_rows_of_any_length_are_read_once_and_in_order(folder, lengths, filling):
    expected = [(f"C{number}", filling * length + "]") for number, length in enumerate(lengths)]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([("smiles", "y"), *expected])
    (folder / "a.csv").write_bytes(text.getvalue().encode())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("graphium.labels.readers._BLOCK_BYTES", 64)
        patch.setattr("graphium.labels.readers._COLUMN_BYTES", 1)
        found = cells(folder / "a.csv")

    assert [(one.decode(), other.decode()) for one, other in found] == expected


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
@pytest.mark.parametrize("lines", [2, 3000])
def test_a_quote_that_is_never_closed_does_not_swallow_the_rest(
    tmp_path, small_blocks, pack, lines
):
    name = tmp_path / ("a.csv" if pack is bytes else "a.csv.gz")
    name.write_bytes(pack(b'smiles,y\nC,1\nC,"2\n' + b"C,3\n" * lines))

    with pytest.raises(DataError, match=r"row.* 1 .*has a quote that is not closed"):
        cells(name)


def test_a_quoted_cell_of_several_lines_may_end_a_file(tmp_path, small_blocks):
    (tmp_path / "a.csv").write_text('smiles,y\nC,"[1,\n2]"\n\n')

    assert cells(tmp_path / "a.csv") == [(b"C", b"[1,\n2]")]


@pytest.mark.parametrize(
    "rows",
    [
        'C,"open,1\nCC,x,2\nCCC,"z",3\nCCCC,w,4\n',
        'C,"open,1\r\nCC,"z" ,3\r\n',
        'C,1,"open\nCC,2,x\nCCC,3,"z"\n',
    ],
)
def test_a_quote_that_a_later_cell_closes_does_not_swallow_the_rows_between(tmp_path, rows):
    (tmp_path / "a.csv").write_text(f"smiles,name,y\nO,a,0\n{rows}", newline="")

    with pytest.raises(DataError, match=r"row 1 .*has a quote that is not closed in column"):
        cells(tmp_path / "a.csv")


def test_quotes_inside_a_cell_of_several_lines_are_no_mistake(tmp_path):
    rows = [
        ("C", 'tube of\n5"', "1"),
        ("CC", 'say "hi",\n"you"', "2"),
        ("CCC", 'a, 5"\nb, 6", c, 7"', "3"),
    ]
    with (tmp_path / "a.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("smiles", "name", "y"), *rows])

    assert cells(tmp_path / "a.csv") == [tuple(cell.encode() for cell in row) for row in rows]
