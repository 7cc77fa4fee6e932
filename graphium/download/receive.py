"""One attempt to receive the rest of a file: which bytes belong behind those that are there?"""

import errno
import re
import shutil
import time
from dataclasses import dataclass, replace
from email.utils import parsedate_to_datetime

from graphium.config.addresses import without_secrets
from graphium.config.sources import SourceFile
from graphium.download.digests import announced
from graphium.download.limits import GIGABYTE, Limits
from graphium.download.meter import Meter
from graphium.download.partial import Partial, Version
from graphium.download.transport import Answer, InterruptedTransferError, Transport
from graphium.errors import DownloadError

_PASSING = (408, 425, 429, 500, 502, 503, 504)
"""States of a server that may be over at the next attempt."""
_RANGE = re.compile(r"bytes ([0-9]{1,18})-([0-9]{1,18})/([0-9]{1,18}|\*)")
_OK, _PART, _NO_SUCH_RANGE = 200, 206, 416
_MEANINGS = {
    401: "it wants a password; graphium has none",
    403: "it does not give this file to everyone",
    404: "there is no such file",
    407: "the proxy wants a password",
    410: "the file is gone",
    451: "it may not give this file",
}


@dataclass(slots=True)
class Budget:
    """Bytes that one command may still receive."""

    left: int
    limit: int
    """All that it might receive."""

    def refuse(self, size: int, name: str) -> None:
        """Raise if so many bytes more are too many.

        Raises:
            DownloadError: Names the option that allows them.
        """
        if size > self.left:
            raise DownloadError(
                f"{name} would need {size:,} bytes more than are left of the {self.limit:,} that "
                f"one command may receive; --max-size {_gigabytes(size, self)} allows it."
            )


def _gigabytes(size: int, budget: Budget) -> str:
    return f"{-(-(budget.limit - budget.left + size) // GIGABYTE)}"


def receive(
    file: SourceFile,
    expected: int | None,
    partial: Partial,
    transport: Transport,
    limits: Limits,
    budget: Budget,
    meter: Meter,
) -> None:
    """Ask for what is missing, and add it.

    Args:
        file: The file.
        expected: Bytes that it must have, where known.
        partial: What is there; whole when this returns.
        transport: Sends requests.
        limits: How much and how slowly.
        budget: Bytes that may still come; is lowered.
        meter: Shows the progress.

    Raises:
        InterruptedTransferError: If the file is not whole yet, and another attempt may help.
        DownloadError: If none would.
    """
    where = without_secrets(file.url)
    is_too_long = expected is not None and partial.size > expected
    if is_too_long or partial.version.validator is None:
        _forget(partial, meter)  # nothing can tell whether the rest would belong to it
    headers = {}
    if partial.size:
        headers = {"Range": f"bytes={partial.size}-", "If-Range": str(partial.version.validator)}
    with transport.get(file.url, headers, is_checked=file.sha256 is not None) as answer:
        _refuse_status(answer, where)
        if answer.status == _NO_SUCH_RANGE:
            _forget(partial, meter)
            raise InterruptedTransferError(f"{where} no longer has the bytes asked for")
        _refuse_disguise(answer, file.name, where)
        version = _place(answer, partial, where, meter)
        _check_size(version.total, expected, where)
        rest = None if version.total is None else version.total - partial.size
        if rest is not None:
            budget.refuse(rest, file.name)
            refuse_full_disk(partial, rest, limits)
        if version.total is None and not answer.has_end_mark and not (expected or file.sha256):
            raise DownloadError(
                f"{where} does not say how long the file is, so nobody could tell whether it is "
                "whole. Give its `size` or `sha256` in the sources."
            )
        partial.version = version
        if version.total is not None:
            meter.expect(version.total)
        _take_body(answer, expected or version.total, partial, limits, budget, meter)
    if version.total is None:
        partial.version = replace(version, total=partial.size)
    if not partial.is_whole:
        raise InterruptedTransferError(
            f"{where}: the connection ended after {partial.size:,} of {version.total:,} bytes"
        )


def refuse_full_disk(partial: Partial, rest: int, limits: Limits) -> None:
    """Raise if the disk has no room for so many bytes more.

    Raises:
        DownloadError: Says how much is missing.
    """
    free = shutil.disk_usage(partial.path.parent).free
    if rest + limits.spare_bytes > free:
        raise DownloadError(
            f"The disk of {partial.path.parent} has {free:,} bytes free, but {rest:,} are to come "
            f"and {limits.spare_bytes:,} must stay free. Make room, or choose another with --to."
        )


