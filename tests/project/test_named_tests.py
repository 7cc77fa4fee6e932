"""Pages that prove a promise by a test name one that exists."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGES = ("silent-errors", "store-faults")


@pytest.mark.parametrize("page", PAGES)
def test_tests_that_a_page_names_exist(page):
    text = (ROOT / "docs" / "reference" / f"{page}.md").read_text()
    named = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", text)

    assert len(named) > 10
    missing = [
        f"{file}::{test}"
        for file, test in named
        if not re.search(rf"^def {test}\(", (ROOT / file).read_text(), re.MULTILINE)
    ]
    assert missing == []
