"""Signals that ask a program to make room: SIGTERM to end, SIGUSR1 to end and be started again.

Nearly everywhere a program ends at once, by an error that unwinds it as Ctrl-C would: what it has
finished stays. Between the steps of a training a signal is only noted, because the step that is
being done can be kept, and because all ranks have to stop after the same one.

Nothing heavy is imported: a program answers signals from its first lines on.
"""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

from graphium.errors import StoppedError

WISHES = {signal.SIGTERM: 1, signal.SIGUSR1: 2}
"""What each signal asks for; the larger wish wins."""


@final
class StopSignals:
    """What this process has been asked for, and how it answers.

    Without ``answered`` nothing is ever asked.
    """

    def __init__(self) -> None:
        self.asked = 0
        self._is_at_once = False

    @property
    def wants_more(self) -> bool:
        """Whether it is to be started again."""
        return self.asked == WISHES[signal.SIGUSR1]

    def answer(self, signum: int, _: FrameType | None = None) -> None:
        """Note a signal; the first one ends what may end at once, later ones disturb no clean-up.

        Raises:
            StoppedError: The process ends.
        """
        is_first = self.asked == 0
        self.agree_on(WISHES[signal.Signals(signum)])
        if is_first and self._is_at_once:
            self._stop()

    def agree_on(self, asked: int) -> None:
        """Note what another rank has been asked for; its signal may still be on its way here."""
        self.asked = max(self.asked, asked)

    @contextmanager
    def answered(self) -> Iterator[None]:
        """Answer this process's signals; they are noted where the body is not ``at_once``.

        A process that was started with signals held back (``held_back``) gets them now.
        """
        if threading.current_thread() is not threading.main_thread():
            yield  # only the main thread may answer signals
            return
        before = {signum: signal.signal(signum, self.answer) for signum in WISHES}
        try:
            signal.pthread_sigmask(signal.SIG_UNBLOCK, WISHES)
            yield
        finally:
            for signum, handler in before.items():
                signal.signal(signum, handler)

    @contextmanager
    def at_once(self) -> Iterator[None]:
        """End the body at once when a signal comes, or has come.

        Raises:
            StoppedError: A signal came.
        """
        before, self._is_at_once = self._is_at_once, True
        try:
            if self.asked:
                self._stop()
            yield
        finally:
            self._is_at_once = before

    @contextmanager
    def noted(self) -> Iterator[None]:
        """Only note what comes; afterwards, end if something came that nobody has acted upon.

        Raises:
            StoppedError: A signal came, and the caller may end at once.
        """
        before, self._is_at_once = self._is_at_once, False
        try:
            yield
        finally:
            self._is_at_once = before
        if self.asked and before:
            self._stop()

    def _stop(self) -> None:
        name = "SIGUSR1" if self.wants_more else "SIGTERM"
        raise StoppedError(f"stopped on request ({name})", requeue=self.wants_more)


@contextmanager
def held_back() -> Iterator[None]:
    """Hold signals back until the body has ended; processes that it starts hold them back, too.

    They get them in ``StopSignals.answered``, so that none dies of a signal that comes before it
    can answer.
    """
    before = signal.pthread_sigmask(signal.SIG_BLOCK, WISHES)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def ignore() -> None:
    """Answer no more signals: this process ends already, and has something to say first."""
    if threading.current_thread() is threading.main_thread():
        for signum in WISHES:
            signal.signal(signum, signal.SIG_IGN)
