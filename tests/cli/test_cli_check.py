"""``graphium check`` as users call it: in a process of its own."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from graphium.cli.check import describe
from graphium.cli.main import main
from graphium.config.load import load_config

REPOSITORY = Path(__file__).parents[2]
DEMO = REPOSITORY / "expts" / "demo.yaml"


@pytest.fixture(autouse=True)
def _stand_in_the_repository(monkeypatch):
    monkeypatch.chdir(REPOSITORY)


def run(capsys, *words):
    """Return exit code, stdout and stderr of ``graphium`` with these words."""
    with pytest.raises(SystemExit) as left:
        main([str(word) for word in words])
    shown = capsys.readouterr()
    return left.value.code or 0, shown.out, shown.err


def test_the_sources_of_a_mix_are_checked_too(capsys, tmp_path):
    code, out, _ = run(capsys, "check", "data/toymix/sources.yaml")
    assert (code, out) == (0, "valid: 6 datasets, 9 files, 0 with a known SHA-256\n")

    (tmp_path / "sources.yaml").write_text("datasets: {a: {files: [{url: ftp://x/y}]}}")
    code, _, err = run(capsys, "check", tmp_path / "sources.yaml")
    assert code == 2
    assert "datasets.a.licence: required" in err
    assert "must begin with https://" in err
    assert run(capsys, "check", "data/toymix/sources.yaml", "a=1")[0] == 2


def test_a_valid_experiment_is_shown_in_full_with_origins(capsys):
    code, out, err = run(capsys, "check", "expts/demo.yaml", "optimizer.lr=4e-5")
    assert (code, err) == (0, "")
    lines = {line.split(":")[0].strip(): line.split() for line in out.splitlines()}
    assert lines["name"] == ["name:", "demo", f"expts/demo.yaml:{line_of('name:')}"]
    assert lines["lr"] == ["lr:", "4e-05", "command", "line"]
    assert lines["weight_decay"][-1] == "default"
    assert out.rstrip().endswith("valid: 2 datasets, 5 tasks")


def line_of(start):
    lines = DEMO.read_text().splitlines()
    return next(number for number, line in enumerate(lines, 1) if line.startswith(start))


def test_origins_stand_in_one_column():
    lines = [str(line) for line in describe(load_config(DEMO))]
    columns = {line.rindex("  default") for line in lines if len(line) < 90 and "default" in line}
    assert len(columns) == 1


def test_sections_of_a_checkpoint_are_shown_as_its_own(tmp_path):
    options = ["model.trunk={kind: gcn, residual: false}", "features.atoms=[degree-float]"]
    trained = load_config(DEMO, options)
    folder = tmp_path / "checkpoints" / "best"
    folder.mkdir(parents=True)
    record = {"experiment": trained.experiment.model_dump(mode="json")}
    (folder / "model.json").write_text(json.dumps(record))
    start = f"finetune.checkpoint={tmp_path}"
    base = tmp_path / "base.yaml"
    base.write_text(
        "name: x\ndatasets: {d: {table: t.csv}}\ntasks: {t: {dataset: d, labels: [y], loss: mae}}\n"
    )

    def lines(*overrides):
        found = (str(line) for line in describe(load_config(base, overrides)))
        return {line.split(":")[0].strip(): line.split() for line in found}

    inherited = lines(start)
    assert inherited["residual"] == ["residual:", "false", "finetune.checkpoint"]
    assert inherited["atoms"] == ["atoms:", "[degree-float]", "finetune.checkpoint"]
    assert inherited["seed"][-1] == "default"
    assert "learn_epsilon" not in inherited  # an option of another kind

    written = lines(start, "model.trunk.width=8")
    assert written["residual"] == ["residual:", "true", "default"]
    assert written["atoms"][-1] == "finetune.checkpoint"

    unknown = lines("finetune.checkpoint=nowhere")
    expected = ["(from", "finetune.checkpoint)", "finetune.checkpoint"]
    assert unknown["trunk"][1:] == unknown["features"][1:] == expected


def test_mistakes_go_to_stderr_and_exit_with_2(capsys):
    code, out, err = run(capsys, "check", str(DEMO), "trainer.max_epoch=3", "batch.size=0")
    assert (code, out) == (2, "")
    assert err == (
        "error: 2 mistakes in the experiment:\n"
        "  command line  batch.size: should be greater than 0, got 0\n"
        "  command line  trainer.max_epoch: unknown option (did you mean 'max_epochs'?)\n"
    )


def test_a_missing_file_exits_with_2_and_suggests_one(capsys):
    code, _, err = run(capsys, "check", "expts/dem.yaml")
    assert code == 2
    assert "there is no file 'expts/dem.yaml' (did you mean 'demo.yaml'?)" in err


def test_without_an_experiment_it_says_what_to_give(capsys):
    code, _, err = run(capsys, "check")
    assert code == 2
    assert err == "error: give an experiment, for example: graphium check expts/demo.yaml\n"


def test_the_schema_is_printed_as_json(capsys):
    code, out, _ = run(capsys, "check", "--schema")
    assert code == 0
    assert json.loads(out)["title"] == "graphium experiment"


def test_checking_imports_neither_torch_nor_rdkit_nor_tables():
    program = (
        "import sys\n"
        "from graphium.cli.main import main\n"
        "try:\n"
        "    main(['check', 'expts/demo.yaml'])\n"
        "except SystemExit as left:\n"
        "    assert not left.code, left.code\n"
        "heavy = {'torch', 'rdkit', 'datamol', 'zarr', 'pandas', 'numpy', 'pyarrow', 'sklearn'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=REPOSITORY, capture_output=True, text=True, check=True
    )
    assert done.stderr == "[]\n"
