"""Pages that follow from the code."""

import runpy
from pathlib import Path

from graphium.graphs.mol_block import RowStatus

GENERATE = Path(__file__).parents[2] / "docs" / "generate.py"


def test_the_page_of_a_store_says_what_each_status_of_a_row_means(tmp_path):
    runpy.run_path(str(GENERATE))["write_pages"](tmp_path)

    table = (tmp_path / "store.md").read_text().split("### Status of a row")[1]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines() if line.startswith("|")]
    assert rows[0] == ["status", "name", "meaning"]
    assert [row[:2] for row in rows[2:]] == [[str(int(x)), x.name.lower()] for x in RowStatus]
    assert all(len(meaning.split()) > 1 for _, _, meaning in rows[2:])
