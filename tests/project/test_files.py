"""Rules for every file that is kept in git. A pre-commit hook too, so it needs only pytest."""

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MOST_LINES = 400
MOST_BYTES = 512 * 1024

# Words and places that mean something only where a file was written, and ways to address a server.
# Written in pieces so that this file does not contain them.
FORBIDDEN = re.compile(
    "|".join(
        (
            r"(?<![\w.])/" + r"(work|tmp)/",
            r"\bpypi" + r"\.org",
            r"\bfiles\." + r"pythonhosted",
            r"\bdownload\." + r"pytorch",
            r"\blocal" + r"host:\d",
            r"\b(\d{1,3}\.){3}\d{1,3}:\d+",
            r"\bissue " + r"#?\d",
            r"\b(this|earlier|previous|another) " + r"session\b",
            r"\bCo-" + r"Authored-By",
        )
    ),
    re.IGNORECASE,
)


def kept_files() -> list[Path]:
    """Return the files that are in git or would be added to it."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
            cwd=ROOT,
            capture_output=True,
            check=True,
            text=True,
        ).stdout
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this is not a git checkout")
    return [path for name in listed.split("\0") if name and (path := ROOT / name).is_file()]


def text_of(path: Path) -> str | None:
    """Return the content of a text file, None for a binary one."""
    content = path.read_bytes()
    return None if b"\0" in content else content.decode()


def short(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_no_module_passes_the_longest_length():
    lengths = {short(p): len(p.read_text().splitlines()) for p in kept_files() if p.suffix == ".py"}

    assert lengths, "no Python file was found"
    assert {name: n for name, n in lengths.items() if n > MOST_LINES} == {}


def test_files_are_small():
    assert [short(p) for p in kept_files() if p.stat().st_size > MOST_BYTES] == []


def test_text_files_end_in_one_newline_and_have_no_trailing_space():
    wrong = []
    for path in kept_files():
        text = text_of(path)
        if not text or path.name == "LICENSE":
            continue
        if not text.endswith("\n") or text.endswith("\n\n") or re.search(r"[ \t]\n", text):
            wrong.append(short(path))

    assert wrong == []


def test_no_file_names_places_that_exist_on_one_machine_only():
    found = [
        f"{short(path)}: {match.group()}"
        for path in kept_files()
        if (text := text_of(path)) and (match := FORBIDDEN.search(text))
    ]

    assert found == []


@pytest.mark.parametrize(
    "text", ["see /" + "tmp/x", "https://pypi" + ".org/simple", "issue" + " #2"]
)
def test_the_rule_about_places_finds_what_it_should(text: str):
    assert FORBIDDEN.search(text)
