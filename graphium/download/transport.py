"""One request over HTTP: proxies and certificates as the system has them, redirects checked.

Nothing here is retried. ``InterruptedTransferError`` says that another attempt may succeed; a
``DownloadError`` says that it would not.
"""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from urllib.error import URLError
from urllib.parse import urljoin, urlsplit
from urllib.request import (
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
    Request,
    getproxies,
    proxy_bypass,
)

from graphium import __version__
from graphium.config.addresses import why_refused, without_secrets
from graphium.errors import DownloadError

_REDIRECTS = (301, 302, 303, 307, 308)
_PIECE = 256 * 1024
_LENGTH = re.compile(r"[0-9]{1,18}")


class InterruptedTransferError(Exception):
    """A request failed in a way that may pass.

    Args:
        message: What happened.
        wait: Seconds after which the server wants to be asked again.
        is_offline: Whether not even the server's name could be found.
    """

    def __init__(
        self, message: str, wait: float | None = None, *, is_offline: bool = False
    ) -> None:
        super().__init__(message)
        self.wait = wait
        self.is_offline = is_offline


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answers, its body still to come."""

    url: str
    status: int
    headers: Message
    _body: http.client.HTTPResponse

    @property
    def length(self) -> int | None:
        """Bytes of the body, where the server says it."""
        text = self.headers.get("Content-Length", "").strip()
        return int(text) if _LENGTH.fullmatch(text) and not self.has_end_mark else None

    @property
    def has_end_mark(self) -> bool:
        """Whether the body comes in chunks, of which the last is marked."""
        return "chunked" in self.headers.get("Transfer-Encoding", "").lower()

    def pieces(self) -> Iterator[bytes]:
        """Yield the body as it comes.

        Raises:
            InterruptedTransferError: If the connection breaks or the server is silent.
        """
        while True:
            try:
                piece = self._body.read1(_PIECE)
            except (OSError, http.client.HTTPException) as error:
                raise _explain(self.url, error) from error
            if not piece:
                return
            yield piece


class Transport:
    """Sends requests.

    Args:
        timeout: Seconds without any byte.
        redirects: Addresses that one request may be sent on to.
    """

    def __init__(self, timeout: float, redirects: int) -> None:
        self._timeout = timeout
        self._redirects = redirects
        # No handlers for files or ftp, none that follows redirects or reads ~/.netrc.
        self._opener = OpenerDirector()
        self._opener.add_handler(ProxyHandler())
        self._opener.add_handler(HTTPHandler())
        self._knows_https = False

    @contextmanager
    def get(self, url: str, headers: Mapping[str, str], *, is_checked: bool) -> Iterator[Answer]:
        """Ask for an address, and for those that it is moved to.

        Args:
            url: The address.
            headers: What to send besides our name.
            is_checked: Whether the SHA-256 of the file is known; only then may it come over
                ``http``.

        Raises:
            InterruptedTransferError: If there is no answer.
            DownloadError: If a redirect leads where nothing may be downloaded from, or nowhere.
        """
        chain = [url]
        while True:
            response = self._send(chain[-1], headers)
            try:
                if response.status not in _REDIRECTS:
                    yield Answer(chain[-1], response.status, response.headers, response)
                    return
                chain.append(_next_address(chain[-1], response.headers, is_checked))
            finally:
                response.close()
            if len(chain) > self._redirects + 1:
                way = " -> ".join(map(without_secrets, chain))
                raise DownloadError(
                    f"{without_secrets(url)} was redirected more than {self._redirects} times "
                    f"({way}). The file has probably moved: give its address in the sources."
                )

    def _send(self, url: str, headers: Mapping[str, str]) -> http.client.HTTPResponse:
        names = {"User-Agent": f"graphium/{__version__}", "Accept-Encoding": "identity", **headers}
        request = Request(url, headers=names)  # noqa: S310 - why_refused has seen it
        if request.type == "https" and not self._knows_https:  # reads all certificates
            self._opener.add_handler(HTTPSHandler(context=ssl.create_default_context()))
            self._knows_https = True
        try:
            response = self._opener.open(request, timeout=self._timeout)
        except (OSError, http.client.HTTPException) as error:
            raise _explain(url, error) from error
        assert isinstance(response, http.client.HTTPResponse), "there are no other handlers"
        return response


def _next_address(url: str, headers: Message, is_checked: bool) -> str:
    place = headers.get("Location")
    if not place:
        raise DownloadError(f"{without_secrets(url)} redirects, but does not say where to.")
    try:
        target = urljoin(url, place)
    except ValueError:
        target = ""
    reason = why_refused(target, is_checked=is_checked)
    if not reason and urlsplit(url).scheme == "https" and urlsplit(target).scheme == "http":
        reason = "from https to http"
    if reason:
        raise DownloadError(
            f"{without_secrets(url)} redirects to {without_secrets(target)}, which is refused: "
            f"{reason}. If the file has moved, give its address in the sources."
        )
    return target


def _explain(url: str, error: OSError | http.client.HTTPException) -> Exception:
    """Return our error for one of the system's."""
    reason = error.reason if isinstance(error, URLError) else error
    host = urlsplit(url).hostname or ""
    proxy = _proxy_of(url)
    where = f"the proxy {proxy} (environment)" if proxy else host
    offline = False
    if isinstance(reason, ssl.SSLCertVerificationError):
        return DownloadError(
            f"{without_secrets(url)}: the certificate of {host} is not trusted "
            f"({reason.verify_message}). Behind a proxy that has its own certificates, name their "
            "file in SSL_CERT_FILE."
        )
    if isinstance(reason, socket.gaierror):
        offline = True
        what = f"the name of {where} is unknown here"
        if not proxy:
            what += ": no connection to the internet, or a proxy that https_proxy should name"
    elif isinstance(reason, TimeoutError):
        what = f"no answer from {where}"
    elif isinstance(reason, ConnectionRefusedError):
        what = f"nobody answers at {where}"
    elif isinstance(reason, http.client.IncompleteRead):
        what = "the connection ended in the middle"
    else:
        text = str(reason) or type(reason).__name__
        what = f"{text}, from {where}" if proxy else text
    return InterruptedTransferError(f"{without_secrets(url)}: {what}", is_offline=offline)


def _proxy_of(url: str) -> str:
    """Return the proxy that requests to an address go through, without its password."""
    parts = urlsplit(url)
    proxy = getproxies().get(parts.scheme, "")
    if not proxy or proxy_bypass(parts.netloc):
        return ""
    return without_secrets(proxy if "://" in proxy else f"http://{proxy}")
