import gzip
import re

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graphium.errors import DataError
from graphium.labels.columns import (
    read_lists,
    read_numbers,
    read_smiles,
    read_text,
    scan_table,
)
from graphium.labels.table import find_smiles_column, open_table, table_from_arrow


def kinds(table):
    scan = scan_table(table, find_smiles_column(table, None))
    return {column.name: column.kind for column in scan.columns}


def column(table, name):
    return pa.concat_arrays([batch.column(name) for batch in table.batches()])


@pytest.mark.parametrize("name", ["a.csv", "a.csv.gz", "a.tsv", "a.tsv.gz", "a.parquet"])
def test_every_format_gives_the_same_columns_and_values(tmp_path, name):
    frame = pd.DataFrame({"smiles": ["C", "CC"], "y": [1.5, None], "part": ["train", "test"]})
    path = tmp_path / name
    if name.endswith("parquet"):
        frame.to_parquet(path)
    else:
        frame.to_csv(path, index=False, sep="\t" if "tsv" in name else ",")

    table = open_table(path)

    assert table.columns == ("smiles", "y", "part")
    assert read_smiles(column(table, "smiles")) == ["C", "CC"]
    np.testing.assert_array_equal(read_numbers(column(table, "y")), [1.5, np.nan])
    assert read_text(column(table, "part")) == ["train", "test"]
    assert kinds(table) == {"y": "number", "part": "text"}


@pytest.mark.parametrize(
    "header", ["smiles", "SMILES", "Canonical_Smiles", "ordered_smiles", "CXSMILES", "mol"]
)
def test_the_smiles_column_is_found_in_any_case(tmp_path, header):
    path = tmp_path / "a.csv"
    path.write_text(f"id,{header},y\n1,C,2\n")

    assert find_smiles_column(open_table(path), None) == header


def test_a_declared_smiles_column_wins(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("smiles,product\nC,CC\n")

    assert find_smiles_column(open_table(path), "product") == "product"


@pytest.mark.parametrize(
    ("text", "declared", "message"),
    [
        ("id,compound\n1,C\n", None, "no SMILES column; its columns are id, compound"),
        ("smiles,y\nC,1\n", "smile", "no column 'smile'.*did you mean 'smiles'"),
        ("smiles,SMILES\nC,C\n", None, "several SMILES columns"),
    ],
)
def test_an_absent_smiles_column_is_an_error_that_helps(tmp_path, text, declared, message):
    path = tmp_path / "a.csv"
    path.write_text(text)

    with pytest.raises(DataError, match=message):
        find_smiles_column(open_table(path), declared)


def test_the_error_names_the_option_of_the_command_that_reads(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("id,compound\n1,C\n")

    with pytest.raises(DataError, match=r"Name it with --smiles-columns\.$"):
        find_smiles_column(open_table(path), None, "--smiles-columns")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is an empty file"),
        ("a.csv", b"smiles,y\n", "has no rows"),
        ("a.csv", b"smiles,y\nC,1\nCC\n", "cannot be read.*Expected 2 columns, got 1"),
        ("a.xlsx", b"PK", "not a table that graphium reads.*\\.parquet"),
        ("a.parquet", b"not parquet", "cannot be read"),
        ("a.csv.gz", b"not gzip", "cannot be read"),
        ("a.csv.gz", gzip.compress(b"smiles,y\n", mtime=0)[:10] + b"\xff" * 9, "cannot be read"),
        (
            "a.csv.gz",
            gzip.compress(b"smiles,y\n" + b"C,1\n" * 9999, mtime=0)[:-20],
            "cannot be read",
        ),
    ],
)
def test_a_table_that_cannot_be_read_is_named_with_the_reason(tmp_path, name, content, message):
    path = tmp_path / name
    path.write_bytes(content)

    with pytest.raises(DataError, match=message) as error:
        scan_table(open_table(path), "smiles")
    assert str(path) in str(error.value)


def test_a_missing_file_suggests_its_neighbour(tmp_path):
    (tmp_path / "molecules.csv").write_text("smiles\nC\n")

    with pytest.raises(DataError, match=r"did you mean .*molecules\.csv"):
        open_table(tmp_path / "molecule.csv")


