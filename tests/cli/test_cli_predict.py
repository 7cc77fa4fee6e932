import csv
from pathlib import Path

import numpy as np
import pytest
from tiny_model import write_tiny_model

from graphium.cli.main import main


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tiny_model(tmp_path_factory.mktemp("model") / "checkpoint")


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "in.csv"
    path.write_text("name,structure\nethanol,CCO\nnothing,xyz\n")
    return path


def _run(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(word) for word in words])
    return int(exit_.value.code or 0)


def test_predict_writes_the_table_and_counts_failures_on_stderr(
    checkpoint: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = table.with_name("out.csv")

    code = _run("predict", checkpoint, table, "-o", output, "--batch-size", 1)

    assert code == 0
    with output.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == ["ethanol", "nothing"]
    assert rows[0]["expt_predicted"]
    assert not rows[1]["expt_predicted"]
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "1 of 2 rows done" in captured.err
    assert "1 row failed (syntax 1)" in captured.err


def test_embed_writes_an_array(checkpoint: Path, table: Path) -> None:
    output = table.with_name("out.npy")

    assert _run("embed", checkpoint, table, "--output", output, "-s", "structure") == 0

    vectors = np.load(output)
    assert np.isnan(vectors).any(1).tolist() == [False, True]


def test_bad_input_gets_a_message_and_its_exit_code(
    checkpoint: Path, table: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = table.with_name("out.csv")

    codes = [
        _run("predict", checkpoint, table.with_name("inn.csv"), "-o", output),
        _run("predict", checkpoint, table, "-o", output, "--smiles-columns", "struct"),
        _run("predict", checkpoint, table, "-o", table),
        _run("predict", checkpoint.with_name("none"), table, "-o", output),
        _run("predict", checkpoint, table),
        _run("embed", checkpoint, table, "-o", output.with_suffix(".txt")),
    ]

    assert codes == [3, 3, 2, 1, 2, 2]
    text = capsys.readouterr().err
    assert "did you mean" in text
    assert "name, structure" in text
    assert "Traceback" not in text
    assert not output.exists()
