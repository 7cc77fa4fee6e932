"""One file from its address to its name: attempts, checks, and only then the name.

A file stands under its name only after its bytes were complete, had the size and checksums that
are known, or (the first time) looked like what the name says, and were durable.
"""

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from graphium.config.addresses import without_secrets
from graphium.config.sources import SourceFile
from graphium.download.content import why_broken
from graphium.download.limits import Limits
from graphium.download.meter import Meter
from graphium.download.partial import Partial
from graphium.download.pins import LOCK, Content, Pin, Pins
from graphium.download.receive import Budget, receive
from graphium.download.transport import InterruptedTransferError, Transport
from graphium.errors import DownloadError

_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Fetched:
    """A file that is there and has been checked."""

    path: Path
    size: int
    sha256: str
    how: Literal["downloaded", "there", "found"]
    """``there``: since an earlier download; ``found``: put there in another way, pinned now."""


@dataclass(frozen=True, slots=True)
class Way:
    """How files come here."""

    folder: Path
    """Where they go."""
    pins: Pins
    """What they were the first time."""
    transport: Transport
    """Sends requests."""
    limits: Limits
    """When to give up."""
    budget: Budget
    """How much may come."""
    say: Callable[[str], None]
    """Takes a line for the user: what went wrong and is tried again."""


def fetch(file: SourceFile, way: Way, meter: Meter) -> Fetched:
    """Have a file, by downloading what is missing of it, and check it.

    Args:
        file: The file.
        way: How it comes here.
        meter: Shows the progress.

    Returns:
        The checked file.

    Raises:
        DownloadError: If it cannot be had or is not what it should be. What has arrived stays
            beside its name as ``.part`` for the next time, unless it is wrong.
    """
    _refuse_contradiction(file, way.pins)
    path = way.folder / file.name
    if path.is_dir():
        raise DownloadError(f"{path} is a folder; a file of this name is to come. Move it away.")
    if path.exists():
        return _check_there(file, path, way, meter)
    with Partial(path, file.url, way.limits.checkpoint) as partial:
        meter.advance(partial.size)
        _receive_all(file, partial, way, meter)
        wrong = _why_wrong(file, partial, way.pins)
        if wrong and partial.is_pieced:
            way.say(f"{file.name}: {wrong}. It came in pieces: once more in one.")
            meter.advance(-partial.size)
            partial.clear()
            _receive_all(file, partial, way, meter)
            wrong = _why_wrong(file, partial, way.pins)
        if wrong:
            partial.discard()
            raise DownloadError(f"{without_secrets(file.url)}: {wrong}")
        known = way.pins.get(file.name)
        result = Fetched(path, partial.size, partial.sha256, "downloaded")
        if known is None:  # before the name: a file with its name has always been pinned
            way.pins.put(file.name, _pin(file, result))
        partial.finish(path)
    return result


def _pin(file: SourceFile, result: Fetched) -> Pin:
    return Pin(size=result.size, sha256=result.sha256, url=without_secrets(file.url))


def _refuse_contradiction(file: SourceFile, pins: Pins) -> None:
    pin = pins.get(file.name)
    if pin is not None and file.sha256 not in (None, pin.sha256):
        raise DownloadError(
            f"The sources want {file.name} with SHA-256 {file.sha256}, but {pins.path} says that "
            f"it was {pin.sha256} when it was first downloaded. If the sources are right, remove "
            f"{file.name} and its entry there, and download again."
        )


def _check_there(file: SourceFile, path: Path, way: Way, meter: Meter) -> Fetched:
    """Check a file that has its name already."""
    content = read_content(path, meter)
    pin = way.pins.get(file.name)
    wrong = _why_other(file, content, pin)
    if not wrong and file.md5 is not None and pin is None and _md5(path) != file.md5:
        wrong = f"its MD5 is not {file.md5}"
    if not wrong and pin is None and file.sha256 is None:
        wrong = why_broken(path, file.name)
    if wrong:
        raise DownloadError(
            f"{path} is not the file that it should be: {wrong}. Nothing was changed: move it "
            "away, and the same command downloads it again."
        )
    for left_over in (f"{file.name}.part", f"{file.name}.part.json"):
        path.with_name(left_over).unlink(missing_ok=True)
    how: Literal["there", "found"] = "found" if pin is None else "there"
    result = Fetched(path, content.size, content.sha256, how)
    if pin is None:
        way.pins.put(file.name, _pin(file, result))
    return result


