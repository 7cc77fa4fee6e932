import csv
import gzip
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tiny_model import write_tiny_model

from graphium.apply.embed import embed_file
from graphium.apply.model import Model, load_model
from graphium.apply.predict import predict_file
from graphium.errors import DataError, UsageError

TEXT = (
    "id,SMILES,note\n"
    "007,CCO,=1+1\n"
    "1e3,not a smiles,+4\n"
    '003,c1ccccc1,"-5, quoted ""x"""\n'
    "004,,@home\n"
    "005,CC,\n"
)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Model:
    return load_model(write_tiny_model(tmp_path_factory.mktemp("model") / "checkpoint"))


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text(TEXT)
    return path


def _rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_rows_order_and_every_cell_of_the_input_are_kept(model: Model, table: Path) -> None:
    output = table.with_name("out.csv")

    outcome = predict_file(model, table, output)

    rows = _rows(output)
    assert [[row["id"], row["SMILES"], row["note"]] for row in rows] == [
        ["007", "CCO", "=1+1"],
        ["1e3", "not a smiles", "+4"],
        ["003", "c1ccccc1", '-5, quoted "x"'],
        ["004", "", "@home"],
        ["005", "CC", ""],
    ]
    assert list(rows[0])[:3] == ["id", "SMILES", "note"]
    assert (outcome.rows, outcome.failed) == (5, 2)


def test_failed_rows_are_marked_and_counted_with_their_reason(model: Model, table: Path) -> None:
    output = table.with_name("out.csv")

    outcome = predict_file(model, table, output)

    rows = _rows(output)
    assert [row["error"].split(":")[0] for row in rows] == ["", "syntax", "", "empty", ""]
    assert [row["expt_predicted"] == "" for row in rows] == [False, True, False, True, False]
    message = outcome.message(output)
    assert "3 of 5 rows" in message
    assert "2 rows failed (syntax 1, empty 1)" in message
    assert "row 1, 'not a smiles'" in message


def test_the_numbers_of_the_file_are_those_of_the_model(model: Model, table: Path) -> None:
    output = table.with_name("out.csv")
    predict_file(model, table, output, batch_size=2)

    rows = _rows(output)
    expected = model.predict(["CCO", "not a smiles", "c1ccccc1", None, "CC"])

    assert float(rows[2]["calc_predicted"]) == pytest.approx(expected["calc_predicted"][2], 1e-5)
    assert rows[2]["class_predicted"] == expected["class_predicted"][2]
    assert rows[2]["kind_predicted"] == str(expected["kind_predicted"][2])
    np.testing.assert_allclose(json.loads(rows[0]["q_predicted"]), expected["q_predicted"][0], 1e-5)
    assert len(json.loads(rows[2]["d_predicted"])) == 6


