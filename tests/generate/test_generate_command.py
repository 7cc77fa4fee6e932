"""``graphium data generate``: what it prints, and what it refuses."""

import pytest

from graphium.cli.main import main
from tests.generate.conftest import REPOSITORY

TOYMIX = str(REPOSITORY / "data" / "toymix")


@pytest.fixture
def run(capsys, smiles_file):
    def call(mix, *words, rows=30):
        given = ["--rows", rows, "--smiles", smiles_file, *words]
        with pytest.raises(SystemExit) as stopped:
            main(["data", "generate", mix, *map(str, given)])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return call


def test_it_says_how_many_rows_are_in_which_file_and_part(run, tmp_path):
    code, out, _ = run(TOYMIX, "--to", tmp_path)

    assert code == 0
    assert "tox21: 30 rows in tox21.csv.gz (train " in out
    assert f"invented labels of toymix: {tmp_path}" in out


def test_a_mix_is_found_by_name_and_goes_to_a_folder_of_its_own(run, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, _, _ = run("ultralarge", rows=5)

    assert code == 0
    assert (tmp_path / "generated" / "ultralarge" / "pm6_random_splits.parquet").is_file()


def test_a_table_has_no_more_rows_than_the_real_one(run, tmp_path):
    code, out, _ = run(TOYMIX, "--to", tmp_path, "--repeat", rows=9000)

    assert code == 0
    assert "tox21: 7,831 rows" in out
    assert "qm9: 9,000 rows" in out


def test_files_that_are_there_are_never_replaced(run, tmp_path):
    real = tmp_path / "zinc12k.csv.gz"
    real.write_text("real")
    code, _, err = run(TOYMIX, "--to", tmp_path)

    assert code == 2
    assert "zinc12k.csv.gz exists, and may be real: nothing is replaced" in err
    assert real.read_text() == "real"


def test_what_an_interruption_left_is_no_obstacle(run, tmp_path):
    (tmp_path / ".unfinished").mkdir()
    (tmp_path / ".unfinished" / "tox21.csv.gz").write_text("half a ta")
    code, _, _ = run(TOYMIX, "--to", tmp_path)

    assert code == 0
    assert not (tmp_path / ".unfinished").exists()


def test_too_few_molecules_are_refused_unless_they_may_come_again(run, tmp_path):
    few = tmp_path / "few.smi"
    few.write_text("C\nCC\nCCO\n")
    code, _, err = run(TOYMIX, "--smiles", few, "--to", tmp_path / "out", rows=5)
    assert code == 3
    assert "has 3 SMILES, and 5 rows of qm9 need as many" in err
    assert not (tmp_path / "out").exists()

    code, out, _ = run(TOYMIX, "--smiles", few, "--to", tmp_path / "out", "--repeat", rows=5)
    assert code == 0
    assert "qm9: 5 rows" in out


def test_an_unknown_mix_is_answered_with_those_that_there_are(run, monkeypatch):
    monkeypatch.chdir(REPOSITORY)
    code, _, err = run("largmix")

    assert code == 2
    assert "There is no mix 'largmix' with a generate.yaml (did you mean 'largemix'?)" in err


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("known: 0.83", "knwn: 0.83", "knwn: unknown option (did you mean 'known'?)"),
        ("positive: 0.077", "positive: 7", "positive"),
        ("rows: 7831", "rows: many", "tables.tox21.rows: should be an integer"),
        ("texts: [mol_id]", "texts: [smiles]", "several columns have the name 'smiles'"),
        ("val: 0.1, test: 0.1}}\n  zinc", "val: 0.1}}\n  zinc", "must sum to 1, not 0.9"),
        ("kind: binary", "kind: atoms", "tables.tox21"),
    ],
)
def test_a_wrong_recipe_is_refused_with_its_place(run, tmp_path, old, new, message):
    recipe = (REPOSITORY / "data" / "toymix" / "generate.yaml").read_text()
    assert old in recipe
    (tmp_path / "generate.yaml").write_text(recipe.replace(old, new, 1))
    code, _, err = run(str(tmp_path))

    assert code == 2
    assert message in err
    assert "generate.yaml" in err
