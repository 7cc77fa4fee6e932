from pathlib import Path

import pytest
from fabricated_run import fabricate_run

from graphium.cli.main import main


def _run(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_:
        main([str(word) for word in words])
    return int(exit_.value.code or 0)


def test_report_writes_the_page_and_says_where(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = fabricate_run(tmp_path / "run")

    assert _run("report", run, "--no-baselines") == 0

    assert (run / "report.html").read_text().startswith("<!doctype html>")
    assert str(run / "report.html") in capsys.readouterr().out


def test_report_refuses_what_is_no_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run("report", tmp_path) == 3
    assert "results.json" in capsys.readouterr().err


def test_report_says_what_became_of_a_run_without_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run("report", tmp_path / "nothing") == 3
    assert "There is no such folder" in capsys.readouterr().err
    (tmp_path / "config.yaml").write_text("name: x\n")
    assert _run("report", tmp_path) == 3
    assert "before its first checkpoint" in capsys.readouterr().err
