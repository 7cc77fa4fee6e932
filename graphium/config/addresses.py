"""Which addresses data may come from: https, or http where what arrives can be checked."""

import ipaddress
import re
from urllib.parse import SplitResult, urlsplit, urlunsplit

_REFUSED_SIGNS = re.compile(r"[^\x21-\x7e]|\\")
_HOST = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9_-]{0,62}\.)*[A-Za-z0-9_][A-Za-z0-9_-]{0,62}")


def why_refused(url: str, *, is_checked: bool) -> str:
    """Return why nothing may be downloaded from an address; nothing where it may.

    Args:
        url: The address.
        is_checked: Whether the SHA-256 of what it leads to is known. Without one, ``http`` is
            allowed only to this machine itself.
    """
    if _REFUSED_SIGNS.search(url):
        return "an address is of ASCII characters without blanks and backslashes (others as %20)"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        return str(error)
    if parts.scheme not in ("http", "https"):
        return f"it must begin with https://, not with {parts.scheme or 'nothing'}:"
    if not host:
        return "it names no server"
    if not _is_number(host) and not _HOST.fullmatch(host):
        return f"'{host}' is no name of a server"
    if parts.username is not None or parts.password is not None:
        return "an address must not hold a user name or password"
    if parts.scheme == "http" and not is_checked and not is_own_machine(host):
        return "without the SHA-256 of the file it must begin with https://"
    return ""


def is_own_machine(host: str) -> bool:
    """Return whether a name or number of a server means this machine."""
    if _is_number(host):
        return ipaddress.ip_address(host).is_loopback
    return host == "localhost"


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def without_secrets(url: str) -> str:
    """Return an address for a message: without user name, password and what follows ``?``."""
    try:
        parts = urlsplit(url)
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return "an address that is none"
    return urlunsplit(SplitResult(parts.scheme, host, parts.path, "", ""))
