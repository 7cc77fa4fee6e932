"""``graphium data append`` and ``add-encoding``."""

import pytest

from graphium.cli.encoding_options import read_encodings
from graphium.cli.main import main
from graphium.config.encodings import CommuteConfig, LaplacianConfig, RandomWalkConfig
from graphium.errors import ConfigError, UsageError


def run(capsys, *words):
    """Run a command; return its exit code and what it printed."""
    code = 0
    try:
        main([str(word) for word in words])
    except SystemExit as end:
        code = end.code
    printed = capsys.readouterr()
    return code, printed.out, printed.err


@pytest.fixture
def store(tmp_path, capsys):
    (tmp_path / "a.csv").write_text("smiles,y\nCCO,1.5\nc1ccccc1,2\nbad,3\n")
    words = ("data", "prepare", tmp_path / "a.csv", "--store", tmp_path, "--workers", 1)
    assert run(capsys, *words)[0] in (0, None)
    (path,) = (tmp_path / "stores").iterdir()
    return path


def test_rows_are_appended_and_shown(store, tmp_path, capsys):
    (tmp_path / "b.csv").write_text("smiles,y\nCC,1\nnone,2\n")

    code, out, err = run(capsys, "data", "append", store, tmp_path / "b.csv", "--workers", 1)

    assert code in (0, None)
    assert "3 molecules of 5 rows" in out
    assert "2 rows left out" in err
    (longer,) = [path for path in store.parent.iterdir() if path != store]
    out = run(capsys, "data", "info", longer)[1]
    assert "a.csv, b.csv, 2 files" in out
    assert f"shared    3 rows in 1 segments, with {store.name}" in out
    assert "added     2 rows in 1 segments" in out
    assert run(capsys, "data", "verify", tmp_path)[1].startswith("OK: 2 stores")


def test_rows_that_do_not_fit_are_data_errors(store, tmp_path, capsys):
    (tmp_path / "b.csv").write_text("smiles,z\nCC,1\n")

    code, _, err = run(capsys, "data", "append", store, tmp_path / "b.csv")

    assert code == 3
    assert "the new rows lack y; the new rows have z besides" in err


def test_an_encoding_is_added_shown_and_verified(store, tmp_path, capsys):
    words = ("data", "add-encoding", store, "laplacian", "laplacian.k=3", "--workers", 1)

    code, out, _ = run(capsys, *words, "--precision", "float16")

    assert code in (0, None)
    assert "bytes as float16, off by at most" in out
    assert "laplacian (k 3, level node" in run(capsys, "data", "info", store)[1]
    assert run(capsys, "data", "verify", store)[1].startswith("OK")
    (shard,) = store.glob("encodings/*/segments/*/laplacian_values/c.0.0")
    shard.write_bytes(b"")
    code, _, err = run(capsys, "data", "verify", store)
    assert code == 3
    assert "Remove the folders of these encodings and add them again" in err


def test_parameters_are_given_or_taken_from_an_experiment(tmp_path):
    assert read_encodings(["laplacian", "commute", "laplacian.k=3", "commute.level=edge"]) == {
        "laplacian": LaplacianConfig(k=3),
        "commute": CommuteConfig(level="edge"),
    }
    path = tmp_path / "e.yaml"
    path.write_text(
        "name: e\n"
        "datasets: {a: {table: a.csv}}\n"
        "tasks: {t: {dataset: a, labels: [y], loss: mae}}\n"
        "features: {encodings: {laplacian: {k: 5}, commute: {}}}\n"
    )
    assert read_encodings([], path) == {
        "random_walk": RandomWalkConfig(),
        "laplacian": LaplacianConfig(k=5),
        "commute": CommuteConfig(),
    }
    assert read_encodings(["commute"], path) == {"commute": CommuteConfig()}


@pytest.mark.parametrize(
    ("words", "error", "message"),
    [
        ([], UsageError, "Name the encodings to add: random_walk, laplacian"),
        (["laplacan"], UsageError, "'laplacan' is no encoding that a store can keep"),
        (["conformer"], UsageError, "'conformer' is no encoding that a store can keep"),
        (["laplacian", "laplacian.q=3"], ConfigError, "laplacian.q"),
        (["laplacian", "laplacian.k=0"], ConfigError, "laplacian.k"),
        (["laplacian", "commute.level=edge"], UsageError, "option of an encoding that is not"),
    ],
)
def test_what_cannot_be_added_is_refused(words, error, message):
    with pytest.raises(error, match=message):
        read_encodings(words)