def _receive_all(file: SourceFile, partial: Partial, way: Way, meter: Meter) -> None:
    """Repeat attempts until the file is whole."""
    pin = way.pins.get(file.name)
    expected = file.size or (pin.size if pin else None)
    failures, has_connected = 0, partial.size > 0
    while not partial.is_whole:
        before = way.budget.left
        try:
            receive(file, expected, partial, way.transport, way.limits, way.budget, meter)
        except InterruptedTransferError as error:
            gained = before - way.budget.left
            has_connected = has_connected or gained > 0
            failures = 1 if gained >= way.limits.progress else failures + 1
            if failures >= way.limits.attempts or (error.is_offline and not has_connected):
                raise _give_up(error, failures, partial) from error
            _wait(error, failures + 1, way)


def _give_up(error: InterruptedTransferError, failures: int, partial: Partial) -> DownloadError:
    tried = "" if failures == 1 else f" (attempt {failures}, the last)"
    kept = ""
    if partial.size and partial.version.validator:
        kept = f" {partial.size:,} bytes are kept; the same command goes on from there."
    return DownloadError(f"{error}{tried}.{kept}")


def _wait(error: InterruptedTransferError, attempt: int, way: Way) -> None:
    wait = way.limits.wait_before(attempt)
    if error.wait is not None:
        if error.wait > way.limits.longest_wait:
            raise DownloadError(
                f"{error} and asks to come back after {error.wait:,.0f} s. Try again then."
            ) from error
        wait = max(wait, error.wait)
    way.say(f"{error}. Attempt {attempt} of {way.limits.attempts} in {wait:.0f} s.")
    time.sleep(wait)


def _why_wrong(file: SourceFile, partial: Partial, pins: Pins) -> str:
    """Return what is wrong with bytes that are all there."""
    content = Content(size=partial.size, sha256=partial.sha256)
    pin = pins.get(file.name)
    wrong = _why_other(file, content, pin)
    announced = partial.version
    if not wrong and announced.sha256 not in (None, content.sha256):
        wrong = f"its SHA-256 is not {announced.sha256}, which the server announces: damaged"
    if not wrong and announced.md5 not in (None, partial.md5):
        wrong = f"its MD5 is not {announced.md5}, which the server announces: damaged"
    if not wrong and file.md5 not in (None, partial.md5):
        wrong = f"its MD5 is {partial.md5}, not {file.md5} as the source says: damaged or changed"
    if not wrong and pin is None and file.sha256 is None:
        partial.save()
        wrong = why_broken(partial.path, file.name)
    return wrong


def _why_other(file: SourceFile, content: Content, pin: Pin | None) -> str:
    """Return how a content differs from what is known of the file."""
    if file.size not in (None, content.size):
        return f"it has {content.size:,} bytes, not {file.size:,} as the sources say"
    if file.sha256 is not None:
        if content.sha256 != file.sha256:
            return (
                f"its SHA-256 is {content.sha256}, not {file.sha256} as the sources say: damaged "
                "or changed"
            )
    elif pin is not None and content.sha256 != pin.sha256:
        return (
            f"its SHA-256 is {content.sha256}, but was {pin.sha256} when it was first downloaded "
            f"({LOCK}): damaged or changed. If the new one is wanted, remove its entry there"
        )
    return ""


def read_content(path: Path, meter: Meter | None = None) -> Content:
    """Return size and SHA-256 of a file."""
    digest, size = hashlib.sha256(), 0
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            digest.update(piece)
            size += len(piece)
            if meter is not None:
                meter.advance(len(piece))
    return Content(size=size, sha256=digest.hexdigest())


def _md5(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
