"""What a process does that is asked to end: at once, or when what it is doing is done."""

import os
import signal
import subprocess
import sys
from contextlib import suppress

import pytest

from graphium.cli.main import main
from graphium.cli.requeue import making_room
from graphium.errors import StoppedError
from graphium.training.signals import StopSignals, held_back


def send(*signums):
    for signum in signums:
        os.kill(os.getpid(), signum)


def stop_of(body):
    """How a program ends that does something while it answers signals; it must be stopped."""
    signals = StopSignals()

    def program():
        with signals.answered(), signals.at_once():
            body(signals)
            raise AssertionError("it went on")

    with pytest.raises(StoppedError) as stopped:
        program()
    return stopped.value


@pytest.mark.parametrize(("signum", "requeue"), [(signal.SIGTERM, False), (signal.SIGUSR1, True)])
def test_a_signal_ends_what_may_end_at_once(signum, requeue):
    before = signal.getsignal(signum)
    stop = stop_of(lambda _: send(signum))
    assert stop.requeue == requeue
    assert stop.exit_code == 75
    assert signal.getsignal(signum) == before


def test_nobody_on_the_way_takes_it_for_an_error():
    def body(_):
        with suppress(Exception):  # as an import does that tries several ways
            send(signal.SIGTERM)

    stop_of(body)


def test_further_signals_do_not_disturb_what_is_tidied_up():
    tidied = []

    def body(_):
        try:
            send(signal.SIGTERM)
        finally:
            send(signal.SIGTERM, signal.SIGUSR1)
            tidied.append(True)

    stop_of(body)
    assert tidied


def test_a_step_is_done_before_the_process_ends():
    done = []

    def body(signals):
        with signals.noted():
            send(signal.SIGUSR1, signal.SIGTERM)
            done.append(True)

    assert stop_of(body).requeue  # the larger wish
    assert done


def test_whoever_has_noted_a_signal_does_not_begin_what_ends_at_once():
    def body(signals):
        with signals.noted():
            send(signal.SIGTERM)
            with signals.at_once():
                raise AssertionError("it began")

    stop_of(body)


def test_a_process_that_cannot_answer_yet_gets_its_signal_later():
    program = (
        "import time; time.sleep(0.2)\n"
        "from graphium.training.signals import StopSignals\n"
        "from graphium.errors import StoppedError\n"
        "try:\n"
        "    signals = StopSignals()\n"
        "    with signals.answered(), signals.at_once(): time.sleep(60)\n"
        "except StoppedError as stop: print(stop)\n"
    )
    with held_back():
        process = subprocess.Popen(
            [sys.executable, "-c", program], stdout=subprocess.PIPE, text=True
        )
    process.send_signal(signal.SIGUSR1)
    assert process.communicate(timeout=30)[0] == "stopped on request (SIGUSR1)\n"


def test_room_is_made_once_with_words_how_to_go_on(capsys, monkeypatch):
    monkeypatch.delenv("SLURM_JOB_ID", raising=False)

    def program():
        with making_room(lambda: "outer"), making_room(lambda: "go on"):
            raise StoppedError("stopped", requeue=True)

    with pytest.raises(SystemExit) as end:
        program()
    assert end.value.code == 75
    assert capsys.readouterr() == ("go on\n", "stopped\n")


@pytest.mark.parametrize(("signum", "times"), [(signal.SIGTERM, 0), (signal.SIGUSR1, 1)])
def test_a_preparation_that_is_asked_comes_back(tmp_path, monkeypatch, capsys, signum, times):
    asked = []
    monkeypatch.setattr("graphium.cli.requeue.requeue", lambda: asked.append("the scheduler"))
    monkeypatch.setattr("graphium.store.prepare.prepare_dataset", lambda *_, **__: send(signum))
    (tmp_path / "table.csv").write_text("smiles,y\nC,1\n")
    with pytest.raises(SystemExit) as end:
        main(["data", "prepare", str(tmp_path / "table.csv")])
    assert end.value.code == 75
    assert len(asked) == times
    assert "what is prepared is kept; start the same command again" in capsys.readouterr().out
