"""A list of files as one table."""

import gzip

import pytest

from graphium.errors import DataError
from graphium.labels.columns import scan_table
from graphium.labels.files import find_files
from graphium.labels.table import open_table


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "b.csv").write_text("smiles,y\nC,1\nCC,2\n")
    (tmp_path / "a.csv.gz").write_bytes(gzip.compress(b"y,smiles\n3,CCC\n"))
    for number in (2, 10):
        (tmp_path / f"part-{number}.csv").write_text(f"smiles,y\nC,{number}\n")
    return tmp_path


def column(table, name):
    return [cell for batch in table.batches() for cell in batch.column(name).to_pylist()]


def test_files_and_patterns_are_read_in_the_order_in_which_they_stand(folder):
    table = open_table(["b.csv", "part-*.csv", "a.csv.gz"])

    assert column(table, "y") == [b"1", b"2", b"2", b"10", b"3"]
    assert column(table, "smiles")[-1] == b"CCC"
    assert scan_table(table, "smiles").shard_rows == (2, 1, 1, 1)
    assert column(open_table(["a.csv.gz", "b.csv"]), "y") == [b"3", b"1", b"2"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["b.csv", "c.csv"], r"There is no table c\.csv \(did you mean"),
        (["b.csv", "./b.csv"], r"names .*b\.csv more than once"),
        (["b.csv", "b.*"], r"names .*b\.csv more than once"),
        (["b.csv", "d.tsv"], r"The list of tables names files of several formats \(b\.csv, d\.tsv"),
        (["b.csv", "x-*.csv"], r"No file matches the pattern x-\*\.csv"),
        (["b.csv", "."], r"\. is a folder, not a table"),
        (["b.csv", "empty.csv"], r"The table empty\.csv is an empty file"),
    ],
)
def test_what_is_wrong_with_a_list_is_named(folder, names, message):
    (folder / "d.tsv").write_text("smiles\ty\nC\t1\n")
    (folder / "empty.csv").touch()

    with pytest.raises(DataError, match=message):
        find_files(names)


def test_a_file_with_other_columns_is_named(folder):
    (folder / "c.csv").write_text("smiles,z\nC,1\n")

    with pytest.raises(DataError, match=r"files of the list b\.csv, c\.csv .*c\.csv lacks y"):
        open_table(["b.csv", "c.csv"])


def test_a_file_without_rows_is_named(folder):
    (folder / "c.csv").write_text("smiles,y\n")

    with pytest.raises(DataError, match=r"c\.csv, one of the files of the list .*, has no rows"):
        list(open_table(["b.csv", "c.csv"]).batches())


def test_a_row_is_named_by_its_file_with_the_folder_where_names_repeat(folder):
    (folder / "new").mkdir()
    (folder / "new" / "b.csv").write_text("smiles,y\nC,1\nC,high\n")

    (one,) = scan_table(open_table(["b.csv", "new/b.csv"]), "smiles").columns
    (other,) = scan_table(open_table(["part-2.csv", "new/b.csv"]), "smiles").columns

    assert one.note == "row 1 of new/b.csv is 'high'"
    assert other.note == "row 1 of b.csv is 'high'"
