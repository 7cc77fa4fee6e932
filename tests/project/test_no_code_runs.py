"""Nothing that is read can run: stores, mixes, experiments and models under an audit hook."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[1] / "support" / "read_under_audit.py"


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Return what the program under the audit hook has seen."""
    folder = tmp_path_factory.mktemp("read")
    (folder / "table.csv").write_text("smiles,y\nCCO,1\nCCN,2\nCCC,3\nCCCC,4\nCO,5\nCN,6\n")
    (folder / "experiment.yaml").write_text(
        "name: safe\n"
        f"datasets: {{d: {{table: {folder}/table.csv}}}}\n"
        "tasks: {y: {dataset: d, labels: [y], loss: mae}}\n"
        "model: {trunk: {kind: gine, depth: 1, width: 8}}\n"
    )
    done = subprocess.run(
        [sys.executable, PROGRAM, str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_reading_stores_mixes_experiments_and_models_runs_no_code_of_theirs(told):
    assert told["hook_sees"]
    assert told["events"] == []


def test_nothing_runs_where_any_file_is_a_pickle_under_digests_that_fit(told):
    assert told["payload_works"]
    assert not told["something_ran"]
    hostile = told["hostile"]
    assert hostile["stores/stores"]["files"] > 20
    for where in ("experiment.yaml", "model", "stores/mixes"):  # opened ones are made again
        assert hostile[where]["accepted"] == []
    planned = {"plan.json", "00000.json"}  # a finished store is not planned again
    assert set(hostile["stores/stores"]["accepted"]) <= planned
