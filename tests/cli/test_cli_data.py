import pandas as pd
import pytest

from graphium.cli.main import main


@pytest.fixture
def run(capsys):
    """Run ``graphium data ...`` and return exit code, stdout and stderr."""

    def call(*words):
        with pytest.raises(SystemExit) as stopped:
            main(["data", *(str(word) for word in words)])
        out, err = capsys.readouterr()
        return stopped.value.code, out, err

    return call


@pytest.fixture
def table(tmp_path):
    path = tmp_path / "assay.csv"
    cells = {"structure": ["CCO", "bad", "CC"], "y": [1, 2, "inf"], "kind": ["a", "b", "a"]}
    pd.DataFrame(cells).to_csv(path, index=False)
    return path


def test_a_table_is_prepared_described_and_verified(run, table, tmp_path):
    code, out, err = run("prepare", table, "--store", tmp_path / "cache", "--workers", 1)

    assert code == 0
    assert "assay: 2 molecules of 3 rows, 5 atoms, 3 bonds" in out
    assert "1 row left out (1 syntax)" in err
    assert "1 infinite value of 'y' taken as missing" in err
    (store,) = (tmp_path / "cache" / "stores").iterdir()
    assert str(store) in out

    code, out, _ = run("info", store)
    assert code == 0
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "y graph 1 1 50.0%" in lines
    assert "kind text 2 2 100.0%" in lines
    assert "syntax 1" in lines
    assert "read by decoder 2, RDKit's getters 0" in lines
    assert any(line.startswith("made by graphium 0") and "rdkit" in line for line in lines)
    assert any(line.startswith("bytes on disk") for line in lines)

    code, out, _ = run("verify", store)
    assert code == 0
    assert out.startswith("OK: ")


def test_many_columns_are_summed_up_by_kind_unless_each_is_asked_for(run, tmp_path):
    cells = {"smiles": ["CCO", "CC"], "weight": [0.5, 1.5]}
    cells |= {f"a{k}": [k % 2, 1 if k % 3 else None] for k in range(32)}
    cells["a5"] = [None, None]
    pd.DataFrame(cells).to_csv(tmp_path / "wide.csv", index=False)
    run("prepare", tmp_path / "wide.csv", "--store", tmp_path / "cache", "--workers", 1)
    (store,) = (tmp_path / "cache" / "stores").iterdir()

    _, out, _ = run("info", store)
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "weight graph 2 2 100.0%" in lines
    first = lines.index(
        "32 columns graph (0 or 1, a bit each): 'a0' to 'a31' (--every-column lists them)"
    )
    assert lines[first + 1 : first + 4] == [
        "51 values, 0.80 a molecule in the mean column",
        "molecules with one: 0 ('a5') to 2 ('a31'), median 2",
        "1 of these columns hold no label",
    ]

    _, out, _ = run("info", store, "--every-column")
    lines = [" ".join(line.split()) for line in out.splitlines()]
    assert "a0 graph 1 1 50.0%" in lines
    assert not any("32 columns" in line for line in lines)


def test_a_damaged_store_has_exit_code_3_and_the_names(run, table, tmp_path):
    run("prepare", table, "--store", tmp_path / "cache", "--workers", 1)
    (store,) = (tmp_path / "cache" / "stores").iterdir()
    next(store.glob("segments/*/smiles/c.0")).unlink()
    (store / "extra").touch()

    code, _, err = run("verify", store)

    assert code == 3
    assert "(2 problems)" in err
    assert "segment 0: segments/00000-" in err
    assert "smiles/c.0 is missing" in err
    assert "extra does not belong here" in err
    code, _, err = run("info", store)
    assert code == 3
    assert "smiles/c.0 is missing" in err


