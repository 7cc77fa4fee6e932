"""Where a run may be, and what is said where it may not."""

import pytest

from graphium.cli.run_folder import check_same_experiment, new_run_dir
from graphium.config.dump import dump_yaml, spelled
from graphium.errors import UsageError
from graphium.testing.toy import toy_experiment


@pytest.mark.parametrize("chosen", [True, False])
def test_a_place_that_is_no_folder_is_named_with_the_remedy(tmp_path, monkeypatch, chosen):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GRAPHIUM_RUNS_DIR", str(tmp_path / "file"))
    with pytest.raises(UsageError, match=r"file/.* cannot be made \(Not a directory\).*--run-dir"):
        new_run_dir("name", tmp_path / "file" / "run" if chosen else None)


def test_options_that_differ_are_told_as_yaml_has_them(tmp_path):
    began = toy_experiment(trainer={"checkpoint_every_steps": 5})
    (tmp_path / "config.yaml").write_text(dump_yaml(began))
    with pytest.raises(UsageError, match="checkpoint_every_steps is 5 in the run and null now"):
        check_same_experiment(tmp_path, toy_experiment())


def test_a_value_is_spelled_on_one_line():
    values = [None, True, 5, "a", "5", [1, None], "x" * 200 + " y"]
    assert [spelled(value) for value in values] == [
        "null", "true", "5", "a", "'5'", "[1, null]", "x" * 200 + " y"
    ]  # fmt: skip
