"""Processes that are forked for tests end, speak and are hurt like any that is started."""

import os
import signal
import subprocess

import pytest


@pytest.fixture
def start(preparers):
    def start(code, *arguments, **options):
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
        return preparers.of(os.environ).start(code, arguments, **pipes, **options)

    return start


@pytest.mark.parametrize(
    ("code", "said", "exit_code"),
    [
        ("print('a')", "a\n", 0),
        ("import sys; print('a'); sys.exit(3)", "a\n", 3),
        ("import sys; sys.exit('b')", "b\n", 1),
        ("import atexit; atexit.register(print, 'c')", "c\n", 0),
        ("import os, signal; os.kill(os.getpid(), signal.SIGKILL)", "", -signal.SIGKILL),
    ],
)
def test_a_forked_process_ends_as_one_that_was_started(start, code, said, exit_code):
    process = start(code)

    assert process.communicate(timeout=60)[0] == said
    assert process.returncode == exit_code


@pytest.mark.parametrize(("error", "exit_code"), [("ValueError", 1), ("KeyboardInterrupt", -2)])
def test_an_error_that_nobody_catches_is_shown(start, error, exit_code):
    process = start(f"raise {error}")

    assert error in process.communicate(timeout=60)[0].splitlines()[-1]
    assert process.returncode == exit_code


def test_a_forked_process_has_a_place_words_and_variables_of_its_own(start, tmp_path):
    code = "import os, sys; print(os.getcwd(), sys.argv[1:], os.environ['GRAPHIUM_OF_TEST'])"
    process = start(code, "x", "y", cwd=tmp_path, env={**os.environ, "GRAPHIUM_OF_TEST": "z"})

    assert process.communicate(timeout=60)[0] == f"{tmp_path} ['x', 'y'] z\n"
    assert "GRAPHIUM_OF_TEST" not in os.environ


def test_a_forked_process_can_be_killed_and_is_known_by_its_number(start):
    process = start("import os, time; print(os.getpid(), flush=True); time.sleep(600)")

    assert int(process.stdout.readline()) == process.pid
    assert process.poll() is None
    process.kill()
    assert process.wait(timeout=60) == -signal.SIGKILL
    process.stdout.close()


def test_what_is_read_on_import_has_a_template_of_its_own(preparers):
    here = preparers.of(os.environ)

    assert preparers.of({**os.environ, "GRAPHIUM_CACHE_DIR": "elsewhere"}) is here
    assert preparers.of({**os.environ, "PYTHONHASHSEED": "7"}) is not here