def test_large_tables_are_read_in_batches_and_stay_in_order(
    model: Model, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("graphium.labels.readers._BLOCK_BYTES", 64)
    table = tmp_path / "many.csv"
    smiles = ["C" * (1 + i % 7) if i % 5 else "bad" for i in range(60)]
    table.write_text("smiles\n" + "\n".join(smiles) + "\n")
    for name in ("out.csv", "out.parquet"):
        predict_file(model, table, tmp_path / name)

    rows, frame = _rows(tmp_path / "out.csv"), pd.read_parquet(tmp_path / "out.parquet")

    assert [row["smiles"] for row in rows] == smiles
    assert frame["smiles"].tolist() == smiles
    assert frame["error"].notna().tolist() == [i % 5 == 0 for i in range(60)]


def test_parquet_keeps_types_and_lists(model: Model, tmp_path: Path) -> None:
    table, output = tmp_path / "in.parquet", tmp_path / "out.parquet"
    frame = pd.DataFrame({"smiles": ["CCO", None, "C"], "x": [1.5, 2.5, np.nan], "y": [1, 2, 3]})
    frame.to_parquet(table)

    predict_file(model, table, output)

    out = pd.read_parquet(output)
    pd.testing.assert_frame_equal(out[["smiles", "x", "y"]], pd.read_parquet(table))
    assert out["expt_predicted"].dtype == np.float32
    assert [None if c is None else len(c) for c in out["q_predicted"]] == [3, None, 1]
    assert out["class_predicted"].isna().tolist() == [False, True, False]


def test_compressed_tables_tabs_and_smi_files_are_read(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in.tsv.gz").write_bytes(gzip.compress(b"SMILES\tname\nCCO\tethanol\n"))
    (tmp_path / "in.smi").write_text("CCO ethanol\nC\tmethane gas\nxyz\n")

    predict_file(model, tmp_path / "in.tsv.gz", tmp_path / "a.csv")
    predict_file(model, tmp_path / "in.smi", tmp_path / "b.csv.gz")

    a = _rows(tmp_path / "a.csv")
    b = pd.read_csv(tmp_path / "b.csv.gz")
    assert a[0]["name"] == "ethanol"
    assert b["name"].tolist()[:2] == ["ethanol", "methane gas"]
    assert b["expt_predicted"].notna().tolist() == [True, True, False]
    assert float(a[0]["expt_predicted"]) == pytest.approx(b["expt_predicted"][0], rel=1e-5)


def test_files_of_a_pattern_are_one_table(model: Model, tmp_path: Path) -> None:
    for number in (2, 10):
        (tmp_path / f"part-{number}.smi").write_text(f"{'C' * number} alkane {number}\n\n")

    outcome = predict_file(model, tmp_path / "part-*.smi", tmp_path / "out.csv")

    assert [row["name"] for row in _rows(tmp_path / "out.csv")] == ["alkane 2", "", "alkane 10", ""]
    assert (outcome.rows, outcome.failed) == (4, 2)


def test_no_file_of_a_pattern_can_be_the_output(model: Model, tmp_path: Path) -> None:
    for number in (1, 2):
        (tmp_path / f"part-{number}.csv").write_text("smiles\nC\n")

    with pytest.raises(UsageError, match=r"part-2\.csv is the input"):
        predict_file(model, tmp_path / "part-*.csv", tmp_path / "part-2.csv", force=True)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("in.csv", "smiles\nCCO\n\nCC\n\nC\n\n"),
        ("in.csv", "\ufeffsmiles\r\nCCO\r\n\r\nCC\r\n\r\nC\r\n\r\n"),
        ("in.csv", '"the\nsmiles"\nCCO\n""\nCC\n\nC\n\n'),
        ("in.tsv", "smiles\nCCO\n\nCC\n\nC\n\n"),
        ("in.tab", "smiles\nCCO\n\nCC\n\nC\n\n"),
        ("in.smi", "CCO\n\nCC\n\nC\n\n"),
        ("in.smi", "CCO\n  \nCC\n\nC\n\n"),
    ],
)
def test_a_blank_line_of_one_cell_is_a_row_without_smiles(
    model: Model, tmp_path: Path, name: str, content: str
) -> None:
    (tmp_path / name).write_text(content, newline="")
    column = "the\nsmiles" if "the" in content else "smiles"

    outcome = predict_file(model, tmp_path / name, tmp_path / "out.csv", smiles_column=column)
    embed_file(model, tmp_path / name, tmp_path / "out.npz", smiles_column=column)

    rows = _rows(tmp_path / "out.csv")
    assert [row[column] for row in rows] == ["CCO", "", "CC", "", "C", ""]
    assert [row["error"].split(":")[0] for row in rows] == ["", "empty", "", "empty", "", "empty"]
    assert (outcome.rows, outcome.failed) == (6, 3)
    assert _smiles(tmp_path / "out.npz") == ["CCO", "", "CC", "", "C", ""]


