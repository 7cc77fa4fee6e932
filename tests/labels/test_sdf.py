"""SDF files as text: records, properties, and what is wrong with a file."""

import gzip

import pytest

from graphium.errors import DataError
from graphium.labels.columns import scan_table
from graphium.labels.sdf import read_sdf, sdf_columns
from graphium.labels.table import find_smiles_column, open_table

BLOCK = "{name}\n  made\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n    0.0 0.0 0.0 C\nM  END\n"


def block(name="methane"):
    return BLOCK.format(name=name)


def rows(path):
    return [row for batch in open_table(path).batches() for row in batch.to_pylist()]


@pytest.fixture
def write(tmp_path):
    def write(text, name="a.sdf"):
        content = text.encode()
        (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
        return tmp_path / name

    return write


@pytest.mark.parametrize("name", ["a.sdf", "a.SD", "a.sdf.gz"])
def test_columns_are_the_block_its_name_and_the_properties_of_all_records(write, name):
    path = write(
        f"{block('one')}>  <y>\n1.5\n\n$$$$\n"
        f"{block('two')}> <z>  (2)\nhigh\nlow\n\n>  <y>\n\n\n$$$$\n",
        name,
    )
    table = open_table(path)

    assert table.columns == sdf_columns(path) == ("mol", "name", "y", "z")
    assert find_smiles_column(table, None) == "mol"
    assert rows(path) == [
        {"mol": block("one"), "name": "one", "y": "1.5", "z": None},
        {"mol": block("two"), "name": "two", "y": "", "z": "high\nlow"},
    ]
    assert [(one.name, one.kind) for one in scan_table(table, "mol").columns] == [
        ("name", "text"),
        ("y", "number"),
        ("z", "text"),
    ]


def test_a_property_that_all_records_of_a_file_lack_is_missing_there(write):
    write(f"{block('one')}>  <y>\n1.5\n\n$$$$\n", "part-1.sdf")
    path = write(f"{block('two')}>  <z>\n2\n\n>  <y>\n3\n\n$$$$\n", "part-2.sdf")
    write(f"{block('three')}$$$$\n", "part-3.sdf")

    table = open_table(path.parent / "part-*.sdf")

    assert table.columns == ("mol", "name", "y", "z")
    found = [row for batch in table.batches() for row in batch.to_pylist()]
    assert [(one["name"], one["y"], one["z"]) for one in found] == [
        ("one", "1.5", None),
        ("two", "3", "2"),
        ("three", None, None),
    ]
    kinds = {one.name: one.kind for one in scan_table(table, "mol").columns}
    assert kinds == {"name": "text", "y": "number", "z": "number"}


def test_a_property_may_hold_the_smiles_instead(write):
    table = open_table(write(f"{block()}>  <smiles>\nC\n\n$$$$\n"))

    assert find_smiles_column(table, None) == "mol"
    assert find_smiles_column(table, "smiles") == "smiles"
    assert [one.name for one in scan_table(table, "smiles").columns] == ["name"]


def test_line_ends_of_windows_change_nothing(write):
    text = f"{block()}>  <y>\n1\n\n$$$$\n{block()}>  <y>\n2\n\n$$$$\n"

    assert rows(write(text.replace("\n", "\r\n"), "b.sdf")) == rows(write(text))


def test_repeated_names_are_numbered_and_no_name_takes_that_of_the_block(write):
    path = write(f"{block()}>  <y>\n1\n\n>  <mol>\nx\n\n>  <y>\n2\n\n$$$$\n{block()}$$$$\n")

    assert sdf_columns(path) == ("mol", "name", "y", "mol.1", "y.1")
    assert rows(path)[0]["y.1"] == "2"
    assert rows(path)[1]["y"] is None


def test_the_last_record_may_lack_its_end_which_is_said(write, caplog):
    closed = f"{block()}>  <y>\n1\n\n$$$$\n"

    assert [row["y"] for row in rows(write(f"{closed}{block()}>  <y>\n2\n"))] == ["1", "2"]
    assert "a.sdf does not end with '$$$$': is it complete?" in caplog.text
    caplog.clear()
    assert len(rows(write(f"{closed}\n \n", "b.sdf"))) == 1
    assert not caplog.text


def test_an_empty_record_and_one_without_the_end_of_its_block_are_rows(write):
    cut = block("cut").replace("M  END\n", "")
    path = write(f"{block()}$$$$\n\n\n$$$$\n{cut}>  <y>\n3\n\n$$$$\n")

    assert [(row["mol"], row["y"]) for row in rows(path)] == [
        (block(), None),
        ("", None),
        (cut, "3"),
    ]


def test_properties_without_blank_lines_between_them_are_told_apart(write):
    (found,) = read_sdf(write(f"{block()}>  <y>\n1\n>  <z>\n> 5\n>  DT12\n7\n\n\n$$$$\n"))

    assert found.properties == {"y": "1", "z": "> 5\n>  DT12\n7"}


def test_lists_of_atoms_as_rdkit_writes_them_are_lists(write):
    fields = {
        "atom.dprop.q": "0.5 -1 n/a",
        "bond.iprop.k": "[?] 1 ? 2",
        "atom.dprop.bad": "0.5 high",
        "atom.prop.text": "1 2",
    }
    text = "".join(f">  <{name}>\n{value}\n\n" for name, value in fields.items())
    (found,) = read_sdf(write(f"{block()}{text}$$$$\n"))

    assert found.properties == {
        "atom.dprop.q": "[0.5, -1.0, null]",
        "bond.iprop.k": "[1.0, null, 2.0]",
        "atom.dprop.bad": "0.5 high",
        "atom.prop.text": "1 2",
    }


def test_a_file_longer_than_a_batch_keeps_every_record(write, monkeypatch):
    monkeypatch.setattr("graphium.labels.readers.BATCH_ROWS", 3)
    path = write("".join(f"{block(str(k))}>  <p{k % 4}>\n{k}\n\n$$$$\n" for k in range(10)))

    assert [row["name"] for row in rows(path)] == [str(k) for k in range(10)]
    assert [row[f"p{k % 4}"] for k, row in enumerate(rows(path))] == [str(k) for k in range(10)]


@pytest.mark.parametrize("text", ["smiles,y\nC,1\nCC,2\n", "PK\x03\x04", "$$$$\n\n$$$$\n"])
def test_a_file_that_is_no_sdf_is_refused(write, text):
    with pytest.raises(DataError, match=r"a\.sdf is no SDF file: no record of it has a mol block"):
        open_table(write(text))


def test_a_record_that_never_ends_is_refused(write, monkeypatch):
    monkeypatch.setattr("graphium.labels.sdf._LONGEST_RECORD", 1000)

    with pytest.raises(DataError, match=r"record 1 \(from 0\) is longer than"):
        open_table(write(f"{block()}$$$$\n" + "C,1\n" * 1000))


def test_a_packed_file_that_is_cut_off_is_refused(write):
    path = write(f"{block()}$$$$\n" * 50, "a.sdf.gz")
    path.write_bytes(path.read_bytes()[:-9])

    with pytest.raises(DataError, match=r"a\.sdf\.gz cannot be read"):
        open_table(path)
