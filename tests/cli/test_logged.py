"""What a run logs is in its file; a person at the terminal sees what is worth a warning."""

import logging

from graphium.cli.run_folder import logged


def test_warnings_are_seen_on_the_terminal_and_everything_is_in_the_file(tmp_path, capsys):
    logger = logging.getLogger("graphium")
    before = list(logger.handlers)
    with logged(tmp_path / "log.txt"):
        logger.info("epoch 1")
        logger.warning("the server cannot be reached")
    assert capsys.readouterr().err == "warning: the server cannot be reached\n"
    lines = (tmp_path / "log.txt").read_text().splitlines()
    assert [line.partition(" INFO ")[2] for line in lines[:1]] == ["epoch 1"]
    assert lines[1].endswith("WARNING the server cannot be reached")
    assert logger.handlers == before