def test_a_blank_line_among_several_columns_is_no_row(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("smiles,x\nCCO,1\n\nCC,2\n,\n")

    predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv")

    assert [row["smiles"] for row in _rows(tmp_path / "out.csv")] == ["CCO", "CC", ""]


def test_bytes_that_are_not_utf8_come_out_as_they_went_in(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_bytes(b"smiles,name\nCCO,\xe9thanol\n")

    predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv")

    assert b"\nCCO,\xe9thanol," in (tmp_path / "out.csv").read_bytes()


def test_a_table_without_smiles_names_the_columns_it_has(model: Model, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("structur,value\nCCO,1\n")

    with pytest.raises(DataError, match="structur, value"):
        predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv")
    with pytest.raises(DataError, match="did you mean 'structur'"):
        predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv", smiles_column="structure")
    predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv", smiles_column="structur")
    assert not _rows(tmp_path / "out.csv")[0]["error"]


def test_an_output_is_replaced_only_when_asked_to(model: Model, table: Path) -> None:
    output = table.with_name("out.csv")
    output.write_text("precious")

    with pytest.raises(UsageError, match="--force"):
        predict_file(model, table, output)
    assert output.read_text() == "precious"

    predict_file(model, table, output, force=True)
    assert len(_rows(output)) == 5
    with pytest.raises(UsageError, match="is the input"):
        predict_file(model, table, table, force=True)


def test_a_failure_leaves_neither_a_half_file_nor_the_old_one_damaged(
    model: Model, tmp_path: Path
) -> None:
    (tmp_path / "in.csv").write_text("smiles,x\nCCO,1\nCC,1,2,3\n")
    (tmp_path / "out.csv").write_text("old")

    with pytest.raises(DataError):
        predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv", force=True)

    assert (tmp_path / "out.csv").read_text() == "old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.csv", "out.csv"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("smiles,x\n", "no rows"),
        ("smiles,expt_predicted\nCCO,1\n", "already has the column expt_predicted"),
        ("smiles,error\nCCO,1\n", "already has the column error"),
        ("smiles,SMILES\nCCO,C\n", "--smiles-columns"),
    ],
)
def test_tables_that_cannot_be_used_say_why(
    model: Model, tmp_path: Path, content: str, message: str
) -> None:
    (tmp_path / "in.csv").write_text(content)

    with pytest.raises(DataError, match=message):
        predict_file(model, tmp_path / "in.csv", tmp_path / "out.csv")

    assert not (tmp_path / "out.csv").exists()


def test_outputs_of_unknown_kind_or_place_are_refused_before_any_work(
    model: Model, table: Path
) -> None:
    with pytest.raises(UsageError, match=r"\.parquet"):
        predict_file(model, table, table.with_name("out.xlsx"))
    with pytest.raises(UsageError, match="no folder"):
        predict_file(model, table, table.parent / "nowhere" / "out.csv")


def test_embeddings_come_as_columns_or_as_arrays(model: Model, table: Path) -> None:
    for suffix in (".csv", ".parquet", ".npz", ".npy"):
        outcome = embed_file(model, table, table.with_name(f"out{suffix}"))
        assert outcome.failed == 2

    expected = model.embed(["CCO", "not a smiles", "c1ccccc1", "", "CC"])
    names = [f"embedding_{i}" for i in range(16)]
    text = pd.read_csv(table.with_name("out.csv"), dtype={"id": str})
    columns = pd.read_parquet(table.with_name("out.parquet"))
    archive = np.load(table.with_name("out.npz"), allow_pickle=False)
    np.testing.assert_allclose(text[names].to_numpy(), expected, rtol=1e-5)
    np.testing.assert_array_equal(columns[names].to_numpy(), expected)
    np.testing.assert_array_equal(np.load(table.with_name("out.npy")), expected)
    np.testing.assert_array_equal(archive["embeddings"], expected)
    assert _smiles(table.with_name("out.npz")) == ["CCO", "not a smiles", "c1ccccc1", "", "CC"]
    assert [bool(error) for error in archive["error"]] == [False, True, False, True, False]
    assert text["id"].tolist() == ["007", "1e3", "003", "004", "005"]


def test_a_hostile_row_is_quoted_in_one_short_line(model: Model, tmp_path: Path) -> None:
    rows = ["\x1b[2Jboo\n", "C" * 100_000]
    pd.DataFrame({"smiles": ["CCO", *rows]}).to_parquet(tmp_path / "a.parquet")

    outcome = predict_file(model, tmp_path / "a.parquet", tmp_path / "out.parquet")

    assert outcome.first[0].startswith(r"row 1, '\x1b[2Jboo\n' (not_ascii: ")
    assert outcome.first[1].startswith(f"row 2, '{'C' * 80}...' (too_big: ")


def test_one_long_row_does_not_make_all_others_long(model: Model, tmp_path: Path) -> None:
    smiles = ["C"] * 200 + ["C" * 100_000, "C\0"]
    pq.write_table(pa.table({"smiles": smiles}), tmp_path / "in.parquet")

    embed_file(model, tmp_path / "in.parquet", tmp_path / "out.npz")

    assert _smiles(tmp_path / "out.npz") == smiles
    with np.load(tmp_path / "out.npz") as archive:
        assert sum(archive[name].nbytes for name in archive.files) < 1_000_000


def _smiles(archive: Path) -> list[str]:
    texts: list[str] = json.loads(np.load(archive)["smiles"].tobytes())
    return texts
