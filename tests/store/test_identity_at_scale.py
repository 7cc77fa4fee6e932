import json
import os
import subprocess
import sys
from pathlib import Path

import pytest


@pytest.mark.slow
def test_molecules_of_real_rows_are_those_that_canonical_smiles_of_every_row_give():
    if not os.environ.get("GRAPHIUM_TEST_DATA"):
        pytest.skip("GRAPHIUM_TEST_DATA names no folder of real tables")
    program = Path(__file__).parents[2] / "benchmarks" / "identity.py"

    done = subprocess.run(
        [sys.executable, program, "--rows", "30000", "--rewritten", "10000"],
        stdout=subprocess.PIPE,
        check=True,
    )

    found = json.loads(done.stdout)
    assert found["molecules"] > 39_000
    for key in ("join", "split"):
        counts = found[key]
        assert (counts["merges"], counts["splits"]) == (0, 0), counts["examples"]
        assert counts["splits_by_hash"] == 0
        assert counts["rows_in_groups_of_several"] > 19_000
    assert found["rewritten"]["parted"] == found["rewritten"]["parted_by_canonical_smiles_too"]
    assert found["rewritten"]["parted_by_hash"] == 0