@pytest.mark.parametrize("marker", ["", "NA", "N/A", "NaN", "nan", "null", "None", " "])
def test_markers_of_missing_cells_keep_a_column_numeric(tmp_path, marker):
    path = tmp_path / "a.csv"
    path.write_text(f"smiles,y\nC,1\nC,{marker}\nC,-2e-3\nC,+4\n")
    table = open_table(path)

    assert kinds(table) == {"y": "number"}
    numbers = read_numbers(column(table, "y"))
    np.testing.assert_array_equal(numbers, np.array([1, np.nan, -2e-3, 4], np.float32))


def test_one_cell_of_text_makes_a_column_text_and_is_named(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("smiles,y\nC,1\nC,>10\n")

    (found,) = scan_table(open_table(path), "smiles").columns

    assert (found.kind, found.note) == ("text", "row 1 is '>10'")


def test_a_column_can_turn_to_text_after_many_batches(tmp_path):
    path = tmp_path / "a.parquet"
    pd.DataFrame({"smiles": ["C"] * 40_000, "y": ["1"] * 39_999 + ["high"]}).to_parquet(path)

    (found,) = scan_table(open_table(path), "smiles").columns

    assert (found.kind, found.note) == ("text", "row 39999 is 'high'")


def test_json_text_and_parquet_lists_are_lists(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('smiles,charge\nCC,"[0.5, null]"\nC,\nCC,"[1, NaN]"\n')
    rows = {"smiles": ["CC", "C", "CC"], "charge": [[0.5, None], None, [1.0, float("nan")]]}
    tables = [open_table(path), table_from_arrow("memory", pa.table(rows))]

    for table in tables:
        assert kinds(table) == {"charge": "list"}
        first, second, third = read_lists(column(table, "charge"))
        np.testing.assert_array_equal(first, [0.5, np.nan])
        assert second is None
        np.testing.assert_array_equal(third, [1, np.nan])


@pytest.mark.parametrize("cell", ["[1, 2", "[[1], [2, 3]]", '["a"]', '{"a": 1}', "7"])
def test_a_cell_that_is_no_list_of_numbers_among_lists_is_named(tmp_path, cell):
    path = tmp_path / "a.tsv"
    path.write_text(f"smiles\ty\nCC\t\nCC\t[1, 2]\nCC\t{cell}\nCC\t[3\n")

    (found,) = scan_table(open_table(path), "smiles").columns

    assert found.kind == "skipped"
    assert found.note == f"row 2 is '{cell}', no list of numbers as in other rows"


def test_a_bad_list_is_named_in_any_batch_and_in_columns_of_matrices(tmp_path):
    late, matrices = tmp_path / "late.parquet", tmp_path / "matrices.parquet"
    cells = ["[1]"] * 39_999 + ["[1, oops]"]
    pd.DataFrame({"smiles": ["C"] * 40_000, "y": cells}).to_parquet(late)
    square, ragged = [[0.0, 1.0], [1.0, 0.0]], [[0.0, 1.0], [1.0]]
    rows = {"smiles": ["CC"] * 3, "y": [square, None, ragged]}
    pq.write_table(pa.table(rows), matrices)

    (text,) = scan_table(open_table(late), "smiles").columns
    (matrix,) = scan_table(open_table(matrices), "smiles").columns

    assert (text.kind, matrix.kind) == ("skipped", "skipped")
    assert text.note.startswith("row 39999 is '[1, oops]', no list of numbers")
    assert matrix.note.startswith("row 2 is '[[0.0, 1.0], [1.0]]', no list of numbers")


def test_a_bad_first_cell_is_named_and_not_the_good_lists_below_it(tmp_path):
    path = tmp_path / "a.tsv"
    for cell in ("oops", "1 2 3", "7"):
        path.write_text(f"smiles\ty\nCC\t{cell}\nCC\t[1, 2]\nCC\t[3, 4]\n")

        (found,) = scan_table(open_table(path), "smiles").columns

        assert found.kind == "skipped"
        assert found.note == f"row 0 is '{cell}', no list of numbers as in other rows"


def test_ranges_in_brackets_are_classes(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("smiles\ty\nCC\t[0,5)\nCC\t[5,9)\nCC\t[9,12]\n")

    assert kinds(open_table(path)) == {"y": "text"}


def test_text_before_any_list_is_text(tmp_path):
    path = tmp_path / "a.tsv"
    path.write_text("smiles\ty\nCC\tsolid\nCC\t[1, 2]\n")

    (found,) = scan_table(open_table(path), "smiles").columns

    assert (found.kind, found.note) == ("text", "row 0 is 'solid'")


def test_infinite_numbers_and_those_beyond_float32_are_counted(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text('smiles,y,z\nC,inf,"[Infinity]"\nC,-inf,"[1]"\nC,1e39,"[NaN]"\nC,3,\n')

    y, z = scan_table(open_table(path), "smiles").columns

    assert (y.kind, y.infinite) == ("number", 3)
    assert (z.kind, z.infinite) == ("list", 1)


def test_names_and_dates_are_skipped_with_the_reason(tmp_path):
    path = tmp_path / "a.parquet"
    days = pd.date_range("2020-01-01", periods=2_000)
    names = [f"name {k}" for k in range(2_000)]
    pd.DataFrame({"smiles": ["C"] * 2_000, "name": names, "day": days}).to_parquet(path)

    name, day = scan_table(open_table(path), "smiles").columns

    assert name.kind == day.kind == "skipped"
    assert re.search("more than 1000 distinct", name.note)
    assert "timestamp" in day.note


def test_text_that_is_not_utf8_does_not_make_the_table_unreadable(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes("smiles,name\nC,café\n".encode("latin-1"))
    table = open_table(path)

    assert read_smiles(column(table, "smiles")) == ["C"]
    assert read_text(column(table, "name")) == ["caf\ufffd"]


def test_letters_that_are_lost_are_said_of_the_columns_that_are_kept(tmp_path, caplog):
    path = tmp_path / "a.csv"
    path.write_bytes("smiles,y,phase,\xb5M\nC,1,d\xe9j\xe0,2\nCC,2,solid,3\n".encode("latin-1"))

    assert kinds(open_table(path)) == {"y": "number", "phase": "text", "\ufffdM": "number"}
    (message,) = caplog.messages
    assert "is not UTF-8 in the columns phase, \ufffdM:" in message


@pytest.mark.parametrize(
    ("name", "text", "encoding", "message"),
    [
        ("a.csv", "smiles,y\nC,1\n", "utf-16", r"a\.csv is UTF-16; save it as UTF-8"),
        ("a.csv", "id;smiles;y\n1;C;1\n", "utf-8", "'id;smiles;y': are its cells parted by ';'?"),
        ("a.csv", "smiles\ty\nC\t1\n", "utf-8", "are its cells parted by 'tab'?"),
        ("a.tsv", "y,SMILES\n1,C\n", "utf-8", "are its cells parted by ','?"),
    ],
)
def test_a_table_of_another_encoding_or_delimiter_is_told(tmp_path, name, text, encoding, message):
    (tmp_path / name).write_bytes(text.encode(encoding))

    with pytest.raises(DataError, match=message):
        open_table(tmp_path / name)


def test_repeated_column_names_are_numbered_as_pandas_does(tmp_path):
    path = tmp_path / "a.csv"
    path.write_text("smiles,y,y,y\nC,1,2,3\n")

    assert open_table(path).columns == tuple(pd.read_csv(path).columns)


def test_quotes_line_breaks_and_a_byte_order_mark_are_understood(tmp_path):
    path = tmp_path / "a.csv"
    path.write_bytes('\ufeffsmiles,"a\nb",y\n"C\nC","x,""y",1\n'.encode())
    table = open_table(path)

    assert table.columns == ("smiles", "a\nb", "y")
    assert read_smiles(column(table, "smiles")) == ["C\nC"]
    assert read_text(column(table, "a\nb")) == ['x,"y']


def test_dictionary_columns_are_text(tmp_path):
    path = tmp_path / "a.parquet"
    frame = pd.DataFrame({"smiles": ["C"] * 3, "part": pd.Categorical(["train", None, "val"])})
    frame.to_parquet(path)
    table = open_table(path)

    assert kinds(table) == {"part": "text"}
    assert read_text(column(table, "part")) == ["train", None, "val"]
