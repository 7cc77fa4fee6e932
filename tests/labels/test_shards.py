"""Several files as one table, and smi files."""

import gzip
import os

import pandas as pd
import pyarrow as pa
import pyarrow.parquet
import pytest

from graphium.errors import DataError
from graphium.labels.columns import scan_table
from graphium.labels.files import find_files
from graphium.labels.table import open_table


def rows(table):
    return pa.Table.from_batches(list(table.batches())).to_pylist()


def write_parquet(path, **columns):
    pa.parquet.write_table(pa.table(columns), path)


@pytest.fixture
def folder(tmp_path):
    for number in (1, 2, 10):
        (tmp_path / f"part-{number}.csv").write_text(f"smiles,y\nC,{number}\nCC,{number}.5\n")
    return tmp_path


def test_files_come_in_natural_order_and_rows_follow_each_other(folder):
    table = open_table(folder / "part-*.csv")

    assert [row["y"] for row in rows(table)] == [b"1", b"1.5", b"2", b"2.5", b"10", b"10.5"]
    assert scan_table(table, "smiles").shard_rows == (2, 2, 2)


def test_folders_of_any_depth_are_searched_and_are_no_files_themselves(folder):
    (folder / "deep" / "er.csv").mkdir(parents=True)
    (folder / "deep" / "er.csv" / "part-3.csv").write_text("smiles,y\nC,3\n")

    found = [path.name for path in find_files(str(folder / "**" / "*.csv"))]

    assert sorted(found) == ["part-1.csv", "part-10.csv", "part-2.csv", "part-3.csv"]


def test_a_file_whose_name_has_signs_of_a_pattern_is_itself(tmp_path):
    (tmp_path / "a[1].csv").write_text("smiles,y\nC,1\n")
    (tmp_path / "a1.csv").write_text("smiles,y\nC,2\n")

    assert rows(open_table(tmp_path / "a[1].csv")) == [{"smiles": b"C", "y": b"1"}]


def test_columns_of_another_order_and_wider_numbers_are_fitted(tmp_path):
    write_parquet(tmp_path / "0.parquet", smiles=["C"], y=pa.array([1], pa.int64()), z=[[1]])
    write_parquet(tmp_path / "1.parquet", z=[[0.5]], y=[2.5], smiles=["CC"])
    write_parquet(tmp_path / "2.parquet", smiles=["CCC"], y=pa.nulls(1), z=pa.nulls(1))
    codes = pa.array(["CCCC"]).dictionary_encode()
    write_parquet(tmp_path / "3.parquet", smiles=codes, y=pa.array([True]), z=[[]])

    found = rows(open_table(tmp_path / "*.parquet"))

    assert [row["smiles"] for row in found] == ["C", "CC", "CCC", "CCCC"]
    assert [row["y"] for row in found] == [1, 2.5, None, 1]
    assert [row["z"] for row in found] == [[1], [0.5], None, []]


def test_numbers_and_text_in_one_column_are_refused_with_file_and_column(tmp_path):
    write_parquet(tmp_path / "0.parquet", smiles=["C"], y=[1.0])
    write_parquet(tmp_path / "1.parquet", smiles=["C"], y=["high"])

    with pytest.raises(DataError, match=r"Column 'y' holds string in .*1\.parquet and double in"):
        open_table(tmp_path / "*.parquet")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("part-3.csv", "smiles,z\nC,1\n", r"part-3\.csv lacks y and has z besides"),
        ("part-3.csv", "smiles\nC\n", r"part-3\.csv lacks y\."),
        ("part-3.csv", "", r"part-3\.csv is an empty file"),
        ("part-3.txt", "smiles,y\nC,1\n", r"part-3\.txt is not a table that graphium reads"),
        ("part-3.tsv", "smiles\ty\nC\t1\n", r"several formats \(.*part-1\.csv, .*part-3\.tsv\)"),
    ],
)
def test_a_file_that_does_not_fit_the_others_is_named(folder, name, text, message):
    (folder / name).write_text(text)

    with pytest.raises(DataError, match=message):
        open_table(folder / "part-*")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("smiles,y\n", r"part-3\.csv, one of the files of .*part-\*\.csv, has no rows"),
        ("smiles,y\nC,1\nC,1,2\n", r"part-3\.csv cannot be read: .*Row #3: Expected 2 columns"),
    ],
)
def test_a_file_that_cannot_be_read_to_its_end_is_named(folder, text, message):
    (folder / "part-3.csv").write_text(text)

    with pytest.raises(DataError, match=message):
        list(open_table(folder / "part-*.csv").batches())


def test_a_cell_that_is_no_number_is_named_by_file_and_row_inside_it(folder):
    (folder / "part-3.csv").write_text("smiles,y\nC,1\nC,high\n")

    (column,) = scan_table(open_table(folder / "part-*.csv"), "smiles").columns

    assert column.note == "row 1 of part-3.csv is 'high'"


@pytest.mark.parametrize("name", ["a.smi", "a.smiles", "a.SMI.gz"])
def test_a_smi_file_has_smiles_and_names(tmp_path, name):
    content = "\ufeffSMILES id\nCCO  ethyl alcohol\n\nC\n".encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if "gz" in name else content)

    assert rows(open_table(tmp_path / name)) == [
        {"smiles": "CCO", "name": "ethyl alcohol"},
        {"smiles": "", "name": ""},
        {"smiles": "C", "name": ""},
    ]


def test_a_smi_file_longer_than_a_batch_keeps_every_line(tmp_path, monkeypatch):
    monkeypatch.setattr("graphium.labels.readers.BATCH_ROWS", 3)
    (tmp_path / "a.smi").write_text("".join(f"{'C' * k} {k}\n" for k in range(1, 11)))

    assert [row["name"] for row in rows(open_table(tmp_path / "a.smi"))] == [
        str(k) for k in range(1, 11)
    ]


def test_a_damaged_smi_file_is_named(tmp_path):
    packed = gzip.compress(os.urandom(4096).hex().encode(), mtime=0)
    (tmp_path / "a.smi.gz").write_bytes(packed[:1000] + b"\xff" * 200)

    with pytest.raises(DataError, match=r"a\.smi\.gz cannot be read"):
        list(open_table(tmp_path / "a.smi.gz").batches())


def test_a_table_in_one_row_group_is_read_in_batches(tmp_path):
    pd.DataFrame({"smiles": ["C"] * 40_000, "y": range(40_000)}).to_parquet(tmp_path / "a.parquet")

    sizes = [batch.num_rows for batch in open_table(tmp_path / "a.parquet").batches()]

    assert sum(sizes) == 40_000
    assert max(sizes) < 20_000