def _refuse_status(answer: Answer, where: str) -> None:
    status = answer.status
    if status in (_OK, _PART, _NO_SUCH_RANGE):
        return
    if status in _PASSING:
        raise InterruptedTransferError(f"{where} answers {status}", _asked_wait(answer))
    meaning = _MEANINGS.get(status, "that is no file")
    raise DownloadError(
        f"{where} answers {status}: {meaning}. Look at the page of the dataset whether the file "
        "has moved, and give its address in the sources; a file that you got in another way can "
        "be put into the folder under its name."
    )


def _asked_wait(answer: Answer) -> float | None:
    """Return the seconds of ``Retry-After``."""
    text = answer.headers.get("Retry-After", "").strip()
    if text.isdecimal():
        return float(text)
    try:
        return max(parsedate_to_datetime(text).timestamp() - time.time(), 0.0)
    except (ValueError, TypeError, OverflowError):
        return None


def _refuse_disguise(answer: Answer, name: str, where: str) -> None:
    """Refuse web pages and packed bodies; ``.gz`` files are often announced as packed tables."""
    kind = answer.headers.get_content_type() if "Content-Type" in answer.headers else ""
    if kind == "text/html" and not name.endswith((".html", ".htm")):
        raise DownloadError(
            f"{where} answers with a web page, not with {name}: a login, a notice, or the page of "
            "the network that this machine is in. Open it in a browser to see."
        )
    packing = answer.headers.get("Content-Encoding", "identity").lower()
    if packing != "identity" and not (
        packing in ("gzip", "x-gzip") and name.endswith((".gz", ".tgz"))
    ):
        raise DownloadError(f"{where} sends the file packed as {packing}, which was not asked for.")


def _place(answer: Answer, partial: Partial, where: str, meter: Meter) -> Version:
    """Decide whether the body goes behind what is there or starts anew; return its version."""
    if answer.status == _OK:  # all of it: no ranges here, or the file has changed
        _forget(partial, meter)
        return _version(answer, answer.length)
    found = _RANGE.fullmatch(answer.headers.get("Content-Range", "").strip())
    begin, end, total = found.groups() if found else ("", "", "*")
    version = _version(answer, None if total == "*" else int(total))
    fits = (
        found is not None
        and partial.size > 0
        and int(begin) == partial.size <= int(end)
        and total != "*"
        and int(end) == int(total) - 1
        and answer.length in (None, int(end) - int(begin) + 1)
        and not version.contradicts(partial.version)
    )
    if not fits:
        range_ = answer.headers.get("Content-Range", "no range")
        _forget(partial, meter)
        raise InterruptedTransferError(f"{where} sent another part than asked for ({range_})")
    partial.is_pieced = True
    return version.or_as(partial.version)


def _version(answer: Answer, total: int | None) -> Version:
    """Return what the answer says of the version of the file."""
    digests = announced(answer.headers)
    return Version(
        etag=_one_line(answer, "ETag"),
        last_modified=_one_line(answer, "Last-Modified"),
        total=total,
        sha256=digests.get("sha-256"),
        md5=digests.get("md5"),
    )


def _one_line(answer: Answer, name: str) -> str | None:
    """Return a header that may be sent back, or None."""
    text = (answer.headers.get(name) or "").strip()
    return text if text and text.isascii() and text.isprintable() else None


def _check_size(total: int | None, expected: int | None, where: str) -> None:
    if total is not None and expected is not None and total != expected:
        raise DownloadError(
            f"{where} has {total:,} bytes now, but the file must have {expected:,} (sources or "
            "lock file): it has been changed. If the new one is wanted, remove the old size and "
            "checksum there, and the old file."
        )


def _take_body(
    answer: Answer,
    most: int | None,
    partial: Partial,
    limits: Limits,
    budget: Budget,
    meter: Meter,
) -> None:
    """Write the body; ``most`` is what the whole file may have."""
    where = without_secrets(answer.url)
    began, counted = time.monotonic(), 0
    for piece in answer.pieces():
        if most is not None and partial.size + len(piece) > most:
            _forget(partial, meter)
            raise DownloadError(f"{where} sends more than the {most:,} bytes of the file.")
        budget.refuse(len(piece), partial.path.stem)
        try:
            partial.write(piece)
        except OSError as error:
            if error.errno not in (errno.ENOSPC, errno.EDQUOT):
                raise
            raise DownloadError(
                f"The disk of {partial.path.parent} is full after {partial.size:,} bytes. Make "
                "room; the same command then goes on."
            ) from error
        budget.left -= len(piece)
        counted += len(piece)
        meter.advance(len(piece))
        took = time.monotonic() - began
        if took > limits.timeout:
            if counted < limits.slowest * took:
                raise InterruptedTransferError(f"{where} sent {counted:,} bytes in {took:.0f} s")
            began, counted = time.monotonic(), 0


def _forget(partial: Partial, meter: Meter) -> None:
    if partial.size:
        meter.advance(-partial.size)
    partial.clear()