def test_an_experiment_is_prepared_with_its_key_index(run, table, tmp_path):
    experiment = tmp_path / "e.yaml"
    experiment.write_text(
        f"name: e\ndatasets:\n  assay:\n    table: {table}\n"
        "tasks:\n  t: {dataset: assay, labels: [y], loss: mae}\n"
    )

    words = ["prepare", experiment, "--store", tmp_path / "cache", "--workers", 1]
    code, out, _ = run(*words, "datasets.assay.split.seed=3")

    assert code == 0
    assert "assay: 2 molecules of 3 rows" in out
    assert list((tmp_path / "cache" / "mixes").glob("*/MANIFEST.json"))


def test_options_of_a_table_are_given_as_key_value(run, table, tmp_path):
    words = ["prepare", table, "--store", tmp_path / "cache", "--workers", 1]

    code, _, err = run(*words, "smiles=kind")
    assert code == 3
    assert "Is 'kind' the SMILES column?" in err

    code, out, _ = run(*words, "smiles=structure", "computed=[gasteiger_charge]")
    assert code == 0
    assert "2 molecules" in out


def test_the_folder_of_all_stores_is_verified_store_by_store(run, table, tmp_path):
    root = tmp_path / "cache"
    experiment = tmp_path / "e.yaml"
    experiment.write_text(
        f"name: e\ndatasets:\n  assay:\n    table: {table}\n"
        "tasks:\n  t: {dataset: assay, labels: [y], loss: mae}\n"
    )
    run("prepare", experiment, "--store", root, "--workers", 1)
    (store,) = (root / "stores").iterdir()
    (index,) = (path for path in (root / "mixes").iterdir() if path.name != "owners")

    code, out, _ = run("verify", root)
    assert code == 0
    assert out.startswith("OK: 2 stores and key indexes, ")

    next(store.glob("segments/*/smiles/c.0")).unlink()
    next(index.glob("arrays/molecule/c.*")).unlink()
    code, _, err = run("verify", root)
    assert code == 3
    assert f"The store {store} is damaged (1 problem):\n  segment 0: " in err
    assert f"The key index of a mix {index} is damaged (1 problem):\n  key index: " in err

    code, _, err = run("verify", index)
    assert f"The key index of a mix {index} is damaged" in err
    code, _, err = run("verify", tmp_path)
    assert "holds no finished store" in err
    assert "Remove" not in err


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["prepare", "absent.csv"], 3, "There is no table absent.csv"),
        (
            ["prepare", "TABLE", "smile=structure"],
            2,
            "smile: unknown option .did you mean 'smiles'",
        ),
        (["prepare", "TABLE", "smiles=no"], 3, "no column 'no' for the SMILES column"),
        (["prepare", "TABLE", "computed=[gas"], 2, "computed: not YAML at column 5"),
        (
            ["prepare", "TABLE", "computed=[gas]"],
            2,
            "computed.0: should be 'descriptors', 'morgan_bits'",
        ),
        (["prepare", "TABLE", "smiles.x=1"], 2, "'smiles' holds one value, not options"),
        (["prepare", "TABLE", "split.kind=randm"], 2, "split.kind: should be .*'random'"),
        (["prepare", "TABLE", "structure"], 2, "'structure' is not of the form"),
        (["prepare", "TABLE", "--part", "0/2"], 2, "--part is '0/2'; it is K/N"),
        (["prepare", "TABLE", "--part", "1/2", "--parts", "2"], 2, "give one"),
        (["prepare", "TABLE", "--part", "1/2", "--engine", "dask"], 2, "Parts need no --engine"),
        (["prepare", "TABLE", "--scheduler", "tcp://node:1"], 2, "add --engine dask"),
        (["commit", "absent"], 3, "absent is not the folder of a store that is being prepared"),
        (["info", "absent"], 3, "store absent does not exist"),
        (["verify", "absent"], 3, "There is no store absent"),
    ],
)
def test_mistakes_have_a_message_and_an_exit_code(run, table, words, code, message):
    import re

    words = [table if word == "TABLE" else word for word in words]

    found, _, err = run(*words)

    assert found == code
    assert re.search(message, err, re.DOTALL)


