"""Checksums that a server sends with a file: RFC 9530, before it RFC 3230, Google's storage."""

import base64
import binascii
from email.message import Message

_HEADERS = ("Repr-Digest", "Digest", "x-goog-hash")
_BYTES = {"sha-256": 32, "md5": 16}


def announced(headers: Message) -> dict[str, str]:
    """Return the digests of the whole file that a server announces, in hex.

    Args:
        headers: Of its answer, also of one with a part of the file.

    Returns:
        By name, ``sha-256`` or ``md5``; what cannot be read is left out.
    """
    found: dict[str, str] = {}
    for header in _HEADERS:
        for value in headers.get_all(header, []):
            for one in str(value).split(","):
                name, _, text = one.strip().partition("=")
                digest = _decode(text.strip().strip(":"))
                if len(digest) == _BYTES.get(name.lower()):
                    found.setdefault(name.lower(), digest.hex())
    return found


def _decode(text: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return b""
