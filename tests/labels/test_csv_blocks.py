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
