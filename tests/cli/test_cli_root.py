"""The ``graphium`` program itself: help, version, lazy commands, exit codes of failures."""

import subprocess
import sys
import types

import pytest
import typer

import graphium
from graphium.cli import main as root
from graphium.cli.common import guarded
from graphium.errors import ConfigError, DataError, GraphiumError, UsageError


def run(capsys, *words):
    with pytest.raises(SystemExit) as left:
        root.main(words)
    shown = capsys.readouterr()
    return left.value.code or 0, shown.out, shown.err


@pytest.fixture
def command(monkeypatch):
    """Put a function in the place of ``graphium predict``."""

    def put(function):
        module = types.ModuleType("graphium_test_command")
        module.predict = function
        monkeypatch.setitem(sys.modules, module.__name__, module)
        monkeypatch.setitem(
            root.COMMANDS, "predict", root.LazyCommand(module.__name__, "predict", "")
        )
        app = typer.Typer()
        app.callback()(root.root)
        root.register(app)
        monkeypatch.setattr(root, "app", app)

    return put


def test_the_version_is_shown(capsys):
    assert run(capsys, "--version") == (0, f"graphium {graphium.__version__}\n", "")


def test_help_lists_every_command_with_its_summary(capsys):
    code, out, _ = run(capsys, "--help")
    assert code == 0
    for name, entry in root.COMMANDS.items():
        assert name in out
        assert entry.summary in out


def test_a_misspelt_command_is_recognised(capsys):
    code, _, err = run(capsys, "chek")
    assert code == 2
    assert "Did you mean 'check'?" in err


def test_help_of_a_command_is_that_of_its_module(capsys):
    code, out, _ = run(capsys, "check", "--help")
    assert code == 0
    assert "Usage: graphium check" in out
    assert "--schema" in out


def test_words_reach_the_command_as_they_were_written(capsys, command):
    def predict(model: str, files: list[str], out: str = "", fast: bool = False) -> None:
        typer.echo(f"{model} {files} {out} {fast}")

    command(predict)
    code, out, _ = run(capsys, "predict", "--fast", "m", "a=b", "--out=x", "-o", "y")
    assert code == 2, "an unknown option of the command is refused"
    code, out, _ = run(capsys, "predict", "--fast", "m", "a=b", "--out", "x", "--", "-c")
    assert (code, out) == (0, "m ['a=b', '-c'] x True\n")


@pytest.mark.parametrize(
    ("error", "code"),
    [(GraphiumError, 1), (UsageError, 2), (ConfigError, 2), (DataError, 3)],
)
def test_each_kind_of_failure_has_its_message_and_exit_code(capsys, command, error, code):
    def predict() -> None:
        raise error("the [table] is empty\n  line two")

    command(predict)
    expected = (code, "", "error: the [table] is empty\n  line two\n")
    assert run(capsys, "predict") == expected


def test_ctrl_c_exits_with_130(capsys, command):
    def predict() -> None:
        raise KeyboardInterrupt

    command(predict)
    assert run(capsys, "predict")[0] == 130


def test_a_command_may_choose_its_exit_code(capsys, command):
    def predict() -> None:
        raise typer.Exit(75)

    command(predict)
    assert run(capsys, "predict")[0] == 75


def test_a_defect_keeps_its_traceback(command):
    def predict() -> None:
        raise ZeroDivisionError

    command(predict)
    with pytest.raises(ZeroDivisionError):
        root.main(["predict"])


def test_a_program_of_one_command_ends_the_same_way(capsys):
    def train(experiment: str) -> None:
        raise DataError(f"{experiment} is empty")

    app = typer.Typer()
    app.command()(train)
    with pytest.raises(SystemExit) as left:
        guarded(app, ["e.yaml"], "graphium-train")
    assert left.value.code == 3
    assert capsys.readouterr().err == "error: e.yaml is empty\n"


@pytest.mark.parametrize("name", list(root.COMMANDS))
def test_every_command_exists_and_explains_itself(capsys, name):
    code, out, _ = run(capsys, name, "--help")
    assert code == 0
    assert f"Usage: graphium {name}" in out


def test_importing_graphium_and_its_program_loads_nothing_heavy():
    program = (
        "import sys, graphium, graphium.cli.main\n"
        "heavy = {'torch', 'rdkit', 'datamol', 'zarr', 'pandas', 'numpy', 'yaml', 'pydantic'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"


def test_public_names_come_from_their_modules_on_first_use():
    from graphium.config.load import load_config

    assert graphium.load_config is load_config
    assert {"load_config", "prepare", "train", "load_model"} <= set(dir(graphium))


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'graphium' has no attribute 'trian'"):
        _ = graphium.trian
