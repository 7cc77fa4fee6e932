"""The promises of the project's own files: they agree with each other and with the code."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import graphium
from graphium.cli.main import COMMANDS

ROOT = Path(__file__).parents[2]
PYPROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
README = (ROOT / "README.md").read_text()
FOLDERS = sorted(path.parent.name for path in (ROOT / "graphium").glob("*/__init__.py"))
PAGES = sorted(
    [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *(ROOT / "graphium").glob("*/README.md")]
)


def shell_lines(page: Path) -> list[str]:
    """Return the commands that a page tells its reader to type."""
    blocks = re.findall(r"```shell\n(.*?)```", page.read_text(), re.DOTALL)
    lines = (line.split("#")[0].strip() for block in blocks for line in block.splitlines())
    return [line for line in lines if line]


def make_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):.*## ", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_there_is_one_version():
    assert PYPROJECT["project"]["version"] == graphium.__version__


def test_the_changelog_speaks_of_this_version():
    assert f"## {graphium.__version__}" in (ROOT / "CHANGELOG.md").read_text()


def test_the_two_commands_of_the_readme_are_there():
    assert {"make demo", "make test"} <= set(shell_lines(ROOT / "README.md"))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_on_a_page_exist(page: Path):
    targets = make_targets()
    programs = PYPROJECT["project"]["scripts"]
    for line in shell_lines(page):
        program, *words = line.split()
        if program == "make":
            assert words[0] in targets, line
        elif program.startswith("graphium"):
            assert program in programs, line
            assert program != "graphium" or words[0] in COMMANDS, line
        else:
            assert program in {"source", "pip", "pre-commit"}, line


def test_every_make_target_is_explained_and_phony():
    makefile = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    named = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))

    assert phony is not None
    assert named == make_targets() == set(phony.group(1).split())


def named_files(page: Path, pattern: str) -> list[str]:
    return re.findall(pattern, page.read_text())


def test_files_that_pages_name_exist():
    missing = [
        f"{page.name}: {name}"
        for page in (ROOT / "README.md", ROOT / "CONTRIBUTING.md")
        for name in named_files(page, r"`((?:graphium|docs|expts|tests|benchmarks)/[\w./-]*)`")
        if not (ROOT / name).exists() and not name.startswith("docs/_build")
    ]
    missing += [
        f"{folder}/README.md: {name}"
        for folder in FOLDERS
        for name in named_files(ROOT / "graphium" / folder / "README.md", r"`([\w/]+\.py|\w+/)`")
        if not (ROOT / "graphium" / folder / name).exists() and not (ROOT / name).exists()
    ]

    assert missing == []


@pytest.mark.parametrize("folder", FOLDERS)
def test_each_folder_says_what_comes_in_what_goes_out_and_where_to_begin(folder: str):
    page = ROOT / "graphium" / folder / "README.md"
    lines = page.read_text().splitlines()

    assert lines[0].startswith(f"# {folder}")
    assert 8 <= len(lines) <= 15
    assert "In:" in page.read_text()
    assert "Out:" in page.read_text()
    assert re.search(r"[Rr]ead (it )?first", page.read_text())


def test_init_files_are_empty_but_for_the_package_itself():
    filled = [
        path.parent.name
        for path in (ROOT / "graphium").rglob("__init__.py")
        if path.read_text().strip() and path.parent != ROOT / "graphium"
    ]

    assert filled == []


def test_every_pin_is_an_exact_public_version():
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]

    assert [
        pin for pin in pins if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", pin)
    ] == []


def test_every_requirement_is_pinned():
    def normal(name: str) -> str:
        return re.sub(r"[-_.]+", "-", name).lower()

    project = PYPROJECT["project"]
    groups = [project["dependencies"], *project["optional-dependencies"].values()]
    names = {normal(re.split(r"[\[<>=!~ ]", line)[0]) for group in groups for line in group}
    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = {normal(line.split("==")[0]) for line in lines if "==" in line}

    assert names - pinned == set()


def test_imports_point_one_way():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command as c; c()"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 broken" in done.stdout


def imported_names(path: Path) -> set[str]:
    tree = ast.parse(path.read_text())
    names = {a.name for node in ast.walk(tree) if isinstance(node, ast.Import) for a in node.names}
    return names | {
        node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module
    }


def test_nothing_unpickles_or_evaluates():
    forbidden = {"pickle", "joblib", "dill", "cloudpickle", "marshal", "shelve"}
    calls = {"eval", "exec", "compile", "__import__"}
    found = []
    for path in (ROOT / "graphium").rglob("*.py"):
        found += [f"{path.name}: {name}" for name in imported_names(path) & forbidden]
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                found += [f"{path.name}: {node.func.id}"] * (node.func.id in calls)

    # It names the error that torch.load raises where a file holds more than numbers.
    assert found == ["torch_files.py: pickle"]
    source = (ROOT / "graphium" / "apply" / "torch_files.py").read_text()
    assert set(re.findall(r"pickle\.\w+", source)) == {"pickle.UnpicklingError"}
    assert set(re.findall(r"torch\.load\(.*\)", source)) == {
        'torch.load(path, map_location="cpu", weights_only=True)'
    }


@pytest.mark.parametrize(
    "module", ["graphium.config.load", "graphium.cli.main", "graphium.cli.check"]
)
def test_reading_an_experiment_imports_nothing_heavy(module: str):
    heavy = "{'torch', 'rdkit', 'pandas', 'zarr', 'wandb', 'pytorch_lightning'}"
    code = f"import sys, {module}; print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert done.stdout.split() == []


def test_every_test_that_a_page_names_exists():
    named = {
        match
        for page in PAGES
        for match in re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", page.read_text())
    }
    assert len(named) > 15
    for file, test in named:
        path = ROOT / file
        assert path.is_file(), file
        assert f"def {test}(" in path.read_text(), f"{file} has no {test}"
