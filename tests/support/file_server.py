"""A web server on this machine that does to files whatever a network can do."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

LAST_MODIFIED = "Wed, 01 Jan 2025 00:00:00 GMT"


@dataclass
class Served:
    """A file, and what happens to the requests for it: one turn each, then honesty."""

    content: bytes
    turns: "list[Turn]" = field(default_factory=list)
    etag: str | None = '"first"'
    last_modified: str | None = None
    kind: str = "application/octet-stream"
    headers: dict[str, str] = field(default_factory=dict)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "FileServer"

    def do_GET(self) -> None:
        self.close_connection = True
        path = self.path.split("?")[0]
        self.server.requests.append((self.path, dict(self.headers)))
        served = self.server.files.get(path)
        if served is None:
            start(self, 404, {"Content-Length": "0"})
            return
        turn = served.turns.pop(0) if served.turns else honest
        turn(self, served)

    def log_message(self, *_: Any) -> None:
        pass


Turn = Callable[[Handler, Served], None]


class FileServer(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.scheme = "http"
        self.files: dict[str, Served] = {}
        self.requests: list[tuple[str, dict[str, str]]] = []
        self.stopped = threading.Event()
        self._thread = threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def url(self, path: str) -> str:
        return f"{self.scheme}://127.0.0.1:{self.server_address[1]}{path}"

    def add(self, path: str, content: bytes, *turns: Turn, **options: Any) -> Served:
        self.files[path] = Served(content, list(turns), **options)
        return self.files[path]

    def handle_error(self, *_: Any) -> None:
        """Clients that hang up are no news."""

    def close(self) -> None:
        self.stopped.set()
        self.shutdown()
        self._thread.join()
        self.server_close()


def start(handler: Handler, status: int, headers: dict[str, str]) -> None:
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.send_header("Connection", "close")
    handler.end_headers()


def marks(served: Served) -> dict[str, str]:
    pairs = {
        "ETag": served.etag,
        "Last-Modified": served.last_modified,
        "Content-Type": served.kind,
    }
    return {name: value for name, value in pairs.items() if value is not None} | served.headers


def asked_from(handler: Handler, served: Served) -> int:
    """Return the first byte asked for, when the client knows the version that is served."""
    wanted = handler.headers.get("Range")
    known = handler.headers.get("If-Range")
    if wanted is None or known not in (served.etag, served.last_modified):
        return 0
    return int(wanted.removeprefix("bytes=").rstrip("-"))


def begin(handler: Handler, served: Served) -> bytes:
    """Send the header that an honest server would; return the body that belongs to it."""
    total, first = len(served.content), asked_from(handler, served)
    headers = marks(served) | {"Content-Length": str(total - first)}
    if first:
        headers["Content-Range"] = f"bytes {first}-{total - 1}/{total}"
    start(handler, 206 if first else 200, headers)
    return served.content[first:]


def honest(handler: Handler, served: Served) -> None:
    handler.wfile.write(begin(handler, served))


def cut(count: int) -> Turn:
    """Hang up after some bytes."""

    def turn(handler: Handler, served: Served) -> None:
        handler.wfile.write(begin(handler, served)[:count])

    return turn


def flip(position: int) -> Turn:
    """Change a bit."""

    def turn(handler: Handler, served: Served) -> None:
        body = bytearray(begin(handler, served))
        body[position % len(body)] ^= 1
        handler.wfile.write(body)

    return turn


def flip_and_cut(count: int) -> Turn:
    def turn(handler: Handler, served: Served) -> None:
        body = bytearray(begin(handler, served)[:count])
        body[-1] ^= 1
        handler.wfile.write(body)

    return turn


def stall(count: int) -> Turn:
    """Send some bytes and no more, without hanging up."""

    def turn(handler: Handler, served: Served) -> None:
        handler.wfile.write(begin(handler, served)[:count])
        handler.wfile.flush()
        handler.server.stopped.wait(20)

    return turn


def die(handler: Handler, served: Served) -> None:
    """Hang up without a word."""


def no_ranges(handler: Handler, served: Served) -> None:
    """Answer with the whole file, whatever is asked for."""
    start(handler, 200, marks(served) | {"Content-Length": str(len(served.content))})
    handler.wfile.write(served.content)


def wrong_range(shift: int) -> Turn:
    """Answer with a part that was not asked for."""

    def turn(handler: Handler, served: Served) -> None:
        total, first = len(served.content), max(asked_from(handler, served) + shift, 0)
        headers = {
            "Content-Length": str(total - first),
            "Content-Range": f"bytes {first}-{total - 1}/{total}",
        }
        start(handler, 206, marks(served) | headers)
        handler.wfile.write(served.content[first:])

    return turn


def lied_range(handler: Handler, served: Served) -> None:
    """Say that the part is the one asked for, and send another."""
    total, first = len(served.content), asked_from(handler, served)
    headers = {
        "Content-Length": str(total - first),
        "Content-Range": f"bytes {first}-{total - 1}/{total}",
    }
    start(handler, 206 if first else 200, marks(served) | headers)
    handler.wfile.write(served.content[: total - first])


def rest_of(content: bytes, etag: str | None) -> Turn:
    """Replace the file, and send its rest although another version was asked for."""

    def turn(handler: Handler, served: Served) -> None:
        served.content, served.etag = content, etag
        first = int(handler.headers["Range"].removeprefix("bytes=").rstrip("-"))
        total = len(content)
        headers = {
            "Content-Length": str(total - first),
            "Content-Range": f"bytes {first}-{total - 1}/{total}",
        }
        start(handler, 206, marks(served) | headers)
        handler.wfile.write(content[first:])

    return turn


def no_content_range(handler: Handler, served: Served) -> None:
    start(handler, 206, marks(served) | {"Content-Length": str(len(served.content))})
    handler.wfile.write(served.content)


def long_length(extra: int) -> Turn:
    """Announce more bytes than there are (or, below zero, fewer)."""

    def turn(handler: Handler, served: Served) -> None:
        length = len(served.content) + extra
        start(handler, 200, marks(served) | {"Content-Length": str(length)})
        handler.wfile.write(served.content)

    return turn


def without_length(handler: Handler, served: Served) -> None:
    """Send the file and hang up: nobody can tell whether that was all."""
    start(handler, 200, marks(served))
    handler.wfile.write(served.content)


def chunked(extra: bytes = b"", *, ends: bool = True) -> Turn:
    """Send the file in chunks, and something more."""

    def turn(handler: Handler, served: Served) -> None:
        start(handler, 200, marks(served) | {"Transfer-Encoding": "chunked"})
        for piece in (served.content, extra):
            if piece:
                handler.wfile.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
        if ends:
            handler.wfile.write(b"0\r\n\r\n")

    return turn


def endless(handler: Handler, served: Served) -> None:
    start(handler, 200, marks(served) | {"Transfer-Encoding": "chunked"})
    while not handler.server.stopped.is_set():
        handler.wfile.write(b"10000\r\n" + bytes(0x10000) + b"\r\n")


def redirect(target: str, status: int = 302) -> Turn:
    def turn(handler: Handler, served: Served) -> None:
        start(handler, status, {"Location": target, "Content-Length": "0"})

    return turn


def answer(status: int, **headers: str) -> Turn:
    def turn(handler: Handler, served: Served) -> None:
        names = {name.replace("_", "-"): value for name, value in headers.items()}
        start(handler, status, {"Content-Length": "0", **names})

    return turn


def page(handler: Handler, served: Served) -> None:
    """The page of a hotel's network."""
    body = b"<!DOCTYPE html><html>please log in</html>"
    start(handler, 200, {"Content-Type": "text/html", "Content-Length": str(len(body))})
    handler.wfile.write(body)


def change_to(content: bytes, etag: str | None = '"second"') -> Turn:
    """Replace the file, then answer honestly."""

    def turn(handler: Handler, served: Served) -> None:
        served.content, served.etag = content, etag
        honest(handler, served)

    return turn
