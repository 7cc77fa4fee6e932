"""Where the programs start: signals are answered before anything else is imported.

Importing takes a second, and minutes from a file system that many jobs read at once.
"""

import sys
from importlib import import_module

from graphium.cli.requeue import make_room
from graphium.errors import StoppedError
from graphium.training.signals import StopSignals


def graphium() -> None:
    """Run ``graphium``, whose commands say themselves whether they come back."""
    _run("graphium.cli.main", comes_back=False)


def graphium_train() -> None:
    """Run ``graphium-train``."""
    _run("graphium.cli.train", comes_back=True)


def _run(module: str, *, comes_back: bool) -> None:
    signals = StopSignals()
    try:
        with signals.answered(), signals.at_once():
            import_module(module).main(signals=signals)
    except StoppedError as stop:
        if comes_back:
            make_room(stop, "nothing had begun; start the same command again")
        else:
            sys.stderr.write(f"{stop}\n")
        sys.exit(stop.exit_code)