def test_the_limits_of_a_row_are_options(run, table, tmp_path, monkeypatch):
    monkeypatch.setenv("GRAPHIUM_WORKER_FAULTS", '{"CC": "hang"}')

    code, _, err = run("prepare", table, "--store", tmp_path, "--workers", 1, "--row-timeout", 1)
    assert code == 0
    (rejects,) = (tmp_path / "stores").glob("*/rejects.csv")
    assert "timeout: not done after 1 s" in rejects.read_text()
    assert "2 rows left out (1 syntax, 1 timeout)" in err

    code, _, err = run("prepare", table, "--worker-memory", 0)
    assert code == 2
    assert "--worker-memory" in err


def test_a_table_is_prepared_in_parts_and_committed(run, table, tmp_path):
    root = tmp_path / "cache"
    words = ["prepare", table, "--store", root, "--workers", 1]

    code, out, err = run(*words, "--parts", 4)
    assert code == 0
    assert out == f"graphium data prepare {table} --store {root} --workers 1 --part 1/1\n"
    (store,) = (root / "stores").iterdir()
    assert "There are only 1 segments" in err
    assert f"graphium data commit {store}" in err
    code, _, err = run("commit", store)
    assert code == 3
    assert "1 of its 1 segments are missing (0)" in err

    code, out, _ = run(*words, "--part", "1/2")
    assert code == 0
    assert "part 1 of 2 is there (1 of 1 segments)" in out
    assert f"all segments are there: graphium data commit {store}" in out
    code, out, _ = run(*words, "--part", "2/2")
    assert code == 0
    assert "part 2 of 2 is there (0 of 1 segments)" in out

    code, out, err = run("commit", store)
    assert code == 0
    assert f"{store.name}: 2 molecules of 3 rows" in out
    assert "1 row left out" in err
    code, out, _ = run("verify", store)
    assert out.startswith("OK: ")


def test_the_tables_of_an_experiment_are_prepared_in_parts(run, table, tmp_path):
    experiment = tmp_path / "e.yaml"
    experiment.write_text(
        f"name: e\ndatasets:\n  assay:\n    table: {table}\n"
        "tasks:\n  t: {dataset: assay, labels: [y], loss: mae}\n"
    )
    words = ["prepare", experiment, "--store", tmp_path / "cache", "--workers", 1]

    code, out, _ = run(*words, "--part", "1/1")
    assert code == 0
    assert "assay: part 1 of 1 is there" in out
    assert not (tmp_path / "cache" / "mixes").exists()

    code, out, _ = run(*words)
    assert code == 0
    assert "assay: 2 molecules of 3 rows" in out
    assert list((tmp_path / "cache" / "mixes").glob("*/MANIFEST.json"))


def test_a_pattern_is_prepared_as_one_table_and_info_counts_its_files(run, tmp_path):
    for number in (1, 2):
        (tmp_path / f"part-{number}.csv").write_text("smiles,y\nCCO,1\nbad,2\n")
    words = ("--store", tmp_path / "cache", "--workers", 1)

    code, out, _ = run("prepare", tmp_path / "part-*.csv", *words)

    assert code == 0
    assert "2 molecules of 4 rows" in out
    (store,) = (tmp_path / "cache" / "stores").iterdir()
    assert "part-*.csv, 2 files (SMILES in 'smiles')" in run("info", store)[1]


def test_a_pattern_that_the_shell_has_replaced_is_recognised(run, tmp_path):
    files = [tmp_path / f"part-{number}.csv" for number in (1, 2)]
    for file in files:
        file.write_text("smiles,y\nCCO,1\n")

    code, _, err = run("prepare", *files)

    assert code == 2
    assert f"'{files[1]}' follows the table '{files[0]}'" in err
    assert f"put their pattern in quotes: '{tmp_path / '*.csv'}'" in err
